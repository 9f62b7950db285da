"""With what arithmetic is attention computed? softmax(q kᵀ / sqrt(K)) v under a mask, by the fastest correct way here.

In: q_BHTK, k_BJSK, v_BJSK and a Lowered mask. Out: mixed_BHTK. Three ways, equal up to rounding:

- SDPA (torch's fused kernel): inference, GPUs, fp32, dropout. It never holds a score matrix.
- Tiles (model/tiles.py): training in bf16 on a CPU with AMX, where scores are q kᵀ and nothing more.
- SDPA forward with an explicit backward: the rest of training in bf16 on a CPU with rows of at most 512 tokens (biases, softcaps,
  odd lengths, no AMX). There SDPA's own backward is slow (24 of its 28 ms below); recomputing the scores for a few rows at a time, so that
  they stay in the processor's cache, is faster and keeps as little. Forward + backward in bf16, H=6, K=64, causal, medians in ms of
  interleaved runs on 2 quiet threads of a Xeon with AMX (2026-11-22), recomputing 8, 4, 4, 2 and 4 rows at a time by autograd; `explicit`
  is the plain matmul-softmax-matmul that keeps its scores, `halves` recomputes in two causal halves and so skips a quarter of the scores:

      B   T     SDPA  explicit  recomputed  halves
      16  128   18.9   7.1       7.2         8.5
      16  256   28.3  24.0      18.4        23.9
      32  256   57.2  52.6      37.2        47.8
      8   512   40.2  50.5      34.9        34.8
      4   1024  51.3  97.8     111.3        82.2

  Since then the gradients are written out (`_gradients`; by autograd where a softcap bends the scores or a bias is learned), with
  the same bits: 31 to 35 ms of processor time on one thread at 16 x 256 where autograd took 42. Keeping the weights of the forward
  pass is no faster (37 ms in all against 40: writing them out of the cache costs what recomputing does), halves of that are slower (39).
  Halves do not pay at the lengths where this way is taken. In fp32 SDPA is the fastest of all (at 16 x 256, 28.9 against 33.7
  for the best explicit form).

Legend: B batch, T queries, S keys, H heads, J heads of keys, G = H/J, K head width, R rows in one piece.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional

from headwater.model.products import in_one_pass
from headwater.tokens.masks import Causal, Full, Mask, Places

# Scores computed at once in the backward pass (8 MB of bf16), in pieces of as many rows each: at 16 x 256, pieces of 2, 4, 5 and 8 rows of
# 6 heads (2^18.6 scores a row) took 13.8, 11.5, 11.5 and 10.3 ms.
SCORES_AT_ONCE = 1 << 22
LONGEST_RECOMPUTED = 512


@dataclass(frozen=True)
class Lowered:
    """A mask as kernels take it: a flag where it is plainly causal, else booleans; neither means that all is allowed.

    With a bias (scores to add, ALiBi's or T5's), what is not allowed stands in it as -inf, and in nothing else.
    """

    causal: bool = False
    allowed_B1TS: torch.Tensor | None = None
    bias_BHTS: torch.Tensor | None = None


@dataclass(frozen=True)
class Scores:
    """How q kᵀ becomes scores: multiplied by `scale`, then bent below `softcap`."""

    scale: float
    softcap: float | None = None


def lower(mask: Mask, places: Places, *, from_start: bool) -> Lowered:
    """`from_start`: queries and keys are the same tokens, from the row's first on, so that SDPA's causal flag is exact."""
    if isinstance(mask, Causal) and from_start:
        return Lowered(causal=True)
    if isinstance(mask, Full):
        return Lowered()
    return Lowered(allowed_B1TS=mask.dense(places)[:, None])


def biased(mask: Lowered, bias_BHTS: torch.Tensor) -> Lowered:
    """The mask with scores to add; whoever shares it between layers pays once."""
    if mask.allowed_B1TS is not None:
        return Lowered(bias_BHTS=bias_BHTS.masked_fill(~mask.allowed_B1TS, -math.inf))
    if mask.causal:
        later_TS = torch.ones(bias_BHTS.shape[-2:], dtype=torch.bool, device=bias_BHTS.device).triu_(1)
        return Lowered(bias_BHTS=bias_BHTS.masked_fill(later_TS, -math.inf))
    return Lowered(bias_BHTS=bias_BHTS)


def attend(
    q_BHTK: torch.Tensor, k_BJSK: torch.Tensor, v_BJSK: torch.Tensor, mask: Lowered, scores: Scores, dropout: float = 0.0
) -> torch.Tensor:
    """`mixed_BHTK`. `dropout` is the rate at which attention weights are dropped."""
    trains_on_cpu = torch.is_grad_enabled() and q_BHTK.requires_grad and q_BHTK.device.type == "cpu"
    if trains_on_cpu and q_BHTK.dtype == torch.bfloat16 and not dropout:
        if mask.bias_BHTS is None and scores.softcap is None and in_one_pass(q_BHTK):
            from headwater.model import tiles  # imports Numba, which only training in bf16 asks for

            if tiles.fits(q_BHTK, k_BJSK, v_BJSK):
                return _Tiled.apply(q_BHTK, k_BJSK, v_BJSK, mask, scores.scale)  # type: ignore[no-any-return, no-untyped-call]
        if k_BJSK.shape[2] <= LONGEST_RECOMPUTED:
            return _Recomputed.apply(q_BHTK, k_BJSK, v_BJSK, mask.bias_BHTS, mask, scores)  # type: ignore[no-any-return, no-untyped-call]
    if scores.softcap is not None:
        return explicit(q_BHTK, k_BJSK, v_BJSK, mask, scores, dropout)
    return fused(q_BHTK, k_BJSK, v_BJSK, mask, scores, dropout)


def fused(
    q_BHTK: torch.Tensor, k_BJSK: torch.Tensor, v_BJSK: torch.Tensor, mask: Lowered, scores: Scores, dropout: float = 0.0
) -> torch.Tensor:
    shared = q_BHTK.shape[1] != k_BJSK.shape[1]
    added = mask.allowed_B1TS if mask.bias_BHTS is None else mask.bias_BHTS.to(q_BHTK.dtype)
    return functional.scaled_dot_product_attention(
        q_BHTK, k_BJSK, v_BJSK, added, dropout_p=dropout, is_causal=mask.causal, scale=scores.scale, enable_gqa=shared
    )


def explicit(
    q_BHTK: torch.Tensor, k_BJSK: torch.Tensor, v_BJSK: torch.Tensor, mask: Lowered, scores: Scores, dropout: float = 0.0
) -> torch.Tensor:
    """The formula as it stands, with its score matrix; queries that share a key head stand below each other, so none is copied."""
    B, H, T, K = q_BHTK.shape
    J, S = k_BJSK.shape[1:3]
    q_NGK, k_NSK, v_NSK = q_BHTK.reshape(B * J, H // J * T, K), k_BJSK.reshape(B * J, S, K), v_BJSK.reshape(B * J, S, K)
    bias_NGS = _added(mask, q_BHTK, k_BJSK)
    if scores.softcap is None:
        scores_NGS = torch.baddbmm(bias_NGS, q_NGK, k_NSK.transpose(1, 2), alpha=scores.scale)
    else:
        bent_NGS = torch.tanh((q_NGK @ k_NSK.transpose(1, 2)) * (scores.scale / scores.softcap))
        scores_NGS = scores.softcap * bent_NGS + bias_NGS
    weight_NGS = functional.dropout(scores_NGS.softmax(dim=-1), dropout) if dropout else scores_NGS.softmax(dim=-1)
    return (weight_NGS @ v_NSK).view(B, H, T, K)


def _added(mask: Lowered, q_BHTK: torch.Tensor, k_BJSK: torch.Tensor) -> torch.Tensor:
    """What is added to scores, in the shape that they have for `explicit`: a bias, and 0 where allowed, -inf where not."""
    B, H, T, _ = q_BHTK.shape
    J, S = k_BJSK.shape[1:3]
    if mask.bias_BHTS is not None:
        return mask.bias_BHTS.to(q_BHTK.dtype).expand(B, H, T, S).reshape(B * J, H // J * T, S)
    if mask.allowed_B1TS is None:
        bias_TS = torch.zeros(T, S, dtype=q_BHTK.dtype, device=q_BHTK.device)
        return (bias_TS.fill_(-math.inf).triu_(1) if mask.causal else bias_TS).repeat(H // J, 1)
    bias_B1TS = torch.zeros_like(mask.allowed_B1TS, dtype=q_BHTK.dtype).masked_fill_(~mask.allowed_B1TS, -math.inf)
    return bias_B1TS[:, None].expand(B, J, H // J, T, S).reshape(B * J, H // J * T, S)


class _Tiled(torch.autograd.Function):
    """Both ways by model/tiles.py."""

    @staticmethod
    def forward(ctx: Any, q_BHTK: torch.Tensor, k_BJSK: torch.Tensor, v_BJSK: torch.Tensor, mask: Lowered, scale: float) -> torch.Tensor:
        from headwater.model import tiles

        mixed_BHTK, kept_BHT = tiles.forward(q_BHTK, k_BJSK, v_BJSK, mask.causal, mask.allowed_B1TS, scale)
        ctx.save_for_backward(q_BHTK, k_BJSK, v_BJSK, mixed_BHTK, kept_BHT)
        ctx.mask, ctx.scale = mask, scale
        return mixed_BHTK

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        from headwater.model import tiles

        q_BHTK, k_BJSK, v_BJSK, mixed_BHTK, kept_BHT = ctx.saved_tensors
        mask: Lowered = ctx.mask
        given = (grads[0], q_BHTK, k_BJSK, v_BJSK, mixed_BHTK, kept_BHT)
        return *tiles.backward(*given, mask.causal, mask.allowed_B1TS, ctx.scale), None, None


class _Recomputed(torch.autograd.Function):
    """SDPA forward; backward from scores that are computed anew for a few rows at a time."""

    @staticmethod
    def forward(
        ctx: Any, q_BHTK: torch.Tensor, k_BJSK: torch.Tensor, v_BJSK: torch.Tensor, bias: torch.Tensor | None, mask: Lowered, scores: Scores
    ) -> torch.Tensor:
        ctx.save_for_backward(q_BHTK, k_BJSK, v_BJSK)
        ctx.mask, ctx.scores = mask, scores
        if scores.softcap is not None:
            return explicit(q_BHTK, k_BJSK, v_BJSK, mask, scores)
        return fused(q_BHTK, k_BJSK, v_BJSK, mask, scores)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (grad_BHTK,) = grads
        saved = ctx.saved_tensors  # read once: a block whose activations are made anew hands them out once
        B, H, T, _ = grad_BHTK.shape
        rows = _even(B, SCORES_AT_ONCE // (H * T * saved[1].shape[2]))
        learns_bias = ctx.needs_input_grad[3]
        if ctx.scores.softcap is None and not learns_bias:
            q_BHTK, k_BJSK, v_BJSK = saved
            return *_gradients(q_BHTK, k_BJSK, v_BJSK, grad_BHTK, ctx.mask, ctx.scores.scale, rows), None, None, None
        pieces: list[tuple[torch.Tensor, ...]] = []
        bias_pieces: list[torch.Tensor] = []
        for start in range(0, B, rows):
            piece = slice(start, start + rows)
            q, k, v = (tensor[piece].detach().requires_grad_() for tensor in saved)
            mask = _rows_of(ctx.mask, piece)
            wanted = [q, k, v]
            if learns_bias and mask.bias_BHTS is not None:
                bias_BHTS = mask.bias_BHTS.detach().requires_grad_()
                mask = Lowered(bias_BHTS=bias_BHTS)
                wanted.append(bias_BHTS)
            with torch.enable_grad():
                mixed_RHTK = explicit(q, k, v, mask, ctx.scores)
            found = torch.autograd.grad(mixed_RHTK, wanted, grad_BHTK[piece])
            pieces.append(found[:3])
            bias_pieces += found[3:]
        grad_bias = None
        if learns_bias:
            grad_bias = torch.cat(bias_pieces) if ctx.mask.bias_BHTS.shape[0] > 1 else torch.stack(bias_pieces).sum(0)
        return *(torch.cat(column) for column in zip(*pieces, strict=True)), grad_bias, None, None


def _gradients(
    q_BHTK: torch.Tensor,
    k_BJSK: torch.Tensor,
    v_BJSK: torch.Tensor,
    grad_BHTK: torch.Tensor,
    mask: Lowered,
    scale: float,
    rows: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of q, k and v, written out: `rows` rows at a time in one buffer of weights and one of their gradients.

    With p the weights and g the gradient of what was mixed: dv = pᵀ g, ds = p (g vᵀ - sum of p g vᵀ), dq = scale ds k, dk = scale dsᵀ q.
    What is written stands as the projections have it, token by token, so that nobody has to copy it.
    """
    B, H, T, K = q_BHTK.shape
    J, S = k_BJSK.shape[1:3]
    G = H // J
    grad_q, grad_k, grad_v = (torch.empty_like(x.transpose(1, 2), memory_format=torch.contiguous_format) for x in (q_BHTK, k_BJSK, v_BJSK))
    weight_NGS, change_NGS = (q_BHTK.new_empty(min(rows, B) * J, G * T, S) for _ in range(2))
    same = _added(mask, q_BHTK, k_BJSK) if mask.bias_BHTS is None and mask.allowed_B1TS is None else None
    for start in range(0, B, rows):
        piece = slice(start, start + rows)
        few = q_BHTK[piece].shape[0]
        q_NGK, grad_NGK = (x[piece].reshape(-1, G * T, K) for x in (q_BHTK, grad_BHTK))
        k_NSK, v_NSK = (x[piece].reshape(-1, S, K) for x in (k_BJSK, v_BJSK))
        p_NGS, ds_NGS = weight_NGS[: len(k_NSK)], change_NGS[: len(k_NSK)]
        added = _added(_rows_of(mask, piece), q_BHTK[piece], k_BJSK) if same is None else same
        torch.baddbmm(added, q_NGK, k_NSK.transpose(1, 2), alpha=scale, out=p_NGS)
        torch.softmax(p_NGS, dim=-1, out=p_NGS)
        torch.bmm(grad_NGK, v_NSK.transpose(1, 2), out=ds_NGS)
        torch.ops.aten._softmax_backward_data.out(ds_NGS, p_NGS, -1, p_NGS.dtype, grad_input=ds_NGS)
        grad_v[piece] = (p_NGS.transpose(1, 2) @ grad_NGK).view(few, J, S, K).transpose(1, 2)
        torch.mul((ds_NGS @ k_NSK).view(few, H, T, K).transpose(1, 2), scale, out=grad_q[piece])
        torch.mul((ds_NGS.transpose(1, 2) @ q_NGK).view(few, J, S, K).transpose(1, 2), scale, out=grad_k[piece])
    return grad_q.transpose(1, 2), grad_k.transpose(1, 2), grad_v.transpose(1, 2)


def _even(rows: int, most: int) -> int:
    """Rows of a piece, where all pieces have as many (the last one rather fewer) and none more than `most`."""
    return -(-rows // -(-rows // max(1, most)))


def _rows_of(mask: Lowered, rows: slice) -> Lowered:
    """The mask of a few rows; one that is the same for all rows stays as it is."""

    def few(tensor: torch.Tensor | None) -> torch.Tensor | None:
        return tensor if tensor is None or tensor.shape[0] == 1 else tensor[rows]

    return Lowered(mask.causal, few(mask.allowed_B1TS), few(mask.bias_BHTS))
