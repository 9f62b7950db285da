from __future__ import annotations

import pytest
import torch

from headwater.model.init import build, shapes
from tests.model.conftest import tiny


def test_a_tensor_depends_on_its_name_alone() -> None:
    """More layers, another head, an earlier draw: what is drawn for a name stays (std that depends on layers is switched off)."""
    init = {"std": 0.02, "residual_scaling": False}
    small = dict(build(tiny(layers=1, init=init), seed=3).named_parameters())
    torch.randn(17)
    large = dict(build(tiny(layers=3, init=init, tied=False), seed=3).named_parameters())
    assert all(torch.equal(tensor, large[name]) for name, tensor in small.items())


def test_building_draws_nothing_from_the_global_stream() -> None:
    torch.manual_seed(0)
    build(tiny(), seed=1)
    after = torch.rand(4)
    torch.manual_seed(0)
    assert torch.equal(after, torch.rand(4))


def test_seeds_and_tensors_differ() -> None:
    one, two = (dict(build(tiny(), seed=seed).named_parameters()) for seed in (1, 2))
    assert not torch.equal(one["embedding.weight"], two["embedding.weight"])
    assert not torch.equal(one["blocks.0.attention.query.weight"], one["blocks.1.attention.query.weight"])


@pytest.mark.parametrize("scaled", [True, False])
def test_spread_is_the_configs(scaled: bool) -> None:
    config = tiny(width=256, heads=4, layers=8, init={"std": 0.05, "residual_scaling": scaled})
    parameters = dict(build(config, seed=0).named_parameters())
    out = parameters["blocks.5.attention.out.weight"]
    down = parameters["blocks.5.feed_forward.down.weight"]
    expected = 0.05 / 4 if scaled else 0.05  # sqrt(2 * 8) = 4
    assert out.std().item() == pytest.approx(expected, rel=0.02)
    assert down.std().item() == pytest.approx(expected, rel=0.02)
    assert parameters["blocks.5.feed_forward.up.weight"].std().item() == pytest.approx(0.05, rel=0.02)
    assert parameters["norm.weight"].eq(1).all()


def test_shapes_are_the_built_ones() -> None:
    config = tiny(biases=True, tied=False)
    assert shapes(config) == {name: tuple(tensor.shape) for name, tensor in build(config, 0).named_parameters()}
