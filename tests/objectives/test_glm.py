"""GLM's rows against the picture of its paper, and against its numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from headwater.objectives.glm import GLM
from headwater.objectives.rows import Row
from tests.objectives.conftest import SPECIALS, batch_of, built, model, seen, streams, unique_texts

MASK, GMASK, SOP, EOP = (SPECIALS[name] for name in ("mask", "gmask", "sop", "eop"))
TWO: dict[str, Any] = {"positions": {"kind": "glm"}}


def test_the_example_of_the_paper() -> None:
    """Du et al. 2022, figure 2: x1 … x6 with spans x3 and x5 x6, the second written first."""
    objective = built(model(32, **TWO), kind="glm")
    assert isinstance(objective, GLM)
    row = objective.filled_in(np.arange(301, 307), [(2, 1), (4, 2)], order=[1, 0], mask=MASK)
    assert row.tokens.tolist() == [301, 302, MASK, 304, MASK, SOP, 305, 306, SOP, 303]
    assert row.targets.tolist()[5:] == [305, 306, EOP, 303, EOP]
    assert row.positions is not None and row.positions.tolist() == [0, 1, 2, 3, 4, 4, 4, 4, 2, 2]
    assert row.blocks is not None and row.blocks.tolist() == [0, 0, 0, 0, 0, 1, 2, 3, 1, 2]
    assert row.weights is not None and row.weights.tolist() == [0] * 5 + [1] * 5
    assert row.prefix is not None and row.prefix.tolist() == [True] * 5 + [False] * 5


def restored(row: Row) -> list[int]:
    """The text, from the spans and the positions of their masks."""
    assert row.prefix is not None and row.positions is not None
    given = row.tokens[row.prefix].tolist()
    spans: dict[int, list[int]] = {}
    for token, target, position in zip(row.tokens[~row.prefix], row.targets[~row.prefix], row.positions[~row.prefix], strict=True):
        if token == SOP:
            assert position not in spans
            spans[int(position)] = []
        if target != EOP:
            spans[int(position)].append(int(target))
    assert [place for place, token in enumerate(given) if token in (MASK, GMASK)] == sorted(spans)
    return [each for place, token in enumerate(given) for each in spans.get(place, [token])]


def test_given_text_and_spans_give_the_text_back_and_rates_are_the_papers() -> None:
    objective = built(model(256, **TWO), kind="glm")
    texts = unique_texts(objective, 400)
    shorts, lengths, hidden, shares, in_order = 0, [], [], [], 0
    for (text,), rng in zip(texts, streams(range(400)), strict=True):
        row = objective.row([text], rng)
        whole = restored(row)
        assert whole == text[: len(whole)].tolist() and len(row.tokens) <= 256
        assert row.prefix is not None and row.positions is not None
        starts = row.positions[row.tokens == SOP]
        noise = int((~row.prefix).sum()) - len(starts)
        if GMASK in row.tokens:
            assert len(starts) == 1 and row.tokens[row.prefix][-1] == GMASK and len(whole) == 254
            shares.append(noise / 254)
        else:
            shorts += 1
            lengths.append(noise / len(starts))
            hidden.append(noise / len(whole))
            in_order += bool((np.diff(starts) > 0).all())
    assert abs(shorts - 120) < 5 * math.sqrt(400 * 0.3 * 0.7)
    assert min(shares) >= 0.5 and max(shares) <= 1 and np.mean(shares) == pytest.approx(0.75, abs=0.04)
    assert np.mean(hidden) == pytest.approx(0.15, abs=0.003)
    assert np.mean(lengths) == pytest.approx(3 / (1 - math.exp(-3)), rel=0.08)
    assert in_order < 5, "spans are written in random order"


def test_given_text_sees_itself_both_ways_and_spans_see_what_was_written() -> None:
    objective = built(model(64, **TWO), kind="glm")
    inputs = batch_of(objective, rows=10).inputs
    assert inputs.prefix_BT is not None and inputs.segments_BT is not None
    for row in range(10):
        given, length = int(inputs.prefix_BT[row].sum()), int(inputs.segments_BT[row].sum())
        tokens = inputs.tokens_BT[row].tolist()
        assert seen(inputs, row, 0) == tokens[:given]
        for place in (given, length - 1):
            assert seen(inputs, row, place) == tokens[: place + 1]


def test_other_positions_count_places_in_the_row() -> None:
    inputs = batch_of(built(model(64), kind="glm")).inputs
    assert inputs.positions_BT is None and inputs.blocks_BT is None
