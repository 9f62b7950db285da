from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from headwater.model.feed_forward import GatedUnit, PlainUnit, activation, build_dense, build_feed_forward
from headwater.model.moe import Experts
from headwater.model.parts import Gated, Plain
from tests.model.conftest import tiny

X = torch.randn(4, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2


def erf_gelu(x: torch.Tensor) -> torch.Tensor:
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def tanh_gelu(x: torch.Tensor) -> torch.Tensor:
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def relu(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x > 0, x, 0.0)


FORMULAS = {
    "relu": relu,
    "relu2": lambda x: relu(x) ** 2,
    "gelu": tanh_gelu,
    "gelu-none": erf_gelu,
    "swiglu": lambda x: x / (1 + torch.exp(-x)),
    "geglu": tanh_gelu,
    "geglu-none": erf_gelu,
    "reglu": relu,
    "glu": lambda x: 1 / (1 + torch.exp(-x)),
}


@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("kind", FORMULAS)
def test_each_kind_is_its_formula(kind: str, biases: bool) -> None:
    """Shazeer 2020, equations 5 and 6; the GELUs of Hendrycks and Gimpel 2016."""
    name, _, approximate = kind.partition("-")
    said: dict[str, Any] = {"kind": name, "width": 12, "approximate": approximate or "tanh"}
    part = build_dense(tiny(width=8, biases=biases), Gated(**said) if name.endswith("glu") else Plain(**said)).double()
    assert (part.up.bias is not None) == (part.down.bias is not None) == biases

    def linear(layer: torch.nn.Linear, x: torch.Tensor) -> torch.Tensor:
        return x @ layer.weight.T + (layer.bias if biases else 0)

    h = FORMULAS[kind](linear(part.gate, X)) * linear(part.up, X) if isinstance(part, GatedUnit) else FORMULAS[kind](linear(part.up, X))
    torch.testing.assert_close(part(X), linear(part.down, h), atol=1e-9, rtol=1e-9)
    assert isinstance(part, GatedUnit if name.endswith("glu") else PlainUnit)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_gradient_of_squared_relu_is_torchs_own(dtype: torch.dtype) -> None:
    """Bit for bit, and the function is the same with and without it."""
    f = activation(Plain(kind="relu2"))
    x, grad = torch.randn(2, 1000, generator=torch.Generator().manual_seed(0)).to(dtype)
    x[0], ours, theirs = 0, x.clone().requires_grad_(), x.clone().requires_grad_()
    for out in (y := f(ours), torch.relu(theirs).square()):
        out.backward(grad)
    assert ours.grad is not None and theirs.grad is not None
    assert torch.equal(ours.grad, theirs.grad)
    assert torch.equal(y, f(x)) and torch.equal(y, torch.relu(x).square())


def test_default_widths() -> None:
    base = {"width": 384, "heads": 6, "kv_heads": None}
    assert build_feed_forward(tiny(**base), 0).down.in_features == 1024
    assert build_feed_forward(tiny(**base, feed_forward={"kind": "gelu"}), 0).down.in_features == 1536
    assert build_dense(tiny(**base), Gated(width=100), width=300).down.in_features == 300


@pytest.mark.parametrize("kind", ["gelu", "geglu"])
def test_dropout_inside_is_t5s_alone(kind: str) -> None:
    """T5 drops what stands between the two layers: half of it gone, the rest doubled."""
    part = build_feed_forward(tiny(feed_forward={"kind": kind, "width": 4000}, feed_forward_dropout=0.5), 0)
    with torch.no_grad():
        part.down.weight.fill_(1.0)
        x = torch.randn(1, 1, 32, generator=torch.Generator().manual_seed(0))
        drawn = [part(x) for _ in range(2)]
        assert not torch.equal(*drawn)
        part.eval()
        h = part.f(part.gate(x)) * part.up(x) if kind == "geglu" else part.f(part.up(x))
        torch.testing.assert_close(part(x)[0, 0, 0], h.sum(), atol=1e-2, rtol=1e-3)
        assert abs(drawn[0][0, 0, 0] - h.sum()) < 6 * h.norm()
    assert build_feed_forward(tiny(dropout=0.5), 0).dropout.p == 0.0


def test_experts_stand_where_the_config_says() -> None:
    moe = {"kind": "moe", "experts": 2, "every": 2, "first_dense": 2, "expert": {"width": 10}, "dense": {"kind": "gelu", "width": 20}}
    config = tiny(layers=6, feed_forward=moe)
    kinds = [type(build_feed_forward(config, layer)) for layer in range(6)]
    assert kinds == [PlainUnit, PlainUnit, PlainUnit, Experts, PlainUnit, Experts]
    assert build_feed_forward(tiny(feed_forward={"kind": "none"}), 0) is None
    like_an_expert = build_feed_forward(tiny(feed_forward={**moe, "dense": None}), 0)
    assert isinstance(like_an_expert, GatedUnit)
    assert like_an_expert.down.in_features == 10
