"""How long after the command does the first optimizer step end? 12 million parameters on the demo's tokens.

    python benchmarks/first_step.py [--rounds 3] [--workspace runs/first-step]

The stages before training are made first and are not counted. A round is two runs, killed after their first step: one whose cache of
compiled kernels is empty, as on a machine that never ran one, and one that finds them there. Seconds from the start of the process to the
step's line in metrics.jsonl.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _peer import machine

SIZES = ["pretrain.model.layers=6", "pretrain.model.width=384", "pretrain.model.heads=6", "pretrain.log_every=1"]


def command(workspace: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "headwater", "run", "demo", *SIZES, "--workspace", str(workspace), *more]


def first_step(workspace: Path, cache: str) -> float:
    """Seconds until the first step is written down. Raises RuntimeError when the run ends before."""
    artifacts = workspace / "artifacts"
    for left in artifacts.glob("pretrain-*.partial"):
        shutil.rmtree(left)
    started = time.perf_counter()
    environment = {**os.environ, "HEADWATER_CACHE": cache}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command(workspace, "--until", "pretrain"), env=environment, stdout=said, stderr=said)
        try:
            while process.poll() is None:
                if any('"train"' in log.read_text() for log in artifacts.glob("pretrain-*.partial/metrics.jsonl")):
                    return time.perf_counter() - started
                time.sleep(0.02)
        finally:
            process.kill()
            process.wait()
            for left in artifacts.glob("pretrain-*.partial"):
                shutil.rmtree(left)
            shutil.rmtree(workspace / "scratch", ignore_errors=True)
        said.seek(0)
        raise RuntimeError(f"the run ended before its first step: {said.read()[-500:].decode(errors='replace')}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--workspace", type=Path, default=Path("runs/first-step"))
    asked = parser.parse_args()
    subprocess.run(command(asked.workspace, "--until", "tokens"), check=True, stdout=sys.stderr)
    found: dict[str, list[float]] = {"cold": [], "warm": []}
    for _ in range(1 if asked.quick else asked.rounds):
        with tempfile.TemporaryDirectory() as cache:
            for kind, seconds in found.items():
                seconds.append(first_step(asked.workspace, cache))
                print(f"{kind}: {seconds[-1]:.1f} s", flush=True)
    figures = {kind: round(statistics.median(seconds), 2) for kind, seconds in found.items()}
    print(json.dumps({"name": "first_step", **figures, "unit": "s", "asked": 10, "machine": machine()}))


if __name__ == "__main__":
    main()
