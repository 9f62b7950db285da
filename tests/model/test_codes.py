from __future__ import annotations

import pytest
import torch

from headwater.model.codes import int8, levels, nf4

# Dettmers et al. 2023, appendix E.
PUBLISHED = [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
             -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
             0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0]  # fmt: skip
WEIGHT = torch.randn(37, 53, generator=torch.Generator().manual_seed(0))


def test_levels_are_the_published_ones() -> None:
    assert levels().tolist() == pytest.approx(PUBLISHED, abs=1e-6)


def test_int8_is_off_by_half_a_step_at_most() -> None:
    kept = int8(WEIGHT)
    step = WEIGHT.abs().amax(dim=1, keepdim=True) / 127
    assert ((kept.dense() - WEIGHT).abs() <= step / 2 * 1.001).all()
    assert kept.codes.dtype == torch.int8


@pytest.mark.parametrize("block", [2, 64, 10_000])
def test_nf4_takes_the_nearest_level(block: int) -> None:
    kept = nf4(WEIGHT, block)
    flat = WEIGHT.flatten()
    for start in range(0, len(flat), block):
        piece = flat[start : start + block]
        largest = piece.abs().max()
        nearest = levels()[(piece[:, None] / largest - levels()).abs().argmin(dim=1)] * largest
        assert (kept.dense().flatten()[start : start + block] - nearest).abs().max() <= 1e-6


def test_four_bits_are_an_eighth() -> None:
    weight = torch.randn(128, 128, generator=torch.Generator().manual_seed(1))
    assert nf4(weight).size == 128 * 128 // 2 + 128 * 128 // 64 * 4
    assert int8(weight).size == 128 * 128 + 128 * 4
    # Nearer than 4 equal steps between the extremes would be, for normal numbers: the point of the quantiles.
    blocks = weight.view(-1, 64)
    largest = blocks.abs().amax(dim=1, keepdim=True)
    even = ((blocks / largest + 1) * 7.5).round() / 7.5 * largest - largest
    assert (nf4(weight).dense() - weight).square().mean() < 0.9 * (even.view(128, 128) - weight).square().mean()


@pytest.mark.parametrize("make", [int8, nf4])
def test_nothing_stays_nothing(make: object) -> None:
    assert callable(make)
    assert torch.equal(make(torch.zeros(4, 6)).dense(), torch.zeros(4, 6))
