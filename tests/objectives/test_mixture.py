"""Mixtures: rows as their own objectives make them, drawn by weight, in one batch or by batch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from headwater.core.random import stream
from headwater.objectives.mixture import Mixture
from headwater.objectives.rows import make
from tests.objectives.conftest import PAIR, SPECIALS, batch_of, built, model, seen, streams, unique_texts


def mixture(*parts: tuple[float, dict[str, Any]], **fields: Any) -> dict[str, Any]:
    return {"kind": "mixture", "of": [{"objective": objective, "weight": weight} for weight, objective in parts], **fields}


def test_shares() -> None:
    objective = built(model(32), **mixture((3, {"kind": "causal"}), (1, {"kind": "prefix"}), (0, {"kind": "fim"})))
    assert isinstance(objective, Mixture) and len(objective.parts) == 2
    batch = batch_of(objective, rows=1000)
    assert batch.inputs.prefix_BT is not None
    prefixed = int(batch.inputs.prefix_BT.any(1).sum())
    assert abs(prefixed - 250) < 5 * math.sqrt(1000 * 0.25 * 0.75)


def test_a_row_is_seen_and_learned_as_in_its_own_objective() -> None:
    parts: list[dict[str, Any]] = [
        {"kind": "causal"},
        {"kind": "causal", "across_documents": False},
        {"kind": "prefix", "across_documents": False},
        {"kind": "denoise"},
        {"kind": "glm"},
    ]
    for part in parts:
        alone = built(model(40), **part)
        weights = [(1.0 if other is part else 1e-12, other) for other in parts]
        mixed = built(model(40), **mixture(*weights))
        texts = unique_texts(mixed, 3, ends=[7, 20])
        together = make(mixed, texts, streams(range(3)))
        own_streams = streams(range(3))
        for rng in own_streams:
            rng.choice(5, p=[1, 0, 0, 0, 0])  # what the mixture drew to choose
        single = make(alone, texts, own_streams)
        for row in range(3):
            T = single.targets_BT.shape[1]
            learned = torch.nonzero(single.weights_BT[row]).flatten()
            assert torch.equal(together.weights_BT[row, :T], single.weights_BT[row])
            assert torch.equal(together.targets_BT[row, learned], single.targets_BT[row, learned])
            for place in learned.tolist():
                assert seen(together.inputs, row, place) == seen(single.inputs, row, place)


def test_lengths_of_different_tasks_meet_in_one_batch() -> None:
    objective = built(model(64, **PAIR), **mixture((1, {"kind": "span"}), (1, {"kind": "denoise"}), (1, {"kind": "prefix"})))
    batch = batch_of(objective, rows=16)
    assert batch.source is not None and batch.source.segments_BT is not None
    assert batch.inputs.tokens_BT.shape == (16, 64) and batch.source.tokens_BT.shape == (16, 64)
    masks = (batch.source.tokens_BT == SPECIALS["mask"]).any(1)
    sentinels = torch.isin(batch.source.tokens_BT, torch.from_numpy(SPECIALS.sentinels)).any(1)
    assert masks.any() and sentinels.any() and not (masks & sentinels).any() and not (masks | sentinels).all()


def test_by_batch_one_objective_each() -> None:
    objective = built(model(32), **mixture((1, {"kind": "causal"}), (2, {"kind": "prefix"}), draw="batch"))
    assert isinstance(objective, Mixture) and objective.by_batch
    kinds = [type(objective.one(stream(0, "mixture", step))).__name__ for step in range(600)]
    assert abs(kinds.count("Prefix") - 400) < 5 * math.sqrt(600 * 2 / 9)


def test_some_weight_is_needed() -> None:
    with pytest.raises(ValueError, match="weight 0"):
        built(model(32), **mixture((0, {"kind": "causal"})))
    assert np.isclose(sum(built(model(32), **mixture((0.1, {"kind": "causal"}), (0.7, {"kind": "fim"}))).shares), 1)  # type: ignore[attr-defined]
