from __future__ import annotations

import cmath
import math
from typing import Any

import pytest
import torch

from headwater.model.parts import RoPE, Scaling
from headwater.model.positions import Rotation, sinusoid, speeds
from tests.oracles import paper

PLACES = [0, 1, 2, 10, 300]


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("pairs", ["halves", "neighbours"])
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_rotation_is_multiplication_by_a_unit_complex_number(pairs: str, share: float) -> None:
    """Su et al. 2021, equation 13, in Python's complex numbers; what is not turned stays as it is."""
    x = draw(1, 5, 2, 12)
    turned = int(12 * share)
    y = Rotation.at(torch.tensor([PLACES]), RoPE(base=100.0, share=share, pairs=pairs), 12).apply(x)
    for place, position in enumerate(PLACES):
        for pair in range(turned // 2):
            a, b = (pair, pair + turned // 2) if pairs == "halves" else (2 * pair, 2 * pair + 1)
            z = complex(x[0, place, 1, a], x[0, place, 1, b]) * cmath.exp(1j * position * 100.0 ** (-2 * pair / turned))
            assert abs(complex(y[0, place, 1, a], y[0, place, 1, b]) - z) < 1e-4
    assert torch.equal(y[..., turned:], x[..., turned:])
    assert not torch.equal(y[:, 1:, :, :turned], x[:, 1:, :, :turned])


def test_halves_and_neighbours_are_one_thing_in_another_order() -> None:
    x, at = draw(2, 5, 3, 8), torch.tensor([PLACES, PLACES[::-1]])
    order = torch.tensor([0, 4, 1, 5, 2, 6, 3, 7])  # (x_p, x_{p+4}) become neighbours
    halves = Rotation.at(at, RoPE(pairs="halves"), 8).apply(x)
    neighbours = Rotation.at(at, RoPE(pairs="neighbours"), 8).apply(x[..., order])
    torch.testing.assert_close(halves[..., order], neighbours, atol=1e-6, rtol=0)


def test_scores_depend_on_distance_alone() -> None:
    q, k = draw(2, 1, 1, 1, 64, seed=1)

    def score(at_q: int, at_k: int) -> torch.Tensor:
        turn = [Rotation.at(torch.tensor([[at]]), RoPE(), 64) for at in (at_q, at_k)]
        return (turn[0].apply(q) * turn[1].apply(k)).sum()

    assert (score(9, 4) - score(205, 200)).abs() < 1e-3
    assert (score(9, 4) - score(9, 5)).abs() > 1e-3


def test_angles_are_exact_in_bf16_training() -> None:
    """Positions 256 and 257 are the same number in bf16; their rotations must not be."""
    with torch.autocast("cpu", torch.bfloat16):
        rotation = Rotation.at(torch.tensor([[256, 257]]), RoPE(), 8)
    assert rotation.cos_BT1R.dtype == torch.float32
    assert (rotation.cos_BT1R[0, 0, 0, 0] - rotation.cos_BT1R[0, 1, 0, 0]).abs() > 0.1
    assert rotation.apply(draw(1, 2, 1, 8).bfloat16()).dtype == torch.bfloat16


SCALINGS = [
    Scaling(kind="linear", factor=4.0),
    Scaling(kind="yarn", factor=4.0, original_context=64),
    Scaling(kind="yarn", factor=40.0, original_context=4096),
    Scaling(kind="yarn", factor=16.0, original_context=2048, fast=24.0, slow=2.0),
    Scaling(kind="yarn", factor=1.0, original_context=64),
    Scaling(kind="yarn", factor=4.0, original_context=10_000_000, fast=1_000_000.0, slow=1.0),  # the slow border beyond the last pair
    Scaling(kind="llama3", factor=8.0, original_context=8192),
    Scaling(kind="llama3", factor=32.0, original_context=512, fast=6.0, slow=1.5),
]


@pytest.mark.oracle
@pytest.mark.parametrize("scaling", SCALINGS, ids=lambda scaling: f"{scaling.kind}-{scaling.factor:g}-{scaling.original_context}")
@pytest.mark.parametrize(("head_width", "share", "base"), [(64, 1.0, 10_000.0), (128, 0.5, 500_000.0), (20, 1.0, 1_000.0)])
def test_scalings_are_transformers(transformers: Any, scaling: Scaling, head_width: int, share: float, base: float) -> None:
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    said = {"rope_type": scaling.kind, "factor": scaling.factor, "rope_theta": base, "partial_rotary_factor": share}
    if scaling.kind == "yarn":
        said |= {"beta_fast": scaling.fast, "beta_slow": scaling.slow}
    if scaling.kind == "llama3":
        said |= {"high_freq_factor": scaling.fast or 4.0, "low_freq_factor": scaling.slow or 1.0}
    if scaling.original_context is not None:
        said["original_max_position_embeddings"] = scaling.original_context
    context = 8 * (scaling.original_context or 64)
    config = transformers.LlamaConfig(head_dim=head_width, max_position_embeddings=context, rope_parameters=said)
    theirs, their_factor = ROPE_INIT_FUNCTIONS[scaling.kind](config, torch.device("cpu"))
    ours, factor = speeds(RoPE(base=base, share=share, scaling=scaling), int(head_width * share))
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)
    assert factor == pytest.approx(their_factor, rel=1e-12)


def test_the_scalings_differ_from_each_other() -> None:
    """An oracle that only ever saw one regime would not tell them apart."""
    found = [speeds(RoPE(scaling=scaling), 64)[0] for scaling in (None, *SCALINGS)]
    yarn_of_one = 1 + SCALINGS.index(Scaling(kind="yarn", factor=1.0, original_context=64))
    for first in range(len(found)):
        for second in range(first):
            same = {first, second} == {0, yarn_of_one}  # a factor of 1 scales nothing
            assert torch.allclose(found[first], found[second]) == same


def test_ntk_divides_the_slowest_pair_by_the_factor_and_leaves_the_fastest() -> None:
    """bloc97 2023: the base is raised so that only the last pair is interpolated whole."""
    plain, _ = speeds(RoPE(), 64)
    scaled, factor = speeds(RoPE(scaling=Scaling(kind="ntk", factor=4.0)), 64)
    assert factor == 1.0
    assert scaled[0] == plain[0]
    assert float(plain[-1] / scaled[-1]) == pytest.approx(4.0, rel=1e-5)
    assert ((plain / scaled)[1:] > (plain / scaled)[:-1]).all()


def test_yarns_factor_stands_in_the_rotation() -> None:
    """Peng et al. 2023, equation 22: sines and cosines are multiplied, and so is every score by its square."""
    scaling = Scaling(kind="yarn", factor=4.0, original_context=64)
    x = draw(1, 1, 1, 8)
    y = Rotation.at(torch.tensor([[3]]), RoPE(scaling=scaling), 8).apply(x)
    assert float(y.norm() / x.norm()) == pytest.approx(0.1 * math.log(4) + 1, rel=1e-5)


@pytest.mark.parametrize("width", [8, 7])
def test_sinusoids_are_their_formula(width: int) -> None:
    found = sinusoid(torch.tensor([[0, 1, 5], [-3, 700, 2]]), width)
    assert found.shape == (2, 3, width)
    for row, places in enumerate([[0, 1, 5], [-3, 700, 2]]):
        for place, position in enumerate(places):
            torch.testing.assert_close(found[row, place], paper.sinusoid(position, width).float(), atol=1e-4, rtol=0)
