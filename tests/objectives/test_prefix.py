"""Prefix rows: a uniform cut, what is before it seen whole, what is after it learned."""

from __future__ import annotations

import numpy as np
import torch

from headwater.objectives.rows import make
from tests.objectives.conftest import PAIR, batch_of, built, model, seen, streams, unique_texts


def test_the_last_given_token_is_the_first_that_predicts() -> None:
    objective = built(model(12), kind="prefix")
    texts = unique_texts(objective, 40)
    batch = make(objective, texts, streams(range(40)))
    assert batch.inputs.prefix_BT is not None
    for row, (text,) in enumerate(texts):
        given = int(batch.inputs.prefix_BT[row].sum())
        assert batch.weights_BT[row].tolist() == [0.0] * (given - 1) + [1.0] * (13 - given)
        assert seen(batch.inputs, row, 0) == text[:given].tolist()
        assert seen(batch.inputs, row, 11) == text[:12].tolist()


def test_the_cut_is_uniform() -> None:
    objective = built(model(10), kind="prefix")
    batch = batch_of(objective, rows=3000)
    assert batch.inputs.prefix_BT is not None
    counts = np.bincount(batch.inputs.prefix_BT.sum(1).numpy(), minlength=11)[1:]
    expected = 300
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 27.9, "p = 0.001 of 9 degrees of freedom"


def test_documents_apart_have_a_cut_each() -> None:
    objective = built(model(40), kind="prefix", across_documents=False)
    batch = batch_of(objective, rows=20, ends=[9, 22])
    inputs = batch.inputs
    assert inputs.prefix_BT is not None and inputs.segments_BT is not None and inputs.positions_BT is not None
    cuts = set()
    for row in range(20):
        for start, stop in ((0, 9), (9, 22), (22, 40)):
            given = int(inputs.prefix_BT[row, start:stop].sum())
            assert given >= 1
            assert inputs.prefix_BT[row, start : start + given].all()
            assert batch.weights_BT[row, start:stop].tolist() == [0.0] * (given - 1) + [1.0] * (stop - start - given + 1)
            assert inputs.positions_BT[row, start:stop].tolist() == list(range(stop - start))
            assert seen(inputs, row, start) == inputs.tokens_BT[row, start : start + given].tolist()
            cuts.add((start, given))
    assert len(cuts) > 20


def test_an_encoder_decoder_reads_the_beginning_and_writes_the_rest() -> None:
    objective = built(model(20, **PAIR), kind="prefix")
    texts = unique_texts(objective, 10)
    batch = make(objective, texts, streams(range(10)))
    assert batch.source is not None and batch.source.segments_BT is not None
    for row, (text,) in enumerate(texts):
        source = batch.source.tokens_BT[row][batch.source.segments_BT[row] > 0]
        learned = batch.weights_BT[row] > 0
        assert torch.equal(torch.cat([source, batch.targets_BT[row][learned]]), torch.from_numpy(text))
        assert torch.equal(batch.inputs.tokens_BT[row][learned][1:], batch.targets_BT[row][learned][:-1])
