"""What does a token make of what it has gathered? Two layers of its own, the same for every position; experts are in moe.py.

In and out: x_BTD. Legend: B batch, T time, D width, F feed-forward width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from headwater.model.config import ModelConfig
from headwater.model.notes import Notes
from headwater.model.parts import Absent, FeedForwardConfig, Gated, MoE, Plain
from headwater.model.products import in_one_pass, through

Activation = Callable[[torch.Tensor], torch.Tensor]


def build_feed_forward(config: ModelConfig, layer: int, *, encoder: bool = False) -> nn.Module | None:
    """The feed-forward part of one layer; None where it has none."""
    part = config.feed_forward_in(layer)
    if isinstance(part, Absent):
        return None
    if isinstance(part, MoE):
        from headwater.model.moe import Experts

        return Experts(config, part, f"{'encoder ' if encoder and config.kind == 'encoder-decoder' else ''}layer {layer}")
    return build_dense(config, part)


def build_dense(config: ModelConfig, part: Plain | Gated, width: int | None = None) -> nn.Module:
    """One part without experts, `width` features wide inside, its own width if not given."""
    inner, biases = width or part.width_in(config.width), config.biases.feed_forward
    kind = GatedUnit if isinstance(part, Gated) else PlainUnit
    return kind(config.width, inner, biases, activation(part), config.feed_forward_dropout)


def activation(part: FeedForwardConfig) -> Activation:
    """f of a part, by its kind."""
    if part.kind in ("swiglu",):
        return functional.silu
    if part.kind in ("gelu", "geglu"):
        assert isinstance(part, Plain | Gated)
        return tanh_gelu if part.approximate == "tanh" else functional.gelu
    if part.kind == "relu2":
        return _squared_relu
    return torch.sigmoid if part.kind == "glu" else functional.relu


def gated(f: Activation, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """f(gate) · up."""
    if f is functional.silu and gate.dtype == torch.bfloat16 and in_one_pass(gate):
        h: torch.Tensor = _SwiGLU.apply(gate, up)  # type: ignore[no-untyped-call]
        return h
    return f(gate) * up


def tanh_gelu(x: torch.Tensor) -> torch.Tensor:
    """x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x³))) / 2 (Hendrycks and Gimpel 2016)."""
    if x.dtype == torch.bfloat16 and in_one_pass(x):
        y: torch.Tensor = _TanhGELU.apply(x)  # type: ignore[no-untyped-call]
        return y
    return functional.gelu(x, approximate="tanh")


class _TanhGELU(torch.autograd.Function):
    """At the speed of memory; in bf16 torch takes four times as long for it, and three times for its gradient."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        from headwater.model.passes import tanh_gelu

        ctx.save_for_backward(x)
        return tanh_gelu(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
        from headwater.model.passes import tanh_gelu_gradient

        (x,) = ctx.saved_tensors
        return tanh_gelu_gradient(grads[0], x)


class _SwiGLU(torch.autograd.Function):
    """Three tensors are read or written forward, five backward; by torch's operators, five and eleven."""

    @staticmethod
    def forward(ctx: Any, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        from headwater.model.passes import swiglu

        ctx.save_for_backward(gate, up)
        return swiglu(gate, up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        from headwater.model.passes import swiglu_gradients

        return swiglu_gradients(grads[0], *ctx.saved_tensors)


def _squared_relu(x: torch.Tensor) -> torch.Tensor:
    if torch.is_grad_enabled() and x.requires_grad:
        squared: torch.Tensor = _SquaredReLU.apply(x)  # type: ignore[no-untyped-call]
        return squared
    return functional.relu(x).square_()


class _SquaredReLU(torch.autograd.Function):
    """max(x, 0)² with the gradient 2 max(x, 0): two passes over memory, where torch's own rules for the two functions take three."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        positive = functional.relu(x)
        ctx.save_for_backward(positive)
        return positive.square()

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
        (positive,) = ctx.saved_tensors
        grad: torch.Tensor = (positive + positive).mul_(grads[0])
        return grad


class PlainUnit(nn.Module):
    """down(f(up x))."""

    def __init__(self, width: int, inner: int, biases: bool, f: Activation, dropout: float) -> None:
        super().__init__()
        self.up = nn.Linear(width, inner, bias=biases)
        self.down = nn.Linear(inner, width, bias=biases)
        self.f, self.dropout = f, nn.Dropout(dropout)

    def forward(self, x_BTD: torch.Tensor, real_BT: torch.Tensor | None = None, notes: Notes | None = None) -> torch.Tensor:
        (h_BTF,) = through(x_BTD, self.up)
        return through(self.dropout(self.f(h_BTF)), self.down)[0]


class GatedUnit(nn.Module):
    """down(f(gate x) * up x) (Shazeer 2020, equations 5 and 6)."""

    def __init__(self, width: int, inner: int, biases: bool, f: Activation, dropout: float) -> None:
        super().__init__()
        self.gate = nn.Linear(width, inner, bias=biases)
        self.up = nn.Linear(width, inner, bias=biases)
        self.down = nn.Linear(inner, width, bias=biases)
        self.f, self.dropout = f, nn.Dropout(dropout)

    def forward(self, x_BTD: torch.Tensor, real_BT: torch.Tensor | None = None, notes: Notes | None = None) -> torch.Tensor:
        gate_BTF, up_BTF = through(x_BTD, self.gate, self.up)
        return through(self.dropout(gated(self.f, gate_BTF, up_BTF)), self.down)[0]
