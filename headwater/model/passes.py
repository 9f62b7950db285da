"""What does training in bf16 on a CPU do to each number between its products? Kernels that read memory once and write it once.

In and out: tensors of rows in bf16, in fp32 where the residual stream is meant. torch's own operators go over memory once for each part
of a formula, take one dtype at a time, and compute tanh for far longer than memory takes. Here a pass is a loop in Numba that reads bf16
as what it is, the upper half of an fp32. LLVM makes wide instructions of it as long as nothing in it may raise: division follows IEEE
(`error_model`; Python's division, which looks for zeros, makes the same loop twelve times slower), e^x is a polynomial. Milliseconds in
place of torch's on two threads of a Xeon with AMX, alone (2026-11-22); within a step torch's take a quarter longer:

    4,096 x 1,536   GELU's tanh form                                                1.6 : 6.2    its gradient    2.0 : 6.5
    4,096 x 384     a layer norm, cast to bf16                                     0.37 : 0.47   its gradient, cast from bf16, and the sum
                                                                                                 with the stream's 0.59 : 1.09

and, of a step of 445 to 520 ms (six layers of width 384): SwiGLU with its gradient 28 : 53, rotary positions with theirs 16 : 40.
For exact GELU, softmax and transposition torch's operators are as fast, and stay (docs/history.md).

NaN and infinity go through as IEEE has them, so that the guard sees them. Sums over rows are made in fixed shares, whatever the number
of threads, and so come out the same.

Legend: N rows, D width, F features, B batch, T time, H heads, K head width, R turned features, C shares.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from headwater.core.compiled import njit
from headwater.core.lanes import LIKE_IEEE, LOG2_E, SUMS, exp2, half, wide
from headwater.core.team import Kernel, argument, begin, floats, halves, run, take, word_of

SHARES = 32  # of rows, each summed by one thread

_F = np.float32
_TANH, _CUBE = _F(1.5957691216057308), _F(0.044715)  # 2 sqrt(2 / pi)


def tanh_gelu(x: torch.Tensor) -> torch.Tensor:
    """x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x³))) / 2 of bf16 (Hendrycks and Gimpel 2016)."""
    x = x.contiguous()
    out = torch.empty_like(x)
    run(_tanh_gelu_job, SHARES, x.numel(), x, out)
    return out


def tanh_gelu_gradient(grad: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """`grad` times the derivative of `tanh_gelu` at x."""
    grad, x = grad.contiguous(), x.contiguous()
    out = torch.empty_like(x)
    run(_tanh_gelu_gradient_job, SHARES, x.numel(), grad, x, out)
    return out


def swiglu(gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    """gate / (1 + e^-gate) · up of bf16 (Shazeer 2020, equation 6)."""
    gate_NF, up_NF = _lines(gate), _lines(up)
    out = gate.new_empty(gate.shape)
    run(_swiglu_job, SHARES, *_lying(gate_NF), *_lying(up_NF), out)
    return out


def swiglu_gradients(grad: torch.Tensor, gate: torch.Tensor, up: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of gate and up."""
    gate_NF, up_NF = _lines(gate), _lines(up)
    of_gate, of_up = gate.new_empty(gate.shape), gate.new_empty(gate.shape)
    run(_swiglu_gradients_job, SHARES, *_lying(gate_NF), *_lying(up_NF), grad.contiguous(), of_gate, of_up)
    return of_gate, of_up


def rotated(x_BTHK: torch.Tensor, cos_BTR: torch.Tensor, sin_BTR: torch.Tensor, sign: float) -> torch.Tensor:
    """bf16 features turned, the first half of R with the second (Su et al. 2021, equation 34): x cos + (x with its halves exchanged) sin,
    where `sin_BTR` has its sign in it; with `sign` -1 turned back. Tables are fp32, one for all rows or one for each."""
    x_NF, R = _lines(x_BTHK.flatten(2)), cos_BTR.shape[-1]
    out = x_BTHK.new_empty(x_BTHK.shape)
    K, places = x_BTHK.shape[-1], cos_BTR.numel() // R
    run(_rotated_job, SHARES, *_lying(x_NF), K, R, places, word_of(sign), cos_BTR.contiguous(), sin_BTR.contiguous(), out)
    return out


