"""Snapshots: a copy that training does not touch."""

from __future__ import annotations

import torch

from headwater.training.snapshots import Snapshots


def test_a_snapshot_stays_as_it_was_taken() -> None:
    weight = torch.arange(4.0)
    state = {"guard": {"losses": [1.0]}}
    snapshots = Snapshots()
    saved = snapshots.take(3, {"network": {"weight": weight}}, state)
    weight.mul_(0)
    state["guard"]["losses"].append(2.0)
    assert saved is snapshots.newest
    assert saved.step == 3
    assert saved.parts["network"]["weight"].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert saved.state == {"guard": {"losses": [1.0]}}


def test_the_newest_takes_the_place_of_the_one_before_which_a_writer_may_still_hold() -> None:
    weight = torch.zeros(2)
    snapshots = Snapshots()
    first = snapshots.take(1, {"network": {"weight": weight}}, {})
    weight += 1
    second = snapshots.take(2, {"network": {"weight": weight}}, {})
    assert snapshots.newest is second
    assert first.parts["network"]["weight"].tolist() == [0.0, 0.0]


def test_the_best_weights_are_not_copied() -> None:
    """They are made anew at each better validation, so that a reference is enough."""
    best = torch.ones(2)
    assert Snapshots().take(1, {"best": {"weight": best}}, {}).parts["best"]["weight"] is best
