"""A batch in pieces is the same batch."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from headwater.tokens.batch import Batch, Inputs
from headwater.tokens.masks import causal, documents, full


def a_batch(rows: int, segments: bool) -> Batch:
    generator = torch.Generator().manual_seed(0)
    tokens, targets, positions = (torch.randint(0, 99, (rows, 5), generator=generator) for _ in range(3))
    weights = (torch.rand(rows, 5, generator=generator) < 0.5).float()
    inputs = Inputs(tokens, positions, tokens // 10 if segments else None, causal() & documents() if segments else causal())
    source = Inputs(targets, mask=full()) if segments else None
    return Batch(inputs, targets, weights, source, labels=tokens[:, 0] if segments else None)


@pytest.mark.parametrize("segments", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 3, 7, 100])
def test_micro_keeps_order_and_weight(rows: int, segments: bool) -> None:
    batch = a_batch(7, segments)
    pieces = list(batch.micro(rows))
    assert all(0 < len(piece) <= rows for piece in pieces)
    together(pieces, batch)
    assert sum(piece.weight for piece in pieces) == batch.weight


def together(pieces: list[Any], whole: Any) -> None:
    """The pieces, one below the other, are the whole, in everything that it holds."""
    for field in dataclasses.fields(whole):
        parts, value = [getattr(piece, field.name) for piece in pieces], getattr(whole, field.name)
        if isinstance(value, torch.Tensor):
            assert torch.equal(torch.cat(parts), value), field.name
        elif isinstance(value, Inputs):
            together(parts, value)
        else:
            assert all(part == value for part in parts), field.name


def test_labels_alone_are_counted_by_rows() -> None:
    inputs = Inputs(torch.zeros(3, 4, dtype=torch.int64))
    nothing = torch.zeros(3, 4)
    assert Batch(inputs, inputs.tokens_BT, nothing, labels=torch.tensor([0, 1, 1])).weight == 3
    assert Batch(inputs, inputs.tokens_BT, nothing).weight == 0


def test_weight_is_exact_where_float32_is_not() -> None:
    ones = torch.ones(1, (1 << 24) + 3)
    empty = torch.zeros(1, 0)
    assert Batch(Inputs(empty), empty, ones).weight == (1 << 24) + 3


def test_moving_moves_every_tensor() -> None:
    moved = a_batch(2, segments=True).to(torch.device("meta"))
    assert moved.source is not None
    assert moved.inputs.segments_BT is not None
    tensors = (moved.inputs.tokens_BT, moved.targets_BT, moved.weights_BT, moved.inputs.segments_BT, moved.source.tokens_BT, moved.labels)
    assert {tensor.device.type for tensor in tensors if tensor is not None} == {"meta"}


def test_padding_is_segment_nought() -> None:
    assert Inputs(torch.zeros(1, 3)).real_BT is None
    assert Inputs(torch.zeros(1, 3), segments_BT=torch.tensor([[1, 2, 0]])).real_BT.tolist() == [[True, True, False]]  # type: ignore[union-attr]


def test_takes_rows_of_every_tensor() -> None:
    batch = a_batch(3, segments=True)
    taken = batch.take(torch.tensor([2, 0, 0, 1]))
    assert taken.source is not None
    assert batch.source is not None
    assert taken.inputs.segments_BT is not None
    assert batch.inputs.segments_BT is not None
    pairs = [(taken.inputs.tokens_BT, batch.inputs.tokens_BT), (taken.targets_BT, batch.targets_BT), (taken.weights_BT, batch.weights_BT),
             (taken.inputs.segments_BT, batch.inputs.segments_BT), (taken.source.tokens_BT, batch.source.tokens_BT)]  # fmt: skip
    assert all(torch.equal(one, other[[2, 0, 0, 1]]) for one, other in pairs)
