"""What is added to attention's scores, by distance alone or by what is asked? The small part beside the mask algebra.

In: the places of queries and keys, order_BQ and order_BK. Out: bias_BHQK (B is 1 where all rows stand alike).
Legend: B batch, Q queries, K keys, H heads, C head width, R distances.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from headwater.model.config import ModelConfig
from headwater.model.embedding import table
from headwater.model.parts import Buckets
from headwater.model.positions import sinusoid


class ALiBi(nn.Module):
    """-slope · distance (Press et al. 2022, section 3); slopes are 2^(-8h/H), with theirs between for other than powers of two."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.slopes = slopes(heads)

    def forward(self, order_BQ: torch.Tensor, order_BK: torch.Tensor) -> torch.Tensor:
        distance_B1QK = (order_BQ[:, :, None] - order_BK[:, None, :]).abs()[:, None].float()
        return -distance_B1QK * torch.tensor(self.slopes, device=order_BQ.device)[:, None, None]


def slopes(heads: int) -> list[float]:
    """One a head."""
    power = 2 ** math.floor(math.log2(heads))
    first = [2 ** (-8 * (head + 1) / power) for head in range(power)]
    return first + [2 ** (-4 * (2 * head + 1) / power) for head in range(heads - power)]


class BucketBias(nn.Module):
    """A learned score a head for each bucket of distances (Raffel et al. 2020): small ones alone, larger ones by their logarithm."""

    def __init__(self, config: Buckets, heads: int, *, both_ways: bool) -> None:
        super().__init__()
        self.table = table(config.buckets, heads)
        self.max_distance, self.both_ways = config.max_distance, both_ways

    def forward(self, order_BQ: torch.Tensor, order_BK: torch.Tensor) -> torch.Tensor:
        bucket_BQK = self._bucket(order_BK[:, None, :] - order_BQ[:, :, None])
        bias_BHQK: torch.Tensor = self.table(bucket_BQK).permute(0, 3, 1, 2)
        return bias_BHQK

    def _bucket(self, offset: torch.Tensor) -> torch.Tensor:
        """An encoder keeps one half of the buckets for what follows; a decoder has nothing there."""
        buckets, first = self.table.num_embeddings, 0 * offset
        if self.both_ways:
            buckets //= 2
            first = (offset > 0).long() * buckets
        distance = offset.abs() if self.both_ways else (-offset).clamp(min=0)
        exact = buckets // 2
        octaves = torch.log(distance.float().clamp(min=1) / exact) / math.log(self.max_distance / exact)
        far = (exact + (octaves * (buckets - exact)).long()).clamp(max=buckets - 1)
        return first + torch.where(distance < exact, distance, far)


class RelativeXL(nn.Module):
    """Transformer-XL's terms (Dai et al. 2019, section 3.3): (q + u) kᵀ + (q + v) (W r_{distance})ᵀ, r a sinusoid of the distance."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.width, self.scale = config.width, config.scores_scale
        self.project = nn.Linear(config.width, config.heads * config.head_features, bias=False)
        self.content_bias = nn.Parameter(torch.zeros(config.heads, config.head_features))
        self.place_bias = nn.Parameter(torch.zeros(config.heads, config.head_features))

    def forward(self, q_BHQC: torch.Tensor, order_BQ: torch.Tensor, order_BK: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The queries that meet the keys, and the bias from distances."""
        offset_BQK = order_BQ[:, :, None] - order_BK[:, None, :]
        least, most = int(offset_BQK.min()), int(offset_BQK.max())
        distance_R = torch.arange(least, most + 1, device=q_BHQC.device)
        r_RHC = self.project(sinusoid(distance_R[None], self.width)[0].to(q_BHQC.dtype)).unflatten(-1, self.content_bias.shape)
        by_distance_BHQR = torch.einsum("bhqc,rhc->bhqr", q_BHQC + self.place_bias[:, None].to(q_BHQC.dtype), r_RHC)
        index_BHQK = (offset_BQK - least)[:, None].expand(q_BHQC.shape[0], q_BHQC.shape[1], -1, -1)
        bias_BHQK = by_distance_BHQR.gather(-1, index_BHQK) * self.scale
        return q_BHQC + self.content_bias[:, None].to(q_BHQC.dtype), bias_BHQK


def build_bias(config: ModelConfig, *, both_ways: bool) -> nn.Module | None:
    """What turns places into scores without looking at tokens; None where positions work otherwise."""
    positions = config.positions
    if positions.kind == "alibi":
        return ALiBi(config.heads)
    if positions.kind == "t5":
        return BucketBias(positions, config.heads, both_ways=both_ways)
    return None
