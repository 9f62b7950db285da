"""What does attention cost in bf16 on a CPU when its scores stay in a core's cache? Forward and backward, head by head, in tiles.

In: q_BHTK, k_BJSK, v_BJSK in bf16, and a mask that is causal, or booleans, or none. Out: what they mix, and gradients. Sums are fp32, and
weights and their gradients are rounded to bf16 once, where they are multiplied: a gradient is 0.25 % away from the exact one (0.43 % where
scores are rounded too).

Forward: a tile is `ROWS` queries with all keys that one of them may see. Scores are q kᵀ, weights e^(scale scores - largest), which times v
is what they mix; the sum of weights divides it at the end, and its logarithm is kept for each query.
Backward (Dao 2023, algorithm 2): a tile is `ROWS` keys with `COLUMNS` queries, everything transposed, so that what belongs to a query lies
along a line and no tile has to be turned. pᵀ = e^(scale k qᵀ - kept) and dsᵀ = pᵀ (v gᵀ - sum of g · mixed); then dv += pᵀ g,
dk += dsᵀ q and dqᵀ += kᵀ dsᵀ. What a causal mask forbids is left out, tile by tile.

One head of keys with its heads of queries is one thread's from begin to end: the same bits with any number of threads. It keeps 0.7 MB
forward and 1.5 backward for 1,024 tokens (K = 64), four times as much for 4,096: from there on rows leave the cache. What flags forbid is
computed all the same. Medians in ms, two threads of a Xeon with AMX, causal, H=6, K=64, interleaved (2026-11-22); `before` is SDPA forward
and `_gradients` of model/kernels.py backward, from 1,024 tokens on SDPA:

    B    T       forward : before     backward : before
    16   128       1.6 : 1.6            3.1 : 5.3
    16   256       3.9 : 4.2            7.6 : 14.1
    8    512       6.3 : 6.3           13.5 : 21.5
    4    1,024     9.4 : 9.2           21.5 : 43.8
    1    4,096    30.3 : 23.8          64.7 : 119.9

and 74 : 104 of a step of 405 : 442 (six layers of width 384, 16 x 256), where caches are cold and AMX has lowered the clock.

Legend: B batch, T queries, S keys, H heads, J heads of keys, G = H/J, K head width.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from headwater.core import brgemm
from headwater.core.brgemm import in_pairs, product, release, turned, turned_in_pairs
from headwater.core.compiled import njit
from headwater.core.lanes import LIKE_IEEE, LOG2_E, SUMS, exp2_at_most, half_of_sum, wide
from headwater.core.team import Kernel, argument, fetch, flags_at, floats_at, halves_at, join, run, scratch, take, word_of

ROWS, COLUMNS = 64, 256
SHARES = 4  # heads of keys in all; with fewer, cores would have nothing to do

# What stands where in a job: the micro-kernel, sizes, mask, scale, scratch memory, then tensors with their strides in bytes, then outputs.
_MULTIPLY, _RELEASE, _J, _G, _T, _S, _K, _CAUSAL, _MASKED, _ALLOWED, _ALLOWED_ROW, _SCALE, _SCRATCH, _ROOM, _Q = range(15)
_KEYS, _VALUES, _GRAD, _MIXED = _Q + 4, _Q + 8, _Q + 12, _Q + 16
_TO_MIXED, _TO_KEPT = _Q + 12, _Q + 13  # forward
_KEPT, _TO_Q, _TO_K, _TO_V = _Q + 20, _Q + 21, _Q + 22, _Q + 23  # backward
_F = np.float32


def fits(q_BHTK: torch.Tensor, k_BJSK: torch.Tensor, v_BJSK: torch.Tensor) -> bool:
    """Whether these are bf16 (keys of a cache may be fp32) of the micro-kernel's sizes: pairs of rows, and heads of whole tiles."""
    (T, K), (B, J, S, _) = q_BHTK.shape[2:], k_BJSK.shape
    whole = T > 0 and S > 0 and T % 2 == 0 and S % 2 == 0 and K % 16 == 0 and B * J >= SHARES and v_BJSK.shape == k_BJSK.shape
    return whole and q_BHTK.dtype == k_BJSK.dtype == v_BJSK.dtype == torch.bfloat16 and brgemm.found() is not None


