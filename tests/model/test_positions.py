from __future__ import annotations

import cmath

import torch

from headwater.model.positions import Rotation


def test_rotation_is_multiplication_by_a_unit_complex_number() -> None:
    """Su et al. 2021, equation 13, in Python's complex numbers."""
    x = torch.randn(1, 5, 1, 6, generator=torch.Generator().manual_seed(0))
    turned = Rotation.at(torch.tensor([[0, 1, 2, 10, 300]]), 6, base=100.0).apply(x)
    for place, position in enumerate([0, 1, 2, 10, 300]):
        for pair in range(3):
            z = complex(x[0, place, 0, pair], x[0, place, 0, pair + 3]) * cmath.exp(1j * position * 100.0 ** (-2 * pair / 6))
            assert abs(complex(turned[0, place, 0, pair], turned[0, place, 0, pair + 3]) - z) < 1e-4


def test_scores_depend_on_distance_alone() -> None:
    q, k = torch.randn(2, 1, 1, 1, 64, generator=torch.Generator().manual_seed(1))

    def score(at_q: int, at_k: int) -> float:
        turn = [Rotation.at(torch.tensor([[at]]), 64, base=10_000.0) for at in (at_q, at_k)]
        return float((turn[0].apply(q) * turn[1].apply(k)).sum())

    assert abs(score(9, 4) - score(205, 200)) < 1e-3
    assert abs(score(9, 4) - score(9, 5)) > 1e-3


def test_angles_are_exact_in_bf16_training() -> None:
    """Positions 256 and 257 are the same number in bf16; their rotations must not be."""
    with torch.autocast("cpu", torch.bfloat16):
        rotation = Rotation.at(torch.tensor([[256, 257]]), 8, base=10_000.0)
    assert rotation.cos_BT1K.dtype == torch.float32
    assert (rotation.cos_BT1K[0, 0, 0, 0] - rotation.cos_BT1K[0, 1, 0, 0]).abs() > 0.1
