"""How large may activations grow? A norm brings each token's vector to unit scale before a branch reads it.

In: x_BTD in the residual stream's dtype (fp32 in training). Out: the same shape, in the dtype that matrix products will run in,
so that the three or two products that read it share one cast (autocast alone would cast, and keep, a copy for each).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from headwater.model.config import ModelConfig


def build_norm(config: ModelConfig) -> nn.Module:
    if config.norm.kind == "rms":
        return RMSNorm(config.width, config.norm.eps)
    return LayerNorm(config.width, config.norm.eps, bias=config.biases)


class RMSNorm(nn.Module):
    """x / sqrt(mean(x²) + eps) · weight (Zhang and Sennrich 2019)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x_BTD: torch.Tensor) -> torch.Tensor:
        return as_operand(functional.rms_norm(x_BTD, self.weight.shape, self.weight, self.eps))


class LayerNorm(nn.Module):
    """(x - mean x) / sqrt(var x + eps) · weight + bias (Ba et al. 2016)."""

    def __init__(self, width: int, eps: float, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None
        self.eps = eps

    def forward(self, x_BTD: torch.Tensor) -> torch.Tensor:
        return as_operand(functional.layer_norm(x_BTD, self.weight.shape, self.weight, self.bias, self.eps))


def as_operand(x: torch.Tensor) -> torch.Tensor:
    """`x` as autocast would give it to a matrix product; unchanged outside autocast."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x
