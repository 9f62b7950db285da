"""Packing changes no dialogue: the same pairs of token and target, each seeing only its own."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.objectives.dialogue import dialogue_rows, pack
from headwater.tokens.masks import Places

PAD = 0
Encoded = tuple[list[int], list[float]]


@given(st.lists(st.integers(1, 20), max_size=40))
@settings(max_examples=300, deadline=None, derandomize=True, database=None)
def test_pack_keeps_each_item_once_and_overfills_no_row(lengths: list[int]) -> None:
    rows = pack(lengths, 20)
    assert sorted(item for row in rows for item in row) == list(range(len(lengths)))
    fill = [sum(lengths[item] for item in row) for row in rows]
    assert all(0 < used <= 20 for used in fill)
    assert sum(used <= 10 for used in fill) <= 1, "first-fit never leaves two rows half empty"


def test_pack_refuses_what_fits_nowhere() -> None:
    with pytest.raises(AssertionError):
        pack([3, 21], 20)


def dialogues(count: int) -> list[Encoded]:
    random = np.random.default_rng(0)
    made = []
    for _ in range(count):
        length = int(random.integers(2, 15))
        made.append((random.integers(1, 1000, length).tolist(), (random.random(length) < 0.5).astype(float).tolist()))
    return made


def test_the_pairs_of_a_packed_batch_are_those_of_its_dialogues() -> None:
    said, room = dialogues(50), 30
    rows = pack([len(ids) - 1 for ids, _ in said], room)
    batch = dialogue_rows([[said[item] for item in row] for row in rows], room, PAD)
    assert batch.inputs.tokens_BT.shape == (len(rows), room)
    assert batch.inputs.segments_BT is not None
    real = batch.inputs.segments_BT > 0
    found = Counter(
        zip(
            *(tensor[real].tolist() for tensor in (batch.inputs.tokens_BT, batch.targets_BT, batch.weights_BT, batch.inputs.positions_BT)),
            strict=True,
        )
    )
    expected = Counter(pair for ids, weights in said for pair in zip(ids[:-1], ids[1:], weights[1:], range(len(ids) - 1), strict=True))
    assert found == expected
    assert batch.weight == sum(sum(weights[1:]) for _, weights in said)
    assert (batch.inputs.tokens_BT[~real] == PAD).all()
    assert (batch.weights_BT[~real] == 0).all()


def test_a_dialogue_sees_only_itself_from_its_first_token_on() -> None:
    said, room = dialogues(50), 30
    rows = pack([len(ids) - 1 for ids, _ in said], room)
    batch = dialogue_rows([[said[item] for item in row] for row in rows], room, PAD)
    places = torch.arange(room).expand(len(rows), -1)
    allowed = batch.inputs.mask.dense(Places(places, places, batch.inputs.segments_BT, batch.inputs.segments_BT))
    for number, row in enumerate(rows):
        start = 0
        for item in row:
            stop = start + len(said[item][0]) - 1
            for place in range(start, stop):
                assert batch.inputs.positions_BT[number, place] == place - start
                assert allowed[number, place].nonzero().flatten().tolist() == list(range(start, place + 1))
            start = stop
    assert allowed.any(-1).all(), "also padding sees something: a row of nothing gives NaN"


def test_a_dialogue_alone_and_an_exactly_full_row() -> None:
    ids, weights = [5, 6, 7, 8], [0.0, 0.0, 1.0, 1.0]
    batch = dialogue_rows([[(ids, weights)]], 3, PAD)
    assert batch.inputs.tokens_BT.tolist() == [[5, 6, 7]]
    assert batch.targets_BT.tolist() == [[6, 7, 8]]
    assert batch.weights_BT.tolist() == [[0, 1, 1]]


def test_what_does_not_fit_is_never_cut_in_silence() -> None:
    with pytest.raises((AssertionError, ValueError)):
        dialogue_rows([[([5, 6, 7, 8], [0.0, 0.0, 1.0, 1.0])]], 2, PAD)
