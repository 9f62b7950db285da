"""Recovery: what goes back with a lost run, and what does not."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
import torch

from headwater.tokens.batch import Batch
from headwater.training.guard import LostError
from tests.faults.world import SHAPE, Counting, bits, changed, rows_of, run

BACK = changed(
    steps=26, checkpoint_every=100, validate_every=2, stopping={"keep": "best"}, guard={"snapshot_every": 6, "patience": 3, "rewarm": 0}
)


class Troubled(Counting):
    """Batches 15 to 17 have no loss that is a number."""

    def batch(self, place: int) -> Batch:
        batch = super().batch(place)
        return dataclasses.replace(batch, weights_BT=batch.weights_BT * math.nan) if 15 <= place < 18 else batch


@pytest.mark.fault
def test_weights_go_back_and_the_data_does_not(tmp_path: Path) -> None:
    """Lost at step 18, back to 12, on with the batch after those that were read; what was best before the trouble is still known."""
    data = Troubled()
    _, trained = run(tmp_path, data, BACK)
    [rollback] = rows_of(tmp_path, "rollback")
    assert (rollback["step"], rollback["to"], rollback["number"]) == (18, 12, 1)
    assert data.read == list(range(32))  # 26 steps, and six that were taken back
    assert (trained.rollbacks, trained.refused, trained.place) == (1, 3, 32)
    best = min(rows_of(tmp_path, "validation"), key=lambda row: row["bits_per_byte"])
    assert trained.validation["bits_per_byte"] == best["bits_per_byte"]


@pytest.mark.fault
def test_what_follows_is_what_the_state_and_the_batches_say(tmp_path: Path) -> None:
    """At an unchanged rate, without dropout and without the batches that were left out, a run that was never lost has the same bits."""
    same = {"rewarm": 0, "lower": 1.0}
    flat = BACK.model_copy(
        update={"guard": BACK.guard.model_copy(update=same), "schedule": changed(schedule={"kind": "constant", "warmup": 0}).schedule}
    )

    class Without(Counting):
        def batch(self, place: int) -> Batch:
            return super().batch(place if place < 12 else place + 6)

    plain = SHAPE.model_copy(update={"dropout": 0.0})
    lost, trained = run(tmp_path / "lost", Troubled(), flat, plain.build(1))
    never, _ = run(tmp_path / "never", Without(), flat, plain.build(1))
    assert trained.rollbacks == 1
    assert bits(lost) == bits(never)


@pytest.mark.fault
def test_no_retry_is_left(tmp_path: Path) -> None:
    with pytest.raises(LostError, match="3 steps in a row were refused"):
        run(tmp_path, Troubled(), BACK.model_copy(update={"guard": BACK.guard.model_copy(update={"retries": 0})}))
    assert rows_of(tmp_path, "rollback") == []


@pytest.mark.fault
def test_a_snapshot_serves_twice(tmp_path: Path) -> None:
    """The steps after a rollback do not write into the state that it went to."""

    class Twice(Troubled):
        def batch(self, place: int) -> Batch:
            batch = super().batch(place)
            return dataclasses.replace(batch, weights_BT=torch.full_like(batch.weights_BT, math.nan)) if 20 <= place < 23 else batch

    _, trained = run(tmp_path, Twice(), BACK)
    assert [(row["step"], row["to"]) for row in rows_of(tmp_path, "rollback")] == [(18, 12), (17, 12)]
    assert trained.rollbacks == 2
    assert trained.loss is not None
    assert trained.loss < 3.5
