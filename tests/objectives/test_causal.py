"""Causal rows against a slow walk over each row."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from headwater.objectives.causal import causal_rows
from headwater.objectives.rows import make
from headwater.tokens.masks import Places, causal
from tests.objectives.conftest import END as NOTHING
from tests.objectives.conftest import built, model, streams, unique_texts

END = 9
ROWS = [
    [1, 2, 3, 4, 5, 6],  # inside one document
    [1, 2, END, 3, 4, END],
    [END, 1, 2, END, 3, 4],
    [END, END, END, 1, END, END],  # empty documents
    [1, 2, 3, 4, 5, END],
]


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
@pytest.mark.parametrize("across", [True, False])
def test_every_target_is_the_next_token(dtype: type, across: bool) -> None:
    rows = np.array([[65535, 0, 1, 2], [END, 65000, END, 7]], dtype)
    batch = causal_rows(rows, END, across)
    assert np.array_equal(batch.inputs.tokens_BT.numpy(), rows[:, :-1])
    assert np.array_equal(batch.targets_BT.numpy(), rows[:, 1:])
    assert (batch.weights_BT == 1).all()
    assert {batch.inputs.tokens_BT.dtype, batch.targets_BT.dtype} == {torch.int64}


def test_across_documents_nothing_starts_anew() -> None:
    batch = causal_rows(np.array(ROWS, np.uint16), END, across_documents=True)
    assert batch.inputs.positions_BT is None and batch.inputs.segments_BT is None
    assert batch.inputs.mask == causal()


def random_rows() -> list[list[int]]:
    rows: list[list[int]] = np.random.default_rng(0).integers(5, 12, (20, 40)).tolist()
    return rows


@pytest.mark.parametrize("rows", [ROWS, random_rows()], ids=["by hand", "random"])
def test_apart_each_document_begins_at_the_end_before_it(rows: list[list[int]]) -> None:
    batch = causal_rows(np.array(rows, np.uint16), END, across_documents=False)
    assert batch.inputs.segments_BT is not None and batch.inputs.positions_BT is not None
    places = torch.arange(len(rows[0]) - 1).expand(len(rows), -1)
    allowed = batch.inputs.mask.dense(Places(places, places, batch.inputs.segments_BT, batch.inputs.segments_BT))
    for number, row in enumerate(rows):
        start = 0
        for place, token in enumerate(row[:-1]):
            start = place if token == END else start
            assert batch.inputs.positions_BT[number, place] == place - start
            assert allowed[number, place].nonzero().flatten().tolist() == list(range(start, place + 1))


@pytest.mark.parametrize("across", [True, False])
def test_targets_further_ahead_stop_at_the_row_and_at_documents_that_stand_alone(across: bool) -> None:
    objective = built(model(16, head={"kind": "lm", "future": 3}), kind="multi_token", across_documents=across)
    texts = unique_texts(objective, 2, ends=[5, 6, 12])
    batch = make(objective, texts, streams(range(2)))
    assert batch.ahead_BTF is not None and batch.ahead_weights_BTF is not None
    assert batch.ahead_BTF.shape == (2, 16, 3)
    for row, (text,) in enumerate(texts):
        for place in range(16):
            for further in range(3):
                target = place + 2 + further
                inside = target < len(text) and (across or NOTHING not in text[place + 1 : target])
                assert batch.ahead_weights_BTF[row, place, further] == inside
                if inside:
                    assert batch.ahead_BTF[row, place, further] == text[target]
