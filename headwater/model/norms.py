"""How large may activations grow? A norm brings each token's vector to unit scale before a branch reads it.

In: x_BTD in the residual stream's dtype (fp32 in training). Out: the same shape and dtype. Who hands it to several matrix products
casts it once with `as_operand` (autocast alone would cast, and keep, a copy for each); a branch that begins with a norm asks `parted`,
and adds to the stream what it made by `joined`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from headwater.model.config import ModelConfig
from headwater.model.products import in_one_pass


def build_norm(config: ModelConfig, width: int | None = None) -> nn.Module:
    """A norm over `width` features, the model's if not given."""
    kind, width = config.norm.kind, width or config.width
    if kind == "rms":
        return RMSNorm(width, config.norm.eps)
    if kind == "layer":
        return LayerNorm(width, config.norm.eps, bias=config.biases.norms)
    return BatchNorm(width, config.norm.eps) if kind == "batch" else Identity()


class Identity(nn.Module):
    """No norm."""

    def forward(self, x_BTD: torch.Tensor, real_BT: torch.Tensor | None = None) -> torch.Tensor:
        return x_BTD


class RMSNorm(nn.Module):
    """x / sqrt(mean(x²) + eps) · weight (Zhang and Sennrich 2019)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x_BTD: torch.Tensor, real_BT: torch.Tensor | None = None) -> torch.Tensor:
        if x_BTD.device.type == "cpu" and torch.is_grad_enabled():
            normed_BTD: torch.Tensor = _RMSNorm.apply(x_BTD, self.weight, self.eps)  # type: ignore[no-untyped-call]
        else:
            normed_BTD = functional.rms_norm(x_BTD, self.weight.shape, self.weight, self.eps)
        return normed_BTD


class _RMSNorm(torch.autograd.Function):
    """RMSNorm with its gradient written out: on a CPU torch has no kernel of its own for it and goes through ten passes.

    Forward + backward of 16 x 256 x 384 on one thread: 7.4 ms of processor time, torch's rms_norm 23.1 (2026-11-22). With
    n = x / rms and h = gradient · weight, dx = (h - n · mean(h · n)) / rms and dweight = sum of gradient · n.
    """

    @staticmethod
    def forward(ctx: Any, x_BTD: torch.Tensor, weight_D: torch.Tensor, eps: float) -> torch.Tensor:
        square_BT1 = torch.linalg.vector_norm(x_BTD, dim=-1, keepdim=True).square_()
        scale_BT1 = square_BT1.div_(x_BTD.shape[-1]).add_(eps).rsqrt_()
        ctx.save_for_backward(x_BTD, weight_D, scale_BT1)
        normed_BTD: torch.Tensor = (x_BTD * scale_BT1).mul_(weight_D)
        return normed_BTD

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x_BTD, weight_D, scale_BT1 = ctx.saved_tensors
        (grad_BTD,) = grads
        n_BTD = x_BTD * scale_BT1
        share_BTD = grad_BTD * n_BTD
        mean_BT1 = (share_BTD @ weight_D).unsqueeze(-1).div_(x_BTD.shape[-1])
        grad_x_BTD = (grad_BTD * weight_D).addcmul_(n_BTD, mean_BT1, value=-1).mul_(scale_BT1)
        return grad_x_BTD, share_BTD.flatten(0, -2).sum(dim=0), None


class LayerNorm(nn.Module):
    """(x - mean x) / sqrt(var x + eps) · weight + bias (Ba et al. 2016)."""

    def __init__(self, width: int, eps: float, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None
        self.eps = eps

    def forward(self, x_BTD: torch.Tensor, real_BT: torch.Tensor | None = None) -> torch.Tensor:
        return functional.layer_norm(x_BTD, self.weight.shape, self.weight, self.bias, self.eps)


class BatchNorm(nn.Module):
    """Each feature brought to unit scale over all real tokens of the batch (Ioffe and Szegedy 2015); padding counts nowhere.

    In evaluation the running mean and variance stand in, as everywhere.
    """

    def __init__(self, width: int, eps: float, momentum: float = 0.1) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))
        self.mean: torch.Tensor
        self.variance: torch.Tensor
        self.eps, self.momentum = eps, momentum

    def forward(self, x_BTD: torch.Tensor, real_BT: torch.Tensor | None = None) -> torch.Tensor:
        if not self.training:
            return self._normed(x_BTD, self.mean, self.variance)
        x_ND = (x_BTD.flatten(0, -2) if real_BT is None else x_BTD[real_BT]).float()
        mean_D, variance_D = x_ND.mean(dim=0), x_ND.var(dim=0, correction=0)
        with torch.no_grad():
            self.mean.lerp_(mean_D, self.momentum)
            self.variance.lerp_(variance_D * (len(x_ND) / max(len(x_ND) - 1, 1)), self.momentum)
        return self._normed(x_BTD, mean_D, variance_D)

    def _normed(self, x_BTD: torch.Tensor, mean_D: torch.Tensor, variance_D: torch.Tensor) -> torch.Tensor:
        return (x_BTD - mean_D) * (variance_D + self.eps).rsqrt() * self.weight + self.bias


def as_operand(x: torch.Tensor) -> torch.Tensor:
    """`x` as autocast would give it to a matrix product; unchanged outside autocast."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x


