"""The two ways of a source and its target, by hand."""

from __future__ import annotations

import numpy as np

from headwater.objectives.pairs import Pairs
from headwater.objectives.rows import lay

SOURCE, TARGET = np.array([11, 12]), np.array([21, 22, 23])


def test_a_decoder_reads_both_in_one_row() -> None:
    pairs = Pairs(6, pad=1, start=9)
    batch = lay([pairs.row(SOURCE, TARGET)], pairs.layout)
    assert batch.inputs.tokens_BT.tolist() == [[11, 12, 21, 22, 1, 1]]
    assert batch.targets_BT.tolist() == [[12, 21, 22, 23, 1, 1]]
    assert batch.weights_BT.tolist() == [[0, 1, 1, 1, 0, 0]]
    assert batch.inputs.prefix_BT is not None and batch.inputs.prefix_BT.tolist() == [[True, True, False, False, False, False]]
    assert batch.inputs.segments_BT is not None and batch.inputs.segments_BT.tolist() == [[1, 1, 1, 1, 0, 0]]


def test_an_encoder_decoder_reads_one_each() -> None:
    pairs = Pairs(4, pad=1, start=9, source_length=3)
    batch = lay([pairs.row(SOURCE, TARGET)], pairs.layout)
    assert batch.source is not None and batch.source.segments_BT is not None
    assert batch.source.tokens_BT.tolist() == [[11, 12, 1]] and batch.source.segments_BT.tolist() == [[1, 1, 0]]
    assert batch.inputs.tokens_BT.tolist() == [[9, 21, 22, 1]]
    assert batch.targets_BT.tolist() == [[21, 22, 23, 1]] and batch.weights_BT.tolist() == [[1, 1, 1, 0]]
    assert batch.inputs.segments_BT is None, "one document: cross-attention takes it for number 1"
