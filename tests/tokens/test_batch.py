"""A batch in pieces is the same batch."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from headwater.tokens.batch import Batch
from headwater.tokens.masks import causal, documents


def a_batch(rows: int, segments: bool) -> Batch:
    generator = torch.Generator().manual_seed(0)
    tokens, targets, positions = (torch.randint(0, 99, (rows, 5), generator=generator) for _ in range(3))
    weights = (torch.rand(rows, 5, generator=generator) < 0.5).float()
    return Batch(tokens, targets, weights, positions, tokens // 10 if segments else None, causal() & documents() if segments else causal())


@pytest.mark.parametrize("segments", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 3, 7, 100])
def test_micro_keeps_order_and_weight(rows: int, segments: bool) -> None:
    batch = a_batch(7, segments)
    pieces = list(batch.micro(rows))
    assert all(0 < len(piece) <= rows for piece in pieces)
    for field in dataclasses.fields(Batch):
        whole, parts = getattr(batch, field.name), [getattr(piece, field.name) for piece in pieces]
        if isinstance(whole, torch.Tensor):
            assert torch.equal(torch.cat(parts), whole), field.name
        else:
            assert all(part == whole for part in parts), field.name
    assert sum(piece.weight for piece in pieces) == batch.weight


def test_weight_is_exact_where_float32_is_not() -> None:
    ones = torch.ones(1, (1 << 24) + 3)
    empty = torch.zeros(1, 0)
    assert Batch(empty, empty, ones, empty, None, causal()).weight == (1 << 24) + 3


def test_moving_moves_every_tensor() -> None:
    moved = a_batch(2, segments=True).to(torch.device("meta"))
    assert moved.segments_BT is not None
    tensors = (moved.tokens_BT, moved.targets_BT, moved.weights_BT, moved.positions_BT, moved.segments_BT)
    assert {tensor.device.type for tensor in tensors} == {"meta"}
