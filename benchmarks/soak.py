"""Does a run that is killed again and again end with the bits of one that nobody touched?

    python benchmarks/soak.py [--minutes 30] [--every 60] [--seed 0] [--quick]

A real `headwater run` of a small recipe on text that is made here. First undisturbed, in about a third of the time; then a second run of
the same recipe is killed at random moments, `--every` seconds apart on average (at the start of Python as well as in the middle of a
checkpoint), three times of four by SIGKILL, else by SIGTERM, and started again, until it is done. The manifests of both artifacts (with
the content hash of every file: weights, metrics, samples) must be equal byte for byte; exits with 1 when they are not.

--quick: one minute, a kill every 8 seconds. Last line: JSON, `ours` is the number of kills that were survived.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WORDS = ["river", "stone", "light", "water", "mountain", "bridge", "song", "winter", "garden", "letter", "window", "harbour", "silver"]
STAGE = "pretrain"
LIVES = 500  # more kills than any soak takes: a run that gets nowhere is an error


def recipe(folder: Path, seed: int) -> Path:
    """A recipe of a model that trains some hundred steps a second, and its text."""
    draw = random.Random(seed)
    (folder / "text").mkdir()
    for number in range(200):
        lines = [" ".join(draw.choice(WORDS) for _ in range(draw.randint(5, 12))).capitalize() + "." for _ in range(20)]
        (folder / "text" / f"{number:03}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    blocks = {
        "name": "soak",
        "seed": seed,
        "corpus": {
            "sources": [{"path": str(folder / "text" / "*.txt")}],
            "language": {"model": None},
            "duplicates": {"near": None},
            "holdout": {"fraction": 0.1},
        },
        "tokenizer": {"kind": "bpe", "vocab_size": 300},
        "tokens": {},
        STAGE: {
            "model": {"layers": 2, "width": 32, "heads": 2, "context": 32, "dropout": 0.1},
            "batch_size": 4,
            "schedule": {"warmup": 10},
            "average": {"kind": "ema"},
            "validate_every": 200,
            "validation_documents": 4,
            "sample_every": 500,
            "sampling": {"max_tokens": 8},
            "checkpoint_every": 50,
            "prompts": ["The"],
            "watch": {"every": None},
        },
    }
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(blocks), encoding="utf-8")  # JSON is YAML
    return path


def command(path: Path, workspace: Path, until: str, steps: int) -> list[str]:
    return [sys.executable, "-m", "headwater", "run", str(path), "--workspace", str(workspace), "--until", until, f"{STAGE}.steps={steps}"]


def start(arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    with open(log, "ab") as file:
        return subprocess.Popen(arguments, stdout=file, stderr=file, env={**os.environ, "OMP_NUM_THREADS": "1"})


def finished(arguments: list[str], log: Path) -> float:
    """Run to the end; seconds that it took."""
    started = time.monotonic()
    if start(arguments, log).wait() != 0:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{log.read_text()[-3000:]}")
    return time.monotonic() - started


def manifest(workspace: Path) -> bytes:
    return (workspace / STAGE / "manifest.json").read_bytes()


def timings(workspace: Path) -> list[dict[str, Any]]:
    found = list((workspace / "artifacts").glob(f"{STAGE}-*/journal/timing.jsonl"))
    lines = [line for file in found for line in file.read_text().splitlines(keepends=True)]
    rows = []
    for line in lines:
        try:
            rows.append(json.loads(line))
        except ValueError:  # a line that a kill tore, or two that it joined
            continue
    return rows


def soak(minutes: float, every: float, seed: int, folder: Path) -> int:
    """The number of kills that a run survived. Raises SystemExit when it did not."""
    log, path, tried = folder / "log.txt", recipe(folder, seed), 150
    prepared, tried_in = folder / "prepared", folder / "tried"
    finished(command(path, prepared, "tokens", tried), log)
    shutil.copytree(prepared, tried_in, symlinks=True)
    took = finished(command(path, tried_in, STAGE, tried), log)
    a_step = sum(row["seconds"] for row in timings(tried_in)) / tried
    opening = max(1.0, took - a_step * tried)
    steps = max(300, int(minutes * 60 * 0.25 / a_step))
    print(f"a run opens in {opening:.1f} s and makes {1 / a_step:.0f} steps a second; {steps:,} steps", flush=True)
    whole, killed = folder / "whole", folder / "killed"
    shutil.copytree(prepared, whole, symlinks=True)
    shutil.copytree(prepared, killed, symlinks=True)
    print(f"undisturbed: {finished(command(path, whole, STAGE, steps), log):.0f} s", flush=True)
    kills = survive(command(path, killed, STAGE, steps), killed, max(every, 1.5 * opening), random.Random(seed), log)
    if manifest(whole) != manifest(killed):
        raise SystemExit(f"NOT EQUAL after {kills} kills: compare {whole} with {killed}")
    return kills


def survive(arguments: list[str], workspace: Path, every: float, draw: random.Random, log: Path) -> int:
    """Start it and kill it until it is done; how often it was killed."""
    for kills in range(LIVES):
        process = start(arguments, log)
        pause = every * draw.uniform(0.3, 1.7)
        try:
            if (code := process.wait(timeout=pause)) == 0:
                return kills
            raise SystemExit(f"it ended with {code} by itself:\n{log.read_text()[-3000:]}")
        except subprocess.TimeoutExpired:
            number = draw.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
            process.send_signal(number)
            process.wait()
            step = max((row["step"] for row in timings(workspace)), default=0)
            print(f"{signal.Signals(number).name} after {pause:.1f} s, at step {step:,} or before its first", flush=True)
    raise SystemExit(f"not done after {LIVES} kills")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--every", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    minutes, every = (1.0, 8.0) if asked.quick else (asked.minutes, asked.every)
    with tempfile.TemporaryDirectory() as folder:
        kills = soak(minutes, every, asked.seed, Path(folder))
    figures = {"name": "soak", "ours": kills, "peer": None, "unit": "kills survived with equal bits", "ratio": None, "seeds": [asked.seed],
               "spread": None, "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"}  # fmt: skip
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
