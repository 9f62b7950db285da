"""Faults of all kinds for a long time.

Promised: a run that is killed at random moments ends with the bits of one that nobody touched (benchmarks/soak.py; 3 minutes here,
HEADWATER_SOAK_MINUTES=30 for as long as that). A run whose data are poisoned, so that steps are refused and batches passed over, ends with
a loss within the spread of seeds.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headwater.objectives.causal import causal_rows
from headwater.tokens.batch import Batch
from headwater.training.loss import token_loss
from tests.faults.world import ROWS, SHAPE, Counting, changed, run

pytestmark = [pytest.mark.fault, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
SEEDS = range(1, 6)
CONFIG = changed(steps=150, checkpoint_every=10, validate_every=150, sample_every=150, guard={"window": 32, "patience": 3})
# Single batches that are refused, and three in a row that lead back.
POISON = {85: [1, 4, 6, 7], 98: [0, 2, 5, 6], 110: [1, 2, 3, 4, 5], 111: [2, 3, 4, 5, 6], 112: [0, 3, 4, 5, 6]}


class Noisy(Counting):
    """One token in five is any: there is a loss that nobody gets below. Poisoned rows count backwards."""

    def __init__(self, seed: int, poison: dict[int, list[int]] | None = None) -> None:
        super().__init__(poison)
        self.seed = seed

    def batch(self, place: int) -> Batch:
        self.read.append(place)
        return causal_rows(noisy(self.seed, place, ROWS, self.poison.get(place, [])), end=0, across_documents=True)


def noisy(seed: int, place: int, count: int, backwards: list[int]) -> np.ndarray[Any, Any]:
    draw = np.random.default_rng([seed, place])
    steps = np.where(draw.random((count, SHAPE.context + 1)) < 0.2, draw.integers(0, 50, (count, SHAPE.context + 1)), 1)
    steps[backwards] = -1
    return np.cumsum(steps, axis=1) % 50


def held_out(network: Any) -> float:
    """Nats per token of 200 rows that nobody trained on."""
    batch = causal_rows(noisy(0, 0, 200, []), end=0, across_documents=True)
    network.eval()
    return float(token_loss(network, batch).detach()) / batch.weight


def test_skipped_documents_leave_the_loss_within_the_spread_of_seeds(tmp_path: Path) -> None:
    ends: dict[str, list[float]] = {"whole": [], "poisoned": [], "unguarded": []}
    for seed in SEEDS:
        for name, poison, config in (
            ("whole", {}, CONFIG),
            ("poisoned", POISON, CONFIG),
            ("unguarded", POISON, changed(**{**CONFIG.model_dump(), "guard": {"threshold": 1e9}})),
        ):
            network, trained = run(tmp_path / f"{name}-{seed}", Noisy(seed, poison), config, SHAPE.build(seed))
            ends[name].append(held_out(network))
            if name == "poisoned":
                assert trained.refused >= 3 and trained.rollbacks == 1, seed
    means, spread = {name: statistics.mean(values) for name, values in ends.items()}, statistics.stdev(ends["whole"])
    print(json.dumps({"means": means, "spread of seeds": spread}))
    assert abs(means["poisoned"] - means["whole"]) < 2 * spread
    assert means["unguarded"] > means["poisoned"]


def test_killed_at_random_moments_it_ends_with_equal_bits() -> None:
    minutes = float(os.environ.get("HEADWATER_SOAK_MINUTES", "3"))
    every = 15 if minutes <= 5 else 60
    command = [sys.executable, str(ROOT / "benchmarks" / "soak.py"), "--minutes", str(minutes), "--every", str(every)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=minutes * 60 * 6 + 600)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    assert json.loads(done.stdout.splitlines()[-1])["ours"] >= 2, done.stdout
