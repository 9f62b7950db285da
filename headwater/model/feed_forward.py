"""What does a token make of what it has gathered? Two layers of its own, the same for every position.

In and out: x_BTD. Legend: B batch, T time, D width, F feed-forward width.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from headwater.model.config import ModelConfig


def build_feed_forward(config: ModelConfig) -> nn.Module:
    width, inner, biases = config.width, config.feed_forward_width, config.biases
    if config.feed_forward.kind == "swiglu":
        return SwiGLU(width, inner, biases)
    return GELU(width, inner, biases, config.feed_forward.approximate)


class SwiGLU(nn.Module):
    """down(silu(gate x) * up x) (Shazeer 2020, equation 6)."""

    def __init__(self, width: int, inner: int, biases: bool) -> None:
        super().__init__()
        self.gate = nn.Linear(width, inner, bias=biases)
        self.up = nn.Linear(width, inner, bias=biases)
        self.down = nn.Linear(inner, width, bias=biases)

    def forward(self, x_BTD: torch.Tensor) -> torch.Tensor:
        h_BTF = functional.silu(self.gate(x_BTD)) * self.up(x_BTD)
        y_BTD: torch.Tensor = self.down(h_BTF)
        return y_BTD


class GELU(nn.Module):
    """down(gelu(up x)) (Hendrycks and Gimpel 2016), exact or in the tanh form of GPT-2."""

    def __init__(self, width: int, inner: int, biases: bool, approximate: str) -> None:
        super().__init__()
        self.up = nn.Linear(width, inner, bias=biases)
        self.down = nn.Linear(inner, width, bias=biases)
        self.approximate = approximate

    def forward(self, x_BTD: torch.Tensor) -> torch.Tensor:
        h_BTF = functional.gelu(self.up(x_BTD), approximate=self.approximate)
        y_BTD: torch.Tensor = self.down(h_BTF)
        return y_BTD