def normed(x: torch.Tensor, weight_D: torch.Tensor, bias_D: torch.Tensor | None, eps: float, centred: bool) -> tuple[torch.Tensor, ...]:
    """(x - mean) scale · weight + bias of fp32 rows as bf16, with what the gradient needs: `mean_N` (0 unless centred) and `scale_N`."""
    x = x.contiguous()
    out, (mean_N, scale_N) = torch.empty_like(x, dtype=torch.bfloat16), x.new_empty(2, x.numel() // x.shape[-1])
    told = (len(mean_N), x.shape[-1], int(centred), int(bias_D is not None), word_of(eps))
    run(_norm_job, SHARES, *told, x, weight_D, weight_D if bias_D is None else bias_D, out, mean_N, scale_N)
    return out, mean_N, scale_N


def norm_gradients(
    grad: torch.Tensor,
    stream: torch.Tensor,
    x: torch.Tensor,
    weight_D: torch.Tensor,
    mean_N: torch.Tensor,
    scale_N: torch.Tensor,
    centred: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of x, weight and bias. `grad` is that of what `normed` gave (bf16), `stream` that of x by whatever else reads it (fp32)."""
    grad, stream, x = grad.contiguous(), stream.contiguous(), x.contiguous()
    out, parts_C2D = torch.empty_like(x), x.new_zeros(SHARES, 2, x.shape[-1])
    run(_norm_gradient_job, SHARES, len(mean_N), x.shape[-1], int(centred), grad, stream, x, weight_D, mean_N, scale_N, out, parts_C2D)
    weight, bias = parts_C2D.sum(dim=0)
    return out, weight, bias


def added(stream: torch.Tensor, branch: torch.Tensor) -> torch.Tensor:
    """The sum, in fp32, of what is fp32 and what is bf16."""
    stream, branch = stream.contiguous(), branch.contiguous()
    out = torch.empty_like(stream)
    run(_added_job, SHARES, stream.numel(), stream, branch, out)
    return out


def _lines(x: torch.Tensor) -> torch.Tensor:
    """`x_NF` whose lines lie in one piece each, not one after the other perhaps: what a product of several layers was split into."""
    x_NF = x.flatten(0, -2)
    return x_NF if x_NF.stride(1) == 1 else x_NF.contiguous()


def _lying(x_NF: torch.Tensor) -> tuple[int, int, int, int]:
    """Where it begins, its lines, their length, from one line to the next."""
    return x_NF.data_ptr(), len(x_NF), x_NF.shape[1], x_NF.stride(0)


@njit(**LIKE_IEEE)
def _tanh_share(x: np.float32) -> np.float32:
    """(1 + tanh u) / 2 = 1 / (1 + e^-2u) with u = sqrt(2 / pi) (x + 0.044715 x³)."""
    return _F(1.0) / (_F(1.0) + exp2(-LOG2_E * _TANH * (x + _CUBE * x * x * x)))


@njit(**LIKE_IEEE)
def _tanh_gelu(x_N: np.ndarray, out_N: np.ndarray) -> None:
    for at in range(len(x_N)):
        x = wide(x_N[at])
        out_N[at] = half(x * _tanh_share(x))


@njit(**LIKE_IEEE)
def _tanh_gelu_gradient(grad_N: np.ndarray, x_N: np.ndarray, out_N: np.ndarray) -> None:
    for at in range(len(x_N)):
        x = wide(x_N[at])
        share = _tanh_share(x)
        slope = share + x * share * (_F(1.0) - share) * _TANH * (_F(1.0) + _F(3.0) * _CUBE * x * x)
        out_N[at] = half(wide(grad_N[at]) * slope)


@Kernel
def _tanh_gelu_job(job: Any) -> None:
    count = argument(job, 0)
    share = take(job)
    while share >= 0:
        first, last = begin(job, share, count), begin(job, share + 1, count)
        _tanh_gelu(halves(job, 1, first, last), halves(job, 2, first, last))
        share = take(job)


@Kernel
def _tanh_gelu_gradient_job(job: Any) -> None:
    count = argument(job, 0)
    share = take(job)
    while share >= 0:
        first, last = begin(job, share, count), begin(job, share + 1, count)
        _tanh_gelu_gradient(halves(job, 1, first, last), halves(job, 2, first, last), halves(job, 3, first, last))
        share = take(job)


@njit(**SUMS)
def _norm(x_D: np.ndarray, weight_D: np.ndarray, bias_D: np.ndarray, biased: bool, centred: bool, eps: np.float32, out_D: np.ndarray) -> (
    tuple[np.float32, np.float32]
):  # fmt: skip
    """Mean and scale of a row, which is written."""
    mean = _F(0.0)
    if centred:
        for at in range(len(x_D)):
            mean += x_D[at]
        mean /= _F(len(x_D))
    square = _F(0.0)
    for at in range(len(x_D)):
        square += (x_D[at] - mean) * (x_D[at] - mean)
    scale = _F(1.0) / np.sqrt(square / _F(len(x_D)) + eps)
    if biased:
        for at in range(len(x_D)):
            out_D[at] = half((x_D[at] - mean) * scale * weight_D[at] + bias_D[at])
    else:
        for at in range(len(x_D)):
            out_D[at] = half((x_D[at] - mean) * scale * weight_D[at])
    return mean, scale


@njit(**SUMS)
def _norm_gradient(grad_D: np.ndarray, stream_D: np.ndarray, x_D: np.ndarray, weight_D: np.ndarray, mean: np.float32, scale: np.float32,
                   centred: bool, out_D: np.ndarray, of_weight_D: np.ndarray, of_bias_D: np.ndarray) -> None:  # fmt: skip
    """With n = (x - mean) scale and h = gradient · weight: scale (h - mean h - n mean(h n)) is added to the stream's."""
    plain, along = _F(0.0), _F(0.0)
    for at in range(len(x_D)):
        grad = wide(grad_D[at])
        n = (x_D[at] - mean) * scale
        of_weight_D[at] += grad * n
        of_bias_D[at] += grad
        h = grad * weight_D[at]
        plain += h
        along += h * n
    plain = plain / _F(len(x_D)) if centred else _F(0.0)
    along /= _F(len(x_D))
    for at in range(len(x_D)):
        n = (x_D[at] - mean) * scale
        out_D[at] = stream_D[at] + scale * (wide(grad_D[at]) * weight_D[at] - plain - n * along)


@njit(**LIKE_IEEE)
def _added(stream_N: np.ndarray, branch_N: np.ndarray, out_N: np.ndarray) -> None:
    for at in range(len(out_N)):
        out_N[at] = stream_N[at] + wide(branch_N[at])


@Kernel
def _added_job(job: Any) -> None:
    count = argument(job, 0)
    share = take(job)
    while share >= 0:
        first, last = begin(job, share, count), begin(job, share + 1, count)
        _added(floats(job, 1, first, last), halves(job, 2, first, last), floats(job, 3, first, last))
        share = take(job)


@Kernel
def _norm_job(job: Any) -> None:
    count, width, centred, biased = argument(job, 0), argument(job, 1), argument(job, 2) != 0, argument(job, 3) != 0
    eps = np.int32(argument(job, 4)).view(np.float32)
    weight_D, bias_D = floats(job, 6, 0, width), floats(job, 7, 0, width)
    mean_N, scale_N = floats(job, 9, 0, count), floats(job, 10, 0, count)
    share = take(job)
    while share >= 0:
        for row in range(begin(job, share, count), begin(job, share + 1, count)):
            first, last = row * width, (row + 1) * width
            x_D, out_D = floats(job, 5, first, last), halves(job, 8, first, last)
            mean_N[row], scale_N[row] = _norm(x_D, weight_D, bias_D, biased, centred, eps, out_D)
        share = take(job)


@Kernel
def _norm_gradient_job(job: Any) -> None:
    count, width, centred = argument(job, 0), argument(job, 1), argument(job, 2) != 0
    weight_D, mean_N, scale_N = floats(job, 6, 0, width), floats(job, 7, 0, count), floats(job, 8, 0, count)
    share = take(job)
    while share >= 0:
        at = 2 * share * width
        of_weight_D, of_bias_D = floats(job, 10, at, at + width), floats(job, 10, at + width, at + 2 * width)
        for row in range(begin(job, share, count), begin(job, share + 1, count)):
            first, last = row * width, (row + 1) * width
            grad_D, stream_D, x_D = halves(job, 3, first, last), floats(job, 4, first, last), floats(job, 5, first, last)
            out_D = floats(job, 9, first, last)
            _norm_gradient(grad_D, stream_D, x_D, weight_D, mean_N[row], scale_N[row], centred, out_D, of_weight_D, of_bias_D)
        share = take(job)


@njit(**LIKE_IEEE)
def _sigmoid(x: np.float32) -> np.float32:
    return _F(1.0) / (_F(1.0) + exp2(-LOG2_E * x))


@njit(**LIKE_IEEE)
def _swiglu(gate_F: np.ndarray, up_F: np.ndarray, out_F: np.ndarray) -> None:
    for at in range(len(out_F)):
        gate = wide(gate_F[at])
        out_F[at] = half(gate * _sigmoid(gate) * wide(up_F[at]))


@njit(**LIKE_IEEE)
def _swiglu_gradients(grad_F: np.ndarray, gate_F: np.ndarray, up_F: np.ndarray, of_gate_F: np.ndarray, of_up_F: np.ndarray) -> None:
    for at in range(len(grad_F)):
        grad, gate = wide(grad_F[at]), wide(gate_F[at])
        share = _sigmoid(gate)
        of_up_F[at] = half(grad * gate * share)
        of_gate_F[at] = half(grad * wide(up_F[at]) * share * (_F(1.0) + gate * (_F(1.0) - share)))


@njit(**LIKE_IEEE)
def _rotated(x_K: np.ndarray, cos_R: np.ndarray, sin_R: np.ndarray, sign: np.float32, out_K: np.ndarray) -> None:
    middle = len(cos_R) // 2
    for at in range(middle):
        a, b = wide(x_K[at]), wide(x_K[middle + at])
        out_K[at] = half(a * cos_R[at] + b * (sign * sin_R[at]))
        out_K[middle + at] = half(b * cos_R[middle + at] + a * (sign * sin_R[middle + at]))
    for at in range(2 * middle, len(x_K)):
        out_K[at] = x_K[at]


@Kernel
def _swiglu_job(job: Any) -> None:
    N, F, gate_line, up_line = argument(job, 1), argument(job, 2), argument(job, 3), argument(job, 7)
    share = take(job)
    while share >= 0:
        for line in range(begin(job, share, N), begin(job, share + 1, N)):
            gate_F, up_F = halves(job, 0, line * gate_line, line * gate_line + F), halves(job, 4, line * up_line, line * up_line + F)
            _swiglu(gate_F, up_F, halves(job, 8, line * F, (line + 1) * F))
        share = take(job)


@Kernel
def _swiglu_gradients_job(job: Any) -> None:
    N, F, gate_line, up_line = argument(job, 1), argument(job, 2), argument(job, 3), argument(job, 7)
    share = take(job)
    while share >= 0:
        for line in range(begin(job, share, N), begin(job, share + 1, N)):
            gate_F, up_F = halves(job, 0, line * gate_line, line * gate_line + F), halves(job, 4, line * up_line, line * up_line + F)
            first, last = line * F, (line + 1) * F
            _swiglu_gradients(halves(job, 8, first, last), gate_F, up_F, halves(job, 9, first, last), halves(job, 10, first, last))
        share = take(job)


@Kernel
def _rotated_job(job: Any) -> None:
    N, F, x_line = argument(job, 1), argument(job, 2), argument(job, 3)
    K, R, places, sign = argument(job, 4), argument(job, 5), argument(job, 6), np.int32(argument(job, 7)).view(np.float32)
    share = take(job)
    while share >= 0:
        for line in range(begin(job, share, N), begin(job, share + 1, N)):
            at = line % places * R
            cos_R, sin_R = floats(job, 8, at, at + R), floats(job, 9, at, at + R)
            for head in range(0, F, K):
                x_K = halves(job, 0, line * x_line + head, line * x_line + head + K)
                _rotated(x_K, cos_R, sin_R, sign, halves(job, 10, line * F + head, line * F + head + K))
        share = take(job)


NORM, NORM_GRADIENT, ADDED, ROTATED = _norm_job, _norm_gradient_job, _added_job, _rotated_job
SWIGLU, SWIGLU_GRADIENTS, TANH_GELU, TANH_GELU_GRADIENT = _swiglu_job, _swiglu_gradients_job, _tanh_gelu_job, _tanh_gelu_gradient_job
