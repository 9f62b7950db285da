"""Main text out of web pages: speed per core and F1 on trafilatura's own evaluation pages, beside trafilatura and resiliparse.

    HEADWATER_PEERS=<folder with a checkout of trafilatura> python benchmarks/corpus_extract.py [--quick]

F1 is over snippets, as in trafilatura's evaluation: a wanted snippet that is in the output (white space evened) is a true positive, one
that is not a false negative, an unwanted one that is in it a false positive. The pages are in two halves by the hash of their file's
name: ours was trained on the `development` half only, so that its figure on the `held-out` half is the honest one. All readers
get the bytes of a page and give its text; time is CPU time of one process, in turns of some pages each. `--quick`: every fifth page.
`peer` of the last line is trafilatura at its default settings (comments off, as in its own evaluation).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from _peer import checkout, environment, summary

from headwater.core.errors import HeadwaterError

PEER = ("trafilatura==2.3.1", "lxml_html_clean", "resiliparse==2.0.1")
TURN = 25
ROUNDS = 3
READERS = """
import json, logging, sys, time
logging.disable(50)
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import bytes_to_str, detect_encoding
from resiliparse.parse.html import HTMLTree
from trafilatura import extract
readers = {
    "trafilatura": lambda data: extract(data, include_comments=False),
    "trafilatura fast": lambda data: extract(data, include_comments=False, fast=True),
    "resiliparse": lambda data: extract_plain_text(HTMLTree.parse(bytes_to_str(data, detect_encoding(data))), main_content=True),
}
for line in sys.stdin:
    name, paths = json.loads(line)
    pages = [open(path, "rb").read() for path in paths]
    started = time.process_time()
    texts = []
    for data in pages:
        try:
            texts.append(readers[name](data) or "")
        except Exception as error:
            texts.append("")
    print(json.dumps([time.process_time() - started, texts]), flush=True)
"""


@dataclass(frozen=True)
class Page:
    """An evaluation page: where it lies, what people marked as wanted and as unwanted in it."""

    file: str
    path: Path
    wanted: list[str]
    without: list[str]


def evaluation_pages() -> list[Page]:
    tests = checkout("trafilatura") / "tests"
    listed = json.loads((tests / "evaldata.json").read_text("utf-8"))
    pages = []
    for item in listed.values():
        path = next(folder / item["file"] for folder in (tests / "cache", tests / "eval") if (folder / item["file"]).is_file())
        pages.append(Page(item["file"], path, item["with"], item["without"]))
    return pages


def half(page: Page) -> str:
    return "development" if hashlib.sha256(page.file.encode()).digest()[0] % 2 == 0 else "held-out"


def scores(pages: Sequence[Page], texts: Sequence[str]) -> tuple[float, float, float]:
    """`(precision, recall, F1)`"""
    right = missed = wrong = 0
    for page, text in zip(pages, texts, strict=True):
        even = evened(text)
        found = sum(evened(snippet) in even for snippet in page.wanted)
        right += found
        missed += len(page.wanted) - found
        wrong += sum(evened(snippet) in even for snippet in page.without)
    return right / max(1, right + wrong), right / max(1, right + missed), 2 * right / max(1, 2 * right + wrong + missed)


def evened(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    pages = evaluation_pages()[:: 5 if quick else 1]
    rounds = 1 if quick else ROUNDS
    worker = subprocess.Popen([environment(*PEER), "-c", READERS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def theirs(name: str) -> Callable[[Sequence[Page]], tuple[float, list[str]]]:
        def run(turn: Sequence[Page]) -> tuple[float, list[str]]:
            assert worker.stdin is not None and worker.stdout is not None
            worker.stdin.write(json.dumps([name, [str(page.path) for page in turn]]) + "\n")
            worker.stdin.flush()
            seconds, texts = json.loads(worker.stdout.readline())
            return seconds, texts

        return run

    readers = {
        "headwater": ours("fast"),
        "trafilatura": theirs("trafilatura"),
        "trafilatura fast": theirs("trafilatura fast"),
        "resiliparse": theirs("resiliparse"),
    }
    try:
        readers["headwater quality"] = ours("quality")
    except HeadwaterError as error:
        print(f"headwater quality: not run ({error})")
    for run in readers.values():
        run(pages[:3])  # imports and compiled code are loaded before the clock runs
    rates: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(rounds):
        seconds = dict.fromkeys(readers, 0.0)
        texts: dict[str, list[str]] = {name: [] for name in readers}
        for start in range(0, len(pages), TURN):
            for name, run in readers.items():
                spent, found = run(pages[start : start + TURN])
                seconds[name] += spent
                texts[name] += found
        for name in readers:
            rates[name].append(len(pages) / seconds[name])
    worker.terminate()

    f1 = {}
    print(f"{len(pages)} pages, {sum(page.path.stat().st_size for page in pages) / len(pages) / 1000:.0f} kB each; precision, recall, F1")
    for name in readers:
        print(f"{name:18} {sorted(rates[name])[rounds // 2]:7.1f} pages/s/core", end="")
        for part in ("development", "held-out", "all"):
            chosen = [index for index, page in enumerate(pages) if part in (half(page), "all")]
            figures = scores([pages[index] for index in chosen], [texts[name][index] for index in chosen])
            f1[name, part] = figures[2]
            print(f"   {part} " + " ".join(f"{figure:.4f}" for figure in figures), end="")
        print()
    against_fast = sorted(mine / other for mine, other in zip(rates["headwater"], rates["trafilatura fast"], strict=True))[rounds // 2]
    print(f"against trafilatura's fastest setting: {against_fast:.2f} times")
    assert f1["headwater", "held-out"] >= 0.90, f1
    assert f1["headwater", "held-out"] >= f1["trafilatura", "held-out"], f1
    summary(
        "corpus_extract",
        rates["headwater"],
        rates["trafilatura"],
        "pages/s/core",
        ratio_to_fastest=round(against_fast, 3),
        f1={name: round(f1[name, "all"], 4) for name in readers},
        f1_held_out={name: round(f1[name, "held-out"], 4) for name in readers},
    )


def ours(tier: str) -> Callable[[Sequence[Page]], tuple[float, list[str]]]:
    """Our reader: decoding and extraction, with the defaults."""
    from headwater.corpus.extract.config import Extract
    from headwater.corpus.extract.page import reader
    from headwater.corpus.read.decode import decode

    read = reader(Extract.model_validate({"tier": tier}))

    def run(turn: Sequence[Page]) -> tuple[float, list[str]]:
        data = [page.path.read_bytes() for page in turn]
        started = time.process_time()
        texts = [read(decode(bytes_of, page.file, html=True)).text for bytes_of, page in zip(data, turn, strict=True)]
        return time.process_time() - started, texts

    return run


if __name__ == "__main__":
    main()