def forward(
    q_BHTK: torch.Tensor, k_BJSK: torch.Tensor, v_BJSK: torch.Tensor, causal: bool, allowed_B1TS: torch.Tensor | None, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """`mixed_BHTK`, and `kept_BHT`: log2 of the sum of e^(scale q kᵀ), infinity where nothing is allowed. Ask `fits` first."""
    B, H, T, K = q_BHTK.shape
    S = k_BJSK.shape[2]
    mixed_BTHK, kept_BHT = q_BHTK.new_empty(B, T, H, K), q_BHTK.new_empty(B, H, T, dtype=torch.float32)
    room = 4 * S * K + 6 * ROWS * S + 4 * ROWS * K
    allowed_B1TS = None if allowed_B1TS is None else allowed_B1TS.expand(-1, 1, T, S)
    _run(_forward_job, (q_BHTK, k_BJSK, v_BJSK), causal, allowed_B1TS, scale, room, mixed_BTHK, kept_BHT)
    return mixed_BTHK.transpose(1, 2), kept_BHT


def backward(
    grad_BHTK: torch.Tensor,
    q_BHTK: torch.Tensor,
    k_BJSK: torch.Tensor,
    v_BJSK: torch.Tensor,
    mixed_BHTK: torch.Tensor,
    kept_BHT: torch.Tensor,
    causal: bool,
    allowed_B1TS: torch.Tensor | None,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of q, k and v; written token by token, as projections have it, so that nobody has to copy them."""
    (T, K), S = q_BHTK.shape[2:], k_BJSK.shape[2]
    grads = [torch.empty_like(x.transpose(1, 2), memory_format=torch.contiguous_format) for x in (q_BHTK, k_BJSK, v_BJSK)]
    allowed_B1ST = None if allowed_B1TS is None else allowed_B1TS.expand(-1, 1, T, S).transpose(2, 3)  # a key's queries along a line
    room = 10 * S * K + 12 * T * K + 4 * T + 14 * ROWS * COLUMNS
    tensors = (q_BHTK, k_BJSK, v_BJSK, grad_BHTK, mixed_BHTK)
    _run(_backward_job, tensors, causal, allowed_B1ST, scale, room, kept_BHT, *grads)
    grad_q, grad_k, grad_v = (grad.transpose(1, 2) for grad in grads)
    return grad_q, grad_k, grad_v


def _run(
    kernel: Kernel,
    tensors: tuple[torch.Tensor, ...],
    causal: bool,
    allowed: torch.Tensor | None,
    scale: float,
    room: int,
    *rest: torch.Tensor,
) -> None:
    (B, H, T, K), (_, J, S, _) = tensors[0].shape, tensors[1].shape
    found = brgemm.found()
    assert found is not None and (T == S or not causal)
    assert allowed is None or (allowed.dtype == torch.bool and allowed.shape[0] in (1, B) and allowed.shape[2:].numel() == T * S)
    lying = [x if x.stride(3) == 1 and x.stride(2) >= K else x.contiguous() for x in tensors]
    said = [word for x in lying for word in (x.data_ptr(), *(x.element_size() * stride for stride in x.stride()[:3]))]
    flags = torch.empty(0, dtype=torch.bool) if allowed is None else allowed.contiguous()
    mask = (int(causal), int(allowed is not None), flags, T * S if len(flags) > 1 else 0)
    run(kernel, B * J, *found, J, H // J, T, S, K, *mask, word_of(scale), *scratch(room), *said, *rest)


@njit
def _shape(job: Any) -> tuple[int, int, int, int, int, int, bool, bool]:
    """The micro-kernel, J, G, T, S, K, and whether a mask is causal or booleans."""
    sizes = argument(job, _J), argument(job, _G), argument(job, _T), argument(job, _S), argument(job, _K)
    return argument(job, _MULTIPLY), *sizes, argument(job, _CAUSAL) != 0, argument(job, _MASKED) != 0


@njit(inline="always")
def _head(job: Any, tensor: int, b: int, h: int) -> int:
    """Where a head of a row begins."""
    return argument(job, tensor) + b * argument(job, tensor + 1) + h * argument(job, tensor + 2)


@njit(inline="always")
def _line(job: Any, tensor: int) -> int:
    """Bytes from one token to the next."""
    return argument(job, tensor + 3)


@njit(**LIKE_IEEE)
def _largest(scores_S: np.ndarray) -> np.float32:
    """As whole numbers in the order of floats, of which LLVM finds the largest in lanes; a NaN is above all others, or below."""
    most = np.int32(-2147483647)
    for at in range(len(scores_S)):
        bits = np.float32(scores_S[at]).view(np.int32)
        order = bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF))
        most = max(most, order)
    return np.int32(most ^ ((most >> np.int32(31)) & np.int32(0x7FFFFFFF))).view(np.float32)


@njit(**LIKE_IEEE)
def _has_nan(scores_S: np.ndarray) -> bool:
    lost = 0
    for at in range(len(scores_S)):
        lost += scores_S[at] != scores_S[at]
    return lost > 0


@njit(**SUMS)
def _weighed(scores_S: np.ndarray, scale: np.float32, most: np.float32, out_S: np.ndarray) -> np.float32:
    """2^(scale (scores - most)) is written; their sum."""
    total = _F(0.0)
    for at in range(len(scores_S)):
        weight = exp2_at_most(scale * (scores_S[at] - most))
        total += weight
        out_S[at] = half_of_sum(weight)
    return total


@njit(**LIKE_IEEE)
def _forbid(scores_S: np.ndarray, allowed_S: np.ndarray) -> None:
    for at in range(len(scores_S)):
        scores_S[at] = scores_S[at] if allowed_S[at] != 0 else _F(-np.inf)


@njit(**LIKE_IEEE)
def _scaled(x_K: np.ndarray, by: np.float32, out_K: np.ndarray) -> None:
    for k in range(len(out_K)):
        out_K[k] = half_of_sum(x_K[k] * by)


@Kernel
def _forward_job(job: Any) -> None:
    multiply, J, G, T, S, K, causal, masked = _shape(job)
    scale = np.int32(argument(job, _SCALE)).view(np.float32) * LOG2_E
    q_line, k_line, v_line = _line(job, _Q), _line(job, _KEYS), _line(job, _VALUES)
    keys = argument(job, _SCRATCH) + join(job) * argument(job, _ROOM)
    values = keys + 2 * S * K
    scores = values + 2 * S * K
    weights = scores + 4 * ROWS * S
    sums = weights + 2 * ROWS * S
    share = take(job)
    while share >= 0:
        b, j = share // J, share % J
        k, v = _head(job, _KEYS, b, j), _head(job, _VALUES, b, j)
        fetch(k, k_line, S, 2 * K)
        fetch(v, v_line, S, 2 * K)
        turned_in_pairs(k, k_line, S, K, keys, 4 * S)
        in_pairs(v, v_line, S, K, values)
        for h in range(j * G, j * G + G):
            q = _head(job, _Q, b, h)
            fetch(q, q_line, T, 2 * K)
            kept_T = floats_at(argument(job, _TO_KEPT) + 4 * (b * J * G + h) * T, T)
            for first in range(0, T, ROWS):
                rows = min(ROWS, T - first)
                seen = first + rows if causal else S
                product(multiply, 0, rows, seen, K, q_line // 2, S, seen, q + first * q_line, keys, scores)
                for row in range(rows):
                    t = first + row
                    own = t + 1 if causal else seen
                    scores_S, weights_S = floats_at(scores + 4 * row * seen, own), halves_at(weights + 2 * row * seen, seen)
                    if masked:
                        _forbid(scores_S, flags_at(argument(job, _ALLOWED) + b * argument(job, _ALLOWED_ROW) + t * S, own))
                    most = _largest(scores_S)
                    if most == _F(-np.inf) and not _has_nan(scores_S):  # nothing is allowed, nothing is gathered
                        weights_S[:] = 0
                        kept_T[t], scores_S[0] = _F(np.inf), _F(0.0)
                        continue
                    total = _weighed(scores_S, scale, most, weights_S)
                    weights_S[own:] = 0
                    kept_T[t] = scale * most + _F(math.log2(total))
                    scores_S[0] = _F(1.0) / total  # for below: the scores themselves are no longer needed
                product(multiply, 0, rows, K, seen, seen, K, K, weights, values, sums)
                for row in range(rows):
                    out_K = halves_at(argument(job, _TO_MIXED) + 2 * ((b * T + first + row) * J * G + h) * K, K)
                    _scaled(floats_at(sums + 4 * row * K, K), floats_at(scores + 4 * row * seen, 1)[0], out_K)
        share = take(job)
    release(argument(job, _RELEASE))


@njit(**SUMS)
def _dot(a_K: np.ndarray, b_K: np.ndarray) -> np.float32:
    total = _F(0.0)
    for k in range(len(a_K)):
        total += wide(a_K[k]) * wide(b_K[k])
    return total


@njit(**LIKE_IEEE)
def _tile(scores_T: np.ndarray, changes_T: np.ndarray, kept_T: np.ndarray, dots_T: np.ndarray, scale: np.float32, own: int,
          masked: bool, allowed_T: np.ndarray, p_T: np.ndarray, ds_T: np.ndarray) -> None:  # fmt: skip
    """A key's weights and their gradients, one for each query; 0 for those before `own`."""
    for t in range(len(scores_T)):
        weight = exp2_at_most(scale * scores_T[t] - kept_T[t])
        p = weight if t >= own else _F(0.0)
        if masked:
            p = p if allowed_T[t] != 0 else _F(0.0)
        p_T[t] = half_of_sum(p)
        ds_T[t] = half_of_sum(p * (changes_T[t] - dots_T[t]))


@Kernel
def _backward_job(job: Any) -> None:
    multiply, J, G, T, S, K, causal, masked = _shape(job)
    plain = np.int32(argument(job, _SCALE)).view(np.float32)
    scale = plain * LOG2_E
    q_line, k_line, v_line, g_line, m_line = _line(job, _Q), _line(job, _KEYS), _line(job, _VALUES), _line(job, _GRAD), _line(job, _MIXED)
    k_turned = argument(job, _SCRATCH) + join(job) * argument(job, _ROOM)
    sum_k = k_turned + 2 * S * K
    sum_v = sum_k + 4 * S * K
    q_turned = sum_v + 4 * S * K
    g_turned = q_turned + 2 * T * K
    q_pairs = g_turned + 2 * T * K
    g_pairs = q_pairs + 2 * T * K
    sum_q = g_pairs + 2 * T * K
    dots = sum_q + 4 * T * K
    scores = dots + 4 * T
    changes = scores + 4 * ROWS * COLUMNS
    p = changes + 4 * ROWS * COLUMNS
    ds = p + 2 * ROWS * COLUMNS
    ds_pairs = ds + 2 * ROWS * COLUMNS
    share = take(job)
    while share >= 0:
        b, j = share // J, share % J
        k, v = _head(job, _KEYS, b, j), _head(job, _VALUES, b, j)
        fetch(k, k_line, S, 2 * K)
        fetch(v, v_line, S, 2 * K)
        turned(k, k_line, S, K, k_turned, 2 * S)
        floats_at(sum_k, 2 * S * K)[:] = _F(0.0)  # and sum_v
        for h in range(j * G, j * G + G):
            q, g, m = _head(job, _Q, b, h), _head(job, _GRAD, b, h), _head(job, _MIXED, b, h)
            fetch(q, q_line, T, 2 * K)
            fetch(g, g_line, T, 2 * K)
            fetch(m, m_line, T, 2 * K)
            turned_in_pairs(q, q_line, T, K, q_turned, 4 * T)
            turned_in_pairs(g, g_line, T, K, g_turned, 4 * T)
            in_pairs(q, q_line, T, K, q_pairs)
            in_pairs(g, g_line, T, K, g_pairs)
            floats_at(sum_q, T * K)[:] = _F(0.0)
            dots_T, kept_T = floats_at(dots, T), floats_at(argument(job, _KEPT) + 4 * (b * J * G + h) * T, T)
            for t in range(T):
                dots_T[t] = _dot(halves_at(g + t * g_line, K), halves_at(m + t * m_line, K))
            for s in range(0, S, ROWS):
                rows = min(ROWS, S - s)
                for t in range(s if causal else 0, T, COLUMNS):
                    few = min(COLUMNS, T - t)
                    product(multiply, 0, rows, few, K, k_line // 2, T, few, k + s * k_line, q_turned + 4 * t, scores)
                    product(multiply, 0, rows, few, K, v_line // 2, T, few, v + s * v_line, g_turned + 4 * t, changes)
                    for row in range(rows):
                        at, own = row * few, s + row - t if causal else 0
                        flag = argument(job, _ALLOWED) + b * argument(job, _ALLOWED_ROW) + (s + row) * T + t if masked else scores
                        _tile(
                            floats_at(scores + 4 * at, few), floats_at(changes + 4 * at, few), kept_T[t : t + few], dots_T[t : t + few],
                            scale, own, masked, flags_at(flag, few), halves_at(p + 2 * at, few), halves_at(ds + 2 * at, few),
                        )  # fmt: skip
                    in_pairs(ds, 2 * few, rows, few, ds_pairs)
                    product(multiply, 1, rows, K, few, few, K, K, p, g_pairs + 2 * t * K, sum_v + 4 * s * K)
                    product(multiply, 1, rows, K, few, few, K, K, ds, q_pairs + 2 * t * K, sum_k + 4 * s * K)
                    product(multiply, 1, K, few, rows, S, few, T, k_turned + 2 * s, ds_pairs, sum_q + 4 * t)
            sums_KT = floats_at(sum_q, K * T)
            for t in range(T):
                out_K = halves_at(argument(job, _TO_Q) + 2 * ((b * T + t) * J * G + h) * K, K)
                for at in range(K):
                    out_K[at] = half_of_sum(plain * sums_KT[at * T + t])
        for s in range(S):
            to = 2 * ((b * S + s) * J + j) * K
            _scaled(floats_at(sum_k + 4 * s * K, K), plain, halves_at(argument(job, _TO_K) + to, K))
            _scaled(floats_at(sum_v + 4 * s * K, K), _F(1.0), halves_at(argument(job, _TO_V) + to, K))
        share = take(job)
    release(argument(job, _RELEASE))


FORWARD, BACKWARD = _forward_job, _backward_job
