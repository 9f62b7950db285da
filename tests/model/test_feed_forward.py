from __future__ import annotations

import math

import pytest
import torch

from headwater.model.feed_forward import GELU, SwiGLU, build_feed_forward
from tests.model.conftest import tiny

X = torch.randn(4, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_swiglu_is_its_formula() -> None:
    part = SwiGLU(8, 12, biases=True).double()
    gate, up = (layer.weight @ X.T + layer.bias[:, None] for layer in (part.gate, part.up))
    expected = part.down.weight @ (gate / (1 + torch.exp(-gate)) * up) + part.down.bias[:, None]
    torch.testing.assert_close(part(X), expected.T)


@pytest.mark.parametrize("approximate", ["tanh", "none"])
def test_gelu_is_its_formula(approximate: str) -> None:
    part = GELU(8, 12, biases=False, approximate=approximate).double()
    h = part.up.weight @ X.T
    if approximate == "tanh":
        h = 0.5 * h * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))
    else:
        h = h * 0.5 * (1 + torch.erf(h / math.sqrt(2)))
    torch.testing.assert_close(part(X), (part.down.weight @ h).T)


def test_default_widths() -> None:
    assert build_feed_forward(tiny(width=384, heads=6)).down.in_features == 1024
    assert build_feed_forward(tiny(width=384, heads=6, feed_forward={"kind": "gelu"})).down.in_features == 1536
