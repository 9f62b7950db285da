"""How is a matrix product learned fastest? x Wᵀ + b, with the weights' gradient taken the way that this processor likes.

In: x_BTI in the dtype of the product, weight_OI and bias_O in theirs (fp32). Out: y_BTO in the product's dtype; gradients of weights fp32.

Outside of bf16 autocast on a CPU, and without gradients, it is torch's linear. Within, three things are done for speed:

- oneDNN's bf16 products take about twice as long with a transposed left side, which gᵀ x has, so g is laid out anew where it is the
  narrower. Milliseconds of processor time on one thread of a Xeon with AMX, 4,096 positions (2026-11-22; copies included,
  `ideal` is the same arithmetic on rows as they lie, forward):

      I     O      gᵀ x    (copy of gᵀ) x    ((copy of xᵀ) g)ᵀ    ideal
      384   384     1.95    2.97              2.86                 0.85
      384   1536    8.34   19.79              7.86                 2.8
      1536  384    11.15    7.97             21.50                 4.6
      384   4096   30.28   49.30             19.96                12.6

- Layers of one input (query, key and value; gate and up) are one product forward, and add the gradients for it inside their products.
- Weights are cast once a pass, and their gradients once, by autograd's function itself; a bias's gradient is a sum of bf16 in fp32 that
  torch makes six times faster when it may give bf16 (0.07 against 0.39 ms for 4,096 x 384).

Legend: B batch, T time, I features in, O features out, N positions.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

# oneDNN compiles a product anew for each number of rows: milliseconds where the product itself takes a tenth of one.
EVEN = 64


def linear(x_BTI: torch.Tensor, weight_OI: torch.Tensor, bias_O: torch.Tensor | None = None) -> torch.Tensor:
    return products(x_BTI, (weight_OI, bias_O))[0]


def products(x_BTI: torch.Tensor, *layers: tuple[torch.Tensor, torch.Tensor | None]) -> tuple[torch.Tensor, ...]:
    """x Wᵀ + b of each `weight_OI, bias_O`; all biases may be None. The gradient of their common input is added up inside the products."""
    if learns_in_bf16(x_BTI):
        outs: tuple[torch.Tensor, ...] = _Products.apply(x_BTI, *(part for layer in layers for part in layer))  # type: ignore[no-untyped-call]
        return outs
    return tuple(functional.linear(x_BTI, weight_OI, bias_O) for weight_OI, bias_O in layers)


def through(x_BTI: torch.Tensor, *layers: nn.Module) -> tuple[torch.Tensor, ...]:
    """`layer(x)` of each, as `products` where they are plain linear layers."""
    plain = [layer for layer in layers if isinstance(layer, nn.Linear) and _is_plain(layer)]
    if learns_in_bf16(x_BTI) and len(plain) == len(layers) and len({layer.bias is None for layer in plain}) == 1:
        return products(x_BTI, *((layer.weight, layer.bias) for layer in plain))
    return tuple(layer(x_BTI) for layer in layers)


def evened(x_NI: torch.Tensor) -> torch.Tensor:
    """Rows whose number is drawn by the data, with zeros below them, so that bf16 products on a CPU meet few different numbers.

    Of rows x 256 into 352 features, forward, gradient of x and of W: 0.08, 0.07 and 0.13 ms for 512 rows; 1.0, 1.1 and 3.5 ms for each
    number of rows that was not there before (2026-11-22).
    """
    device = x_NI.device.type
    in_bf16 = x_NI.dtype == torch.bfloat16 or (torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) == torch.bfloat16)
    return functional.pad(x_NI, (0, 0, 0, -len(x_NI) % EVEN)) if device == "cpu" and in_bf16 else x_NI


def _is_plain(layer: nn.Module) -> bool:
    """Whether calling it would do nothing but its product."""
    return type(layer) is nn.Linear and not (layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks)


def learns_in_bf16(x: torch.Tensor) -> bool:
    """Whether products with `x` are bf16 ones on a CPU whose gradients will be asked for."""
    return x.dtype == torch.bfloat16 and _learns_in_bf16(x.device)


def in_one_pass(x: torch.Tensor) -> bool:
    """Whether model/passes.py does what lies between such products. (A compiler has passes of its own.)"""
    return _learns_in_bf16(x.device) and not torch.compiler.is_compiling() and _has_team()


def _learns_in_bf16(device: torch.device) -> bool:
    return (
        device.type == "cpu"
        and torch.is_grad_enabled()
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
    )


@functools.cache
def _has_team() -> bool:
    from headwater.core.team import gathered  # imports Numba, which only training in bf16 asks for

    return gathered() is not None


class _Products(torch.autograd.Function):
    """Of one input and several `weight_OI, bias_O`, one after the other; all biases may be None. Forward they are one product."""

    @staticmethod
    def forward(ctx: Any, x_BTI: torch.Tensor, *parts: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        weights = [part for part in parts[::2] if part is not None]
        biases = [bias_O for bias_O in parts[1::2] if bias_O is not None]
        widths = [len(weight_OI) for weight_OI in weights]
        ctx.dtypes = [weight_OI.dtype for weight_OI in weights]
        cast_OI = _together(weights, x_BTI.dtype)
        ctx.save_for_backward(x_BTI, *torch.split(cast_OI, widths))
        y_BTO = _product(x_BTI, cast_OI, _together(biases, x_BTI.dtype) if biases else None)
        return torch.split(y_BTO, widths, dim=-1) if len(widths) > 1 else (y_BTO,)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x_BTI, *casts = ctx.saved_tensors
        x_NI = x_BTI.flatten(0, -2)
        sum_NI: torch.Tensor | None = None
        found: list[torch.Tensor | None] = []
        for place, (grad_BTO, cast_OI) in enumerate(zip(grads, casts, strict=True)):
            grad_NO, dtype = grad_BTO.flatten(0, -2), ctx.dtypes[place]
            if ctx.needs_input_grad[0]:
                sum_NI = grad_NO @ cast_OI if sum_NI is None else sum_NI.addmm_(grad_NO, cast_OI)
            found.append(_of_weight(grad_NO, x_NI).to(dtype) if ctx.needs_input_grad[1 + 2 * place] else None)
            found.append(grad_NO.sum(dim=0).to(dtype) if ctx.needs_input_grad[2 + 2 * place] else None)
        return None if sum_NI is None else sum_NI.view(x_BTI.shape), *found


def _together(parts: Sequence[torch.Tensor], dtype: torch.dtype) -> torch.Tensor:
    """Below each other, in another dtype."""
    if len(parts) == 1:
        return parts[0].to(dtype)
    out = parts[0].new_empty(sum(map(len, parts)), *parts[0].shape[1:], dtype=dtype)
    for part, place in zip(parts, torch.split(out, [len(part) for part in parts]), strict=True):
        place.copy_(part)
    return out


def _product(x_BTI: torch.Tensor, weight_OI: torch.Tensor, bias_O: torch.Tensor | None) -> torch.Tensor:
    """x Wᵀ + b as a tensor of its own: with a bias, torch's linear gives a view of one, which the loss may not change in place.

    oneDNN adds a bias within the product, which torch asks of it by this operator alone; `addmm` first writes the bias everywhere
    (4,096 x 384 to 1,536 within a step: 2.0 ms against 3.3, 2026-11-22).
    """
    if bias_O is None:
        return functional.linear(x_BTI, weight_OI)
    if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        fused_BTO = torch.ops.mkldnn._linear_pointwise(x_BTI, weight_OI, bias_O, "none", [], "")
        return x_BTI.new_empty(0).set_(fused_BTO)  # the same memory
    out_BTO = x_BTI.new_empty(*x_BTI.shape[:-1], len(weight_OI))
    torch.addmm(bias_O, x_BTI.flatten(0, -2), weight_OI.T, out=out_BTO.view(-1, len(weight_OI)))
    return out_BTO


def _of_weight(grad_NO: torch.Tensor, x_NI: torch.Tensor) -> torch.Tensor:
    """gᵀ x, by the faster of the first two ways above. (The third leaves a gradient laid out unlike its weight, and a sum of two such
    gradients of a tied embedding of 8,192 x 384 took 11 ms, not 0.7.)"""
    if grad_NO.shape[1] < x_NI.shape[1]:
        return grad_NO.T.contiguous() @ x_NI
    return grad_NO.T @ x_NI
