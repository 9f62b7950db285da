"""From raw HTML to packed tokens: how long does it take, on one core, against datatrove on the same pages?

    HEADWATER_PEERS=… python benchmarks/corpus_end_to_end.py              all of trafilatura's evaluation pages, 3 rounds (6 minutes)
    HEADWATER_PEERS=… python benchmarks/corpus_end_to_end.py --copies 3   each three times, as a crawl finds it that comes back (with
                                                                          another comment in it each time)
    HEADWATER_PEERS=… python benchmarks/corpus_end_to_end.py --quick      300 of them, 1 round: here start-up is a third of our time

Both extract the main content, judge by Gopher's quality and repetition rules, remove near duplicates and write token shards with
the same tokenizer (byte-level BPE of 4,096, trained by us on the first run and not counted). Ours is the command with one worker
(stages annotate, relate, corpus with its statistics, which the peer does not count, and tokens, by their own clocks), after one run over
a few pages that compiles what is compiled once for each machine; the peer is trafilatura, Gopher filters, MinHash signatures, buckets,
clusters, filter and tokenizer as datatrove's examples chain them, once as shipped and once splitting words at white space, by the sum of
the clocks of its executors. Both on the same core. Printed beside: documents and tokens that each keeps. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from _peer import checkout, environment, summary

RECIPE = """
name: pages
corpus:
  sources: [{{path: '{pages}/*.html', name: pages}}]
  language: {{model: null}}
  quality: {{rules: [gopher]}}
  engine: {{kind: local, workers: 1}}
tokenizer: {{kind: bpe, vocab_size: 4096}}
tokens: {{}}
"""
PEER = """
import json, sys, time
from pathlib import Path
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.tokens import DocumentTokenizer
from datatrove.pipeline.writers import JsonlWriter

data, out, tokenizer, words = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
if words == "whitespace":
    import datatrove.utils.word_tokenizers as module
    class Split:
        def word_tokenize(self, text): return text.split()
        def sent_tokenize(self, text): return [text]
        def span_tokenize(self, text): return [(0, len(text))]
    splitter = Split()
    module.load_word_tokenizer = lambda language: splitter
    import datatrove.utils.text as text
    for loaded in list(sys.modules.values()):
        if getattr(loaded, "__name__", "").startswith("datatrove") and hasattr(loaded, "load_word_tokenizer"):
            loaded.load_word_tokenizer = lambda language: splitter
        if getattr(loaded, "__name__", "").startswith("datatrove") and hasattr(loaded, "split_into_words"):
            loaded.split_into_words = lambda text, language="eng": text.split()
config = MinhashConfig()
at = lambda name: str(out / name)
write = lambda name: JsonlWriter(at(name), compression=None)
steps = [
    [JsonlReader(str(data)), Trafilatura(timeout=10), GopherRepetitionFilter(), GopherQualityFilter(), write("kept")],
    [JsonlReader(at("kept")), MinhashDedupSignature(output_folder=at("sig"), config=config)],
    [MinhashDedupBuckets(input_folder=at("sig"), output_folder=at("buckets"), config=config)],
    [MinhashDedupCluster(input_folder=at("buckets"), output_folder=at("remove"), config=config)],
    [JsonlReader(at("kept")), MinhashDedupFilter(input_folder=at("remove")), write("unique")],
    [JsonlReader(at("unique")), DocumentTokenizer(output_folder=at("tokens"), tokenizer_name_or_path=tokenizer, eos_token=None)],
]
started = time.perf_counter()
for number, pipeline in enumerate(steps):
    tasks = config.num_buckets if isinstance(pipeline[0], MinhashDedupBuckets) else 1
    LocalPipelineExecutor(pipeline=pipeline, tasks=tasks, workers=1, logging_dir=str(out / "logs" / str(number))).run()
