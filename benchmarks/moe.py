"""Experts or one part: which learns more in equal time? A sparse network and a dense one of equal arithmetic per token.

    python benchmarks/moe.py            3 seeds, 150 seconds each (about a quarter of an hour)
    python benchmarks/moe.py --quick    1 seed, 15 seconds each: no figure worth keeping

Both are decoders on the demo's tokens; the sparse one has 8 experts of which a token goes to two, each half as wide as the dense part, so
that one token costs the same multiplications. They train in turns for the same wall-clock time with a constant rate, and are measured
on the same held-out rows. The last line is one JSON object: nats per token of the sparse network (ours) and of the dense one (peer);
ratio > 1 means that the sparse one learned more. Whatever it shows is written down.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from _peer import machine

from headwater.model.config import ModelConfig
from headwater.model.describe import describe
from headwater.model.network import Network
from headwater.objectives.causal import causal_rows
from headwater.tokens.batch import Batch
from headwater.tokens.reading import Windows
from headwater.tokens.shards import Shards
from headwater.training.config import Muon
from headwater.training.loss import Loss, mean_loss
from headwater.training.optimizer import Optimizers
from headwater.training.precision import autocast, resolve

WORKSPACE = Path("runs/presets/moe")
SHAPE = {"layers": 4, "width": 256, "heads": 4, "context": 256}
SPARSE = {"kind": "moe", "experts": 8, "top_k": 2, "expert": {"kind": "swiglu", "width": 352}, "balance_loss": 0.01}
DENSE = {"kind": "swiglu", "width": 704}
BATCH = 8


def train(config: ModelConfig, shards: Path, seed: int, seconds: float) -> tuple[float, int]:
    """Held-out nats per token after so many seconds of steps, and how many steps those were."""
    network = config.build(seed)
    windows = Windows(Shards.open(shards, "train"), config.context, seed)
    held_out = Windows(Shards.open(shards, "validation"), config.context, 0)
    batches = [causal_rows(held_out.rows(place, BATCH), 0, across_documents=True) for place in range(0, 128, BATCH)]
    optimizers, loss, precision = Optimizers(Muon(lr=2e-3), network), Loss(), resolve("auto")
    network.train()
    spent, step = 0.0, 0
    while spent < seconds:
        started = time.perf_counter()
        batch = causal_rows(windows.rows(step * BATCH, BATCH), 0, across_documents=True)
        _step(network, batch, loss, optimizers, precision, min(1.0, (step + 1) / 50))
        spent, step = spent + time.perf_counter() - started, step + 1
    network.eval()
    with autocast(precision, torch.device("cpu")):
        return mean_loss(network, batches), step


def _step(network: Network, batch: Batch, loss: Loss, optimizers: Optimizers, precision: str, share: float) -> None:
    optimizers.zero_grad()
    with autocast(precision, torch.device("cpu")):  # type: ignore[arg-type]
        total = loss(network, batch) / batch.weight
    total.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizers.step(share)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    subprocess.run([sys.executable, "-m", "headwater", "run", "demo", "--until", "tokens", "--workspace", str(WORKSPACE)], check=True,
                   stdout=subprocess.DEVNULL)  # fmt: skip
    vocabulary = json.loads((WORKSPACE / "tokenizer" / "manifest.json").read_text())["metrics"]["vocab_size"]
    configs = [ModelConfig.model_validate({**SHAPE, "feed_forward": part, "vocab_size": vocabulary}) for part in (SPARSE, DENSE)]
    costs = [describe(config).forward_flops for config in configs]
    assert abs(costs[0] / costs[1] - 1) < 0.01, f"the two cost {costs}"
    print(f"{configs[0].parameter_count():,} parameters ({describe(configs[0]).active:,} active) against {configs[1].parameter_count():,}; "
          f"{costs[0] / 1e6:.2f} and {costs[1] / 1e6:.2f} M FLOPs a token forward")  # fmt: skip
    found = []
    for seed in range(1 if quick else 3):
        pair = [train(config, WORKSPACE / "tokens", seed, 15 if quick else 150) for config in configs]
        found.append(pair)
        print(
            f"seed {seed}: sparse {pair[0][0]:.4f} nats after {pair[0][1]:,} steps, dense {pair[1][0]:.4f} after {pair[1][1]:,}", flush=True
        )
    ratios = [dense / sparse for (sparse, _), (dense, _) in found]
    figures = {
        "ours": round(statistics.mean(sparse for (sparse, _), _ in found), 4),
        "peer": round(statistics.mean(dense for _, (dense, _) in found), 4),
        "unit": "nats a token",
        "ratio": round(statistics.median(ratios), 4),
        "seeds": len(found),
        "spread": [round(min(ratios), 4), round(max(ratios), 4)],
    }
    print(json.dumps({"name": "moe", **figures, "machine": machine()}))


if __name__ == "__main__":
    main()
