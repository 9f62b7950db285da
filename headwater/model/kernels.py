"""With what arithmetic is attention computed? softmax(q kᵀ / sqrt(K)) v under a mask, by the fastest correct way here.

In: q_BHTK, k_BJSK, v_BJSK and a Lowered mask. Out: mixed_BHTK. Two ways, equal up to rounding:

- SDPA (torch's fused kernel): inference, GPUs, fp32, long rows. It never holds a score matrix.
- SDPA forward with an explicit backward: training in bf16 on a CPU with rows of at most 512 tokens. There SDPA's own backward
  is slow (24 of its 28 ms below); recomputing the scores for a few rows at a time, so that they stay in the processor's cache,
  is faster and keeps as little. Forward + backward in bf16, H=6, K=64, causal, medians in ms of interleaved runs on 2 quiet
  threads of a Xeon with AMX (2026-11-22), recomputing 8, 4, 4, 2 and 4 rows at a time; `explicit` is the plain
  matmul-softmax-matmul that keeps its scores, `halves` recomputes in two causal halves and so skips a quarter of the scores:

      B   T     SDPA  explicit  recomputed  halves
      16  128   18.9   7.1       7.2         8.5
      16  256   28.3  24.0      18.4        23.9
      32  256   57.2  52.6      37.2        47.8
      8   512   40.2  50.5      34.9        34.8
      4   1024  51.3  97.8     111.3        82.2

  Halves do not pay at the lengths where this way is taken. In fp32 SDPA is the fastest of all (at 16 x 256, 28.9 against 33.7
  for the best explicit form).

Legend: B batch, T queries, S keys, H heads, J heads of keys, G = H/J, K head width, R rows in one piece.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from headwater.tokens.masks import Causal, Mask, Places

# Scores computed at once in the backward pass (4 MB of bf16): at 16 x 256, pieces of 2, 4 and 8 rows of 6 heads (2^18.6 scores a
# row) took 22.8, 18.4 and 21.5 ms.
SCORES_AT_ONCE = 1 << 21
LONGEST_RECOMPUTED = 512


@dataclass(frozen=True)
class Lowered:
    """A mask as kernels take it: a flag where it is plainly causal, else booleans; neither means that all is allowed."""

    causal: bool = False
    allowed_B1TS: torch.Tensor | None = None


def lower(mask: Mask, places: Places, *, from_start: bool) -> Lowered:
    """`from_start`: queries and keys are the same tokens, from the row's first on, so that SDPA's causal flag is exact."""
    if isinstance(mask, Causal) and from_start:
        return Lowered(causal=True)
    return Lowered(allowed_B1TS=mask.dense(places)[:, None])


def attend(q_BHTK: torch.Tensor, k_BJSK: torch.Tensor, v_BJSK: torch.Tensor, mask: Lowered, dropout: float = 0.0) -> torch.Tensor:
    """`mixed_BHTK`. `dropout` is the rate at which attention weights are dropped."""
    trains_on_cpu = torch.is_grad_enabled() and q_BHTK.requires_grad and q_BHTK.device.type == "cpu"
    if trains_on_cpu and q_BHTK.dtype == torch.bfloat16 and k_BJSK.shape[2] <= LONGEST_RECOMPUTED and not dropout:
        return _Recomputed.apply(q_BHTK, k_BJSK, v_BJSK, mask)  # type: ignore[no-any-return, no-untyped-call]
    return fused(q_BHTK, k_BJSK, v_BJSK, mask, dropout)


def fused(q_BHTK: torch.Tensor, k_BJSK: torch.Tensor, v_BJSK: torch.Tensor, mask: Lowered, dropout: float = 0.0) -> torch.Tensor:
    shared = q_BHTK.shape[1] != k_BJSK.shape[1]
    return functional.scaled_dot_product_attention(
        q_BHTK, k_BJSK, v_BJSK, mask.allowed_B1TS, dropout_p=dropout, is_causal=mask.causal, enable_gqa=shared
    )


def explicit(q_BHTK: torch.Tensor, k_BJSK: torch.Tensor, v_BJSK: torch.Tensor, mask: Lowered) -> torch.Tensor:
    """The formula as it stands, with its score matrix; queries that share a key head stand below each other, so none is copied."""
    B, H, T, K = q_BHTK.shape
    J, S = k_BJSK.shape[1:3]
    q_NGK, k_NSK, v_NSK = q_BHTK.reshape(B * J, H // J * T, K), k_BJSK.reshape(B * J, S, K), v_BJSK.reshape(B * J, S, K)
    scores_NGS = torch.baddbmm(_bias(mask, q_BHTK, k_BJSK), q_NGK, k_NSK.transpose(1, 2), alpha=1 / math.sqrt(K))
    return (scores_NGS.softmax(dim=-1) @ v_NSK).view(B, H, T, K)


def _bias(mask: Lowered, q_BHTK: torch.Tensor, k_BJSK: torch.Tensor) -> torch.Tensor:
    """0 where allowed and -inf where not, in the shape that `explicit` adds to its scores."""
    B, H, T, _ = q_BHTK.shape
    J, S = k_BJSK.shape[1:3]
    if mask.allowed_B1TS is None:
        bias_TS = torch.zeros(T, S, dtype=q_BHTK.dtype, device=q_BHTK.device)
        return (bias_TS.fill_(-math.inf).triu_(1) if mask.causal else bias_TS).repeat(H // J, 1)
    bias_B1TS = torch.zeros_like(mask.allowed_B1TS, dtype=q_BHTK.dtype).masked_fill_(~mask.allowed_B1TS, -math.inf)
    return bias_B1TS[:, None].expand(B, J, H // J, T, S).reshape(B * J, H // J * T, S)


class _Recomputed(torch.autograd.Function):
    """SDPA forward; backward through `explicit`, computed anew for a few rows at a time."""

    @staticmethod
    def forward(ctx: Any, q_BHTK: torch.Tensor, k_BJSK: torch.Tensor, v_BJSK: torch.Tensor, mask: Lowered) -> torch.Tensor:
        ctx.save_for_backward(q_BHTK, k_BJSK, v_BJSK)
        ctx.mask = mask
        return fused(q_BHTK, k_BJSK, v_BJSK, mask)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (grad_BHTK,) = grads
        B, H, T, _ = grad_BHTK.shape
        rows = max(1, SCORES_AT_ONCE // (H * T * ctx.saved_tensors[1].shape[2]))
        pieces = []
        for start in range(0, B, rows):
            piece = slice(start, start + rows)
            q, k, v = (tensor[piece].detach().requires_grad_() for tensor in ctx.saved_tensors)
            with torch.enable_grad():
                mixed_RHTK = explicit(q, k, v, _rows_of(ctx.mask, piece))
            pieces.append(torch.autograd.grad(mixed_RHTK, (q, k, v), grad_BHTK[piece]))
        return *(torch.cat(column) for column in zip(*pieces, strict=True)), None


def _rows_of(mask: Lowered, rows: slice) -> Lowered:
    if mask.allowed_B1TS is None or mask.allowed_B1TS.shape[0] == 1:
        return mask
    return Lowered(allowed_B1TS=mask.allowed_B1TS[rows])