seconds = time.perf_counter() - started
unique = sum(1 for path in (out / "unique").glob("*.jsonl") for line in path.open())
size = sum(path.stat().st_size for path in (out / "tokens").glob("*.ds"))
print(json.dumps({"seconds": seconds, "documents": unique, "token_bytes": size}))
"""
STAGES = ("annotate", "relate", "corpus", "tokens")
CORE = {min(os.sched_getaffinity(0))}


def pages_into(folder: Path, count: int | None, copies: int) -> list[Path]:
    """The evaluation pages as files, and as JSONL for the peer (which reads no folder of pages)."""
    found = sorted((checkout("trafilatura") / "tests" / "eval").glob("*.html"))[:count]
    (folder / "pages").mkdir(parents=True)
    (folder / "rows").mkdir()
    with open(folder / "rows" / "pages.jsonl", "w") as rows:
        for copy in range(copies):
            for page in found:
                data = page.read_bytes() + f"<!-- fetched {copy} -->".encode()
                (folder / "pages" / f"{copy}-{page.name}").write_bytes(data)
                rows.write(json.dumps({"text": data.decode(errors="replace"), "id": f"{copy}-{page.name}"}) + "\n")
    return found


def on_one_core(command: list[str | Path]) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed has its bytecode on the disk: ours like the peer's
    done = subprocess.run(command, capture_output=True, text=True, env=environment, preexec_fn=lambda: os.sched_setaffinity(0, CORE))
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def ours(folder: Path, workspace: Path) -> tuple[float, dict[str, object]]:
    """Seconds of the four stages, and what they made."""
    (folder / "recipe.yaml").write_text(RECIPE.format(pages=folder / "pages"))
    on_one_core([sys.executable, "-m", "headwater", "run", folder / "recipe.yaml", "--workspace", workspace])
    times = {stage: json.loads((workspace / stage / "journal" / "time.json").read_text())["seconds"] for stage in STAGES}
    splits = json.loads((workspace / "tokens" / "tokens.json").read_text())["splits"].values()
    made = {name: sum(split[name] for split in splits) for name in ("documents", "tokens")}
    return sum(times.values()), {**made, "stages": times}


def peer(folder: Path, out: Path, python: Path, tokenizer: Path, words: str) -> tuple[float, dict[str, object]]:
    (folder / "peer.py").write_text(PEER)
    line = on_one_core([python, folder / "peer.py", folder / "rows", out, tokenizer, words]).strip().splitlines()[-1]
    found = json.loads(line)
    return found["seconds"], {"documents": found["documents"], "tokens": found["token_bytes"] // 2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("runs/corpus_end_to_end"))
    options = parser.parse_args()
    shutil.rmtree(options.folder, ignore_errors=True)
    folder = options.folder.resolve()
    warm = folder / "warm"
    pages_into(warm, 100, 1)
    ours(warm, warm / "ours")
    pages = pages_into(folder, 300 if options.quick else None, options.copies)
    size = options.copies * sum(page.stat().st_size for page in pages)
    python = environment("datatrove[io,processing,multilingual]==0.10.0", "xxhash==3.5.0", "tokenizers", "lxml_html_clean")
    rates: dict[str, list[float]] = {"ours": [], "default": [], "whitespace": []}
    for number in range(1 if options.quick else 3):
        started = time.monotonic()
        seconds, made = ours(folder, folder / f"ours{number}")
        print(
            json.dumps(
                {"round": number, "who": "ours", "seconds": round(seconds, 1), **made, "command": round(time.monotonic() - started, 1)}
            )
        )
        rates["ours"].append(size / seconds / 1e6)
        for words in ("default", "whitespace"):
            tokenizer = folder / f"ours{number}" / "tokenizer" / "tokenizer.json"
            seconds, made = peer(folder, folder / f"{words}{number}", python, tokenizer, words)
            print(json.dumps({"round": number, "who": f"datatrove, {words} words", "seconds": round(seconds, 1), **made}), flush=True)
            rates[words].append(size / seconds / 1e6)
    best = [mine / theirs for mine, theirs in zip(rates["ours"], rates["whitespace"], strict=True)]
    summary(
        "corpus_end_to_end", rates["ours"], rates["default"], "MB of HTML a second", ratio_to_best=round(sorted(best)[len(best) // 2], 2)
    )


if __name__ == "__main__":
    main()