def parted(norm: nn.Module, x_BTD: torch.Tensor, real_BT: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """The stream as a branch's products read it, normed; and the stream to which the branch will be added.

    They are told apart so that, where memory is what a norm takes, the gradients of both meet in the norm's own pass.
    """
    if isinstance(norm, RMSNorm | LayerNorm) and x_BTD.dtype == norm.weight.dtype == torch.float32 and in_one_pass(x_BTD):
        bias_D = norm.bias if isinstance(norm, LayerNorm) else None
        n_BTD, stream_BTD = _Parted.apply(x_BTD, norm.weight, bias_D, norm.eps, isinstance(norm, LayerNorm))  # type: ignore[no-untyped-call]
        return n_BTD, stream_BTD
    return as_operand(norm(x_BTD, real_BT)), x_BTD


def joined(stream_BTD: torch.Tensor, branch_BTD: torch.Tensor) -> torch.Tensor:
    """The stream with a branch added, in the stream's dtype."""
    if stream_BTD.dtype == torch.float32 and branch_BTD.dtype == torch.bfloat16 and in_one_pass(stream_BTD):
        sum_BTD: torch.Tensor = _Joined.apply(stream_BTD, branch_BTD)  # type: ignore[no-untyped-call]
        return sum_BTD
    return stream_BTD + branch_BTD.to(stream_BTD.dtype)  # a sum of two dtypes takes torch longer than a cast and a sum


class _Parted(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x_BTD: torch.Tensor, weight_D: torch.Tensor, bias_D: torch.Tensor | None, eps: float, centred: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        from headwater.model.passes import normed

        n_BTD, mean_N, scale_N = normed(x_BTD, weight_D, bias_D, eps, centred)
        ctx.save_for_backward(x_BTD, weight_D, mean_N, scale_N)
        ctx.centred, ctx.biased = centred, bias_D is not None
        return n_BTD, x_BTD

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        from headwater.model.passes import norm_gradients

        of_n, of_stream = grads
        x_BTD, weight_D, mean_N, scale_N = ctx.saved_tensors
        of_x, of_weight_D, of_bias_D = norm_gradients(of_n, of_stream, x_BTD, weight_D, mean_N, scale_N, ctx.centred)
        return of_x, of_weight_D, of_bias_D if ctx.biased else None, None, None


class _Joined(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, stream_BTD: torch.Tensor, branch_BTD: torch.Tensor) -> torch.Tensor:
        from headwater.model.passes import added

        return added(stream_BTD, branch_BTD)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return grads[0], grads[0].bfloat16()
