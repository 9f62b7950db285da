"""The demo's promises, measured: better than counting, answers that keep the template, the same bits however often it is killed.

    python benchmarks/demo.py                    seeds 1, 2, 3, then seed 1 again with five kill -9 (about 35 minutes)
    python benchmarks/demo.py --quick            the same with some seconds of training (2 to 3 minutes): no figure worth keeping

Runs that a workspace below `runs/` already has are not run again. The last line is one JSON object: `ours` and `peer` are bits per
byte of the same held-out documents, by the model and by a byte 5-gram model (modified Kneser-Ney); lower is better.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

STAGES = ("corpus", "tokenizer", "tokens", "pretrain", "sft", "evaluate", "release")
QUICK = [
    *("pretrain.steps=30", "pretrain.schedule.warmup=5", "sft.steps=20", "sft.schedule.warmup=5"),
    *("evaluate.documents=20", "evaluate.chat.answers=10"),
]
KILLS = (0.02, 0.15, 0.4, 0.7, 0.92)  # when, as shares of the time an undisturbed run takes


def command(workspace: Path, seed: int, more: list[str]) -> list[str]:
    return [sys.executable, "-m", "headwater", "run", "demo", f"seed={seed}", *more, "--workspace", str(workspace)]


def run(workspace: Path, seed: int, more: list[str]) -> None:
    subprocess.run(command(workspace, seed, more), check=True)


def contents(workspace: Path) -> dict[str, str]:
    return {stage: json.loads((workspace / stage / "manifest.json").read_text())["content"] for stage in STAGES}


def figures(workspace: Path) -> dict[str, Any]:
    """What a finished workspace says of itself."""
    times = [json.loads((workspace / stage / "journal" / "time.json").read_text()) for stage in STAGES]
    found = json.loads((workspace / "evaluate" / "evaluation.json").read_text())
    measured = found["perplexity"]
    choice = next(task for task in found["tasks"] if task["kind"] == "continuation")
    completion = next(task for task in found["tasks"] if task["kind"] == "completion")
    return {
        "seconds": sum(stage["seconds"] for stage in times),
        "peak_memory_gb": max(stage["peak_memory_bytes"] for stage in times) / 1e9,
        "bits_per_byte": measured["model"]["all"]["bits_per_byte"],
        "ngram": measured["ngram"]["all"]["bits_per_byte"],
        **{f"bits_per_byte_{code}": measured["model"][code]["bits_per_byte"] for code in ("en", "zh")},
        **{f"ngram_{code}": measured["ngram"][code]["bits_per_byte"] for code in ("en", "zh")},
        "answers_that_keep_the_template": found["chat"]["rate"],
        "choice_accuracy": choice.get("value"),
        "choice_chance": choice.get("chance"),
        "choice_standard_error": choice.get("standard_error"),
        "completion_chrf": completion.get("value"),
        "completion_chance": completion.get("chance"),
        "gain_standard_error": measured["gain"]["standard_error"],
        "longest_match_mean": found["human_match"]["samples"]["characters"],
        "longest_match_human": found["human_match"]["characters"],
        "parity": json.loads((workspace / "release" / "parity.json").read_text()).get("max_difference"),
    }


def interrupted(workspace: Path, seed: int, seconds: float, more: list[str]) -> int:
    """Run a seed anew, killed at five moments; returns how many kills struck."""
    shutil.rmtree(workspace, ignore_errors=True)
    struck, spent = 0, 0.0
    for share in KILLS:
        process = subprocess.Popen(
            command(workspace, seed, more), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        started = time.monotonic()
        try:
            process.wait(timeout=max(1.0, share * seconds - spent))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            struck += 1
        spent += time.monotonic() - started
    run(workspace, seed, more)
    return struck


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    arguments.add_argument("--quick", action="store_true")
    chosen = arguments.parse_args()
    more, prefix = (QUICK, "runs/demo-quick") if chosen.quick else ([], "runs/demo")
    seeds = chosen.seeds[:1] if chosen.quick else chosen.seeds
    workspaces = {seed: Path(prefix if seed == 1 else f"{prefix}-seed-{seed}") for seed in seeds}
    results = {}
    for seed, workspace in workspaces.items():
        run(workspace, seed, more)
        results[seed] = figures(workspace)
        print(seed, json.dumps(results[seed]), flush=True)
    killed = Path(f"{prefix}-killed")
    struck = interrupted(killed, seeds[0], results[seeds[0]]["seconds"], more)
    same = contents(killed) == contents(workspaces[seeds[0]])
    print(f"killed {struck} times: {'every artifact has the same content hash' if same else 'DIFFERENT CONTENT'}")
    ours = [result["bits_per_byte"] for result in results.values()]
    peer = [result["ngram"] for result in results.values()]
    if not chosen.quick:
        assert all(our < their for our, their in zip(ours, peer, strict=True)), "the model does not beat counting"
        assert all(result["answers_that_keep_the_template"] >= 0.95 for result in results.values()), "answers break the template"
    assert same, "a killed run ended with other bits"
    mean, theirs = statistics.mean(ours), statistics.mean(peer)
    print(
        json.dumps(
            {
                "name": "demo",
                "ours": round(mean, 4),
                "peer": round(theirs, 4),
                "unit": "bits/byte",
                "ratio": round(theirs / mean, 4),
                "seeds": seeds,
                "spread": round(max(ours) - min(ours), 4),
                "kills": struck,
                "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
            }
        )
    )


if __name__ == "__main__":
    main()
