"""Every published system at its tiny scale on the demo's texts: what does it learn in some seconds, beside what counting would know?

    python benchmarks/presets.py            all of them (about half an hour on two cores)
    python benchmarks/presets.py --quick    three of them, 40 steps each
    python benchmarks/presets.py gpt3 t5    these

A row is one recipe with `--scale tiny`: nats per target held out at the end, what one would lose on the same targets who has counted
the targets of the training text and knows nothing else, parameters, tokens per second, seconds of training. The
last line is one JSON object: `ours` and `peer` are the medians of both losses; ratio > 1 means that less than
frequencies is left.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from _peer import machine

from headwater.recipe.reading import read, shipped

WORKSPACES = Path("runs/presets")
QUICK = ("gpt2", "t5", "bert")


def train(name: str, more: list[str]) -> dict[str, Any]:
    """Run one recipe (what is up to date is not run again), and what it says of itself."""
    workspace = WORKSPACES / "shared"
    command = [
        sys.executable,
        "-m",
        "headwater",
        "run",
        name,
        "--scale",
        "tiny",
        "--workspace",
        str(workspace),
        "--until",
        "pretrain",
        "pretrain.changes=[{step: 0, do: [validate]}]",  # what drawn weights lose
        *more,
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    rows = [json.loads(line) for line in (workspace / "pretrain" / "metrics.jsonl").read_text().splitlines()]
    timing = [json.loads(line) for line in (workspace / "pretrain" / "journal" / "timing.jsonl").read_text().splitlines()]
    last = [row for row in rows if row["kind"] == "validation"][-1]
    first = next(row for row in rows if row["kind"] == "validation")
    manifest = json.loads((workspace / "pretrain" / "manifest.json").read_text())
    entropy = last.get("unigram_loss") or entropy_of(workspace)
    return {
        "name": name,
        "objective": manifest["metrics"]["objective"],
        "parameters": manifest["metrics"]["parameters"],
        "at_first": first["loss"],
        "loss": last["loss"],
        "unigram_loss": entropy,
        "tokens_per_second": round(statistics.median(row["tokens_per_second"] for row in timing)),
        "seconds": round(sum(row["seconds"] for row in timing)),
    }


def entropy_of(workspace: Path) -> float:
    """Nats per token of the held-out text for one who has counted the tokens of the training text: the same for all plain text."""
    import numpy as np

    from headwater.tokens.shards import Shards

    learned, held = (np.asarray(Shards.open(workspace / "tokens", split).tokens) for split in ("train", "validation"))
    many = 1 + int(max(learned.max(), held.max()))
    frequencies = np.bincount(learned, minlength=many) + 1
    counts = np.bincount(held, minlength=many)
    return float(-(counts * np.log(frequencies / frequencies.sum())).sum() / counts.sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="recipes; all that have a tiny scale if none is named")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    every = [name for name in shipped() if "tiny" in read(name).scales]
    names = asked.names or (list(QUICK) if asked.quick else every)
    more = ["pretrain.steps=40", "pretrain.schedule.warmup=0", "pretrain.validation_rows=16"] if asked.quick else []
    columns = ("recipe", "objective", "parameters", "nats at first", "at the end", "knowing frequencies", "tokens/s", "seconds")
    print(f"| {' | '.join(columns)} |\n|---|---{'|--:' * 6}|")
    rows = []
    for name in names:
        row = train(name, more)
        rows.append(row)
        losses = f"{row['at_first']:.2f} | {row['loss']:.3f} | {row['unigram_loss']:.3f}"
        speed = f"{row['tokens_per_second']:,} | {row['seconds']}"
        print(f"| {name} | {row['objective']} | {row['parameters']:,} | {losses} | {speed} |", flush=True)
        assert row["loss"] < row["at_first"], f"{name} learned nothing"
    ours, peer = statistics.median(row["loss"] for row in rows), statistics.median(row["unigram_loss"] for row in rows)
    ratios = [row["unigram_loss"] / row["loss"] for row in rows]
    figures = {"ours": round(ours, 4), "peer": round(peer, 4), "unit": "nats a target", "ratio": round(statistics.median(ratios), 3)}
    spread = [round(min(ratios), 3), round(max(ratios), 3)]
    print(json.dumps({"name": "presets", **figures, "seeds": 1, "spread": spread, "rows": rows, "machine": machine()}))


if __name__ == "__main__":
    main()
