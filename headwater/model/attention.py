"""What does a token gather from others? Grouped-query attention (Ainslie et al. 2023); with as many key heads, multi-head; with
one, multi-query (Shazeer 2019). Cross-attention is the same with keys from an encoder.

In and out: x_BTD. The Frame says where tokens stand, what they may see and what is remembered: it is made once a forward pass
and is the same for all layers. Legend: B batch, T time, S keys, D width, H heads, J heads of keys, K head width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from headwater.model.cache import KVCache
from headwater.model.config import ModelConfig
from headwater.model.kernels import Lowered, Scores, attend, biased
from headwater.model.norms import RMSNorm
from headwater.model.notes import Notes
from headwater.model.positions import Rotation
from headwater.model.products import through
from headwater.model.scores import RelativeXL, build_bias


@dataclass(frozen=True)
class Memory:
    """What a decoder reads of an encoder: `x_BSD` (None where the cache has its keys), and which of it each token may see."""

    x_BSD: torch.Tensor | None
    mask: Lowered


@dataclass(frozen=True)
class Frame:
    """What the layers of one forward pass share. `masks` is one for each entry of the config's pattern, taken in turn; `segments_BT`
    is for layers without scores: each token's document, where the mask keeps documents apart."""

    masks: tuple[Lowered, ...]
    order_BQ: torch.Tensor
    order_BK: torch.Tensor
    rotation: Rotation | None = None
    cache: KVCache | None = None
    memory: Memory | None = None
    real_BT: torch.Tensor | None = None
    notes: Notes | None = None
    segments_BT: torch.Tensor | None = None


class Projected(nn.Module):
    """What both kinds of attention have: their four projections, and how scores are made."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        queries, keys = config.heads * config.head_features, config.key_heads * config.head_features
        self.layer, self.head_width, self.dropout = layer, config.head_features, config.weight_dropout
        self.scores = Scores(config.scores_scale, config.attention_softcap)
        self.query = nn.Linear(config.width, queries, bias=config.biases.queries)
        self.key = nn.Linear(config.width, keys, bias=config.biases.queries)
        self.value = nn.Linear(config.width, keys, bias=config.biases.queries)
        self.out = nn.Linear(queries, config.width, bias=config.biases.out)

    def by_head(self, x_BTD: torch.Tensor) -> torch.Tensor:
        """`x_BTHK`."""
        return x_BTD.view(*x_BTD.shape[:-1], -1, self.head_width)

    def mixed(self, q_BHTK: torch.Tensor, k_BJSK: torch.Tensor, v_BJSK: torch.Tensor, mask: Lowered) -> torch.Tensor:
        """`y_BTD` of what the queries gather."""
        mixed_BHTK = attend(q_BHTK, k_BJSK, v_BJSK, mask, self.scores, self.dropout if self.training else 0.0)
        y_BTD: torch.Tensor = through(mixed_BHTK.transpose(1, 2).flatten(2), self.out)[0]
        return y_BTD


class Attention(Projected):
    """Between the tokens of a row."""

    def __init__(self, config: ModelConfig, layer: int, *, encoder: bool = False) -> None:
        super().__init__(config, layer)
        self.query_norm = RMSNorm(config.head_features, config.norm.eps) if config.qk_norm else None
        self.key_norm = RMSNorm(config.head_features, config.norm.eps) if config.qk_norm else None
        self.relative = RelativeXL(config) if config.positions.kind == "xl" else None
        own = config.positions.kind == "t5" and config.positions.per_layer
        self.bias = build_bias(config, both_ways=encoder) if own else None

    def forward(self, x_BTD: torch.Tensor, frame: Frame) -> torch.Tensor:
        q_BTHK, k_BTJK, v_BTJK = map(self.by_head, through(x_BTD, self.query, self.key, self.value))
        if self.query_norm is not None and self.key_norm is not None:
            q_BTHK, k_BTJK = (norm(x.float()).to(x.dtype) for norm, x in ((self.query_norm, q_BTHK), (self.key_norm, k_BTJK)))
        if frame.rotation is not None:
            q_BTHK, k_BTJK = frame.rotation.apply(q_BTHK), frame.rotation.apply(k_BTJK)
        q_BHTK, k_BJSK, v_BJSK = q_BTHK.transpose(1, 2), k_BTJK.transpose(1, 2), v_BTJK.transpose(1, 2)
        if frame.cache is not None:
            k_BJSK, v_BJSK = frame.cache.write(self.layer, k_BJSK, v_BJSK)
        mask = frame.masks[self.layer % len(frame.masks)]
        if self.relative is not None:
            q_BHTK, bias_BHTS = self.relative(q_BHTK, frame.order_BQ, frame.order_BK)
            mask = biased(mask, bias_BHTS)
        elif self.bias is not None:
            mask = biased(mask, self.bias(frame.order_BQ, frame.order_BK))
        return self.mixed(q_BHTK, k_BJSK, v_BJSK, mask)


class CrossAttention(Projected):
    """Queries from the decoder, keys and values from the encoder's last layer (Vaswani et al. 2017, section 3.2.3)."""

    def forward(self, x_BTD: torch.Tensor, frame: Frame) -> torch.Tensor:
        assert frame.memory is not None, "a decoder with cross-attention was given no source"
        q_BHTK = self.by_head(through(x_BTD, self.query)[0]).transpose(1, 2)
        k_BJSK, v_BJSK = self._remembered(frame.memory, frame.cache)
        return self.mixed(q_BHTK, k_BJSK, v_BJSK, frame.memory.mask)

    def _remembered(self, memory: Memory, cache: KVCache | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of the source, computed once for all the tokens that a cache will see."""
        if memory.x_BSD is None:
            assert cache is not None, "there is neither a source nor a cache that has read one"
            return cache.source[self.layer]
        k_BJSK, v_BJSK = (self.by_head(y_BSD).transpose(1, 2) for y_BSD in through(memory.x_BSD, self.key, self.value))
        if cache is not None:
            cache.source[self.layer] = (k_BJSK, v_BJSK)
        return k_BJSK, v_BJSK
