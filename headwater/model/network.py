"""Tokens in, logits out: the decoder that a config describes.

    logits_BTV = network(tokens_BT)                                      # causal
    logits_BTV = network(batch.tokens_BT, positions_BT=batch.positions_BT, segments_BT=batch.segments_BT, mask=batch.mask)
    logits_BTV = network(new_tokens_BT, cache=cache)                     # after what the cache holds

`hidden` and `head` are its two halves, for whoever needs logits at few positions or another head. Logits are fp32.
Legend: B batch, T new tokens, S keys (T, or slots of the cache), D width, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from headwater.core.errors import HeadwaterError
from headwater.model.attention import Attention, Frame
from headwater.model.cache import KVCache
from headwater.model.config import ModelConfig
from headwater.model.feed_forward import build_feed_forward
from headwater.model.kernels import Lowered, lower
from headwater.model.norms import as_operand, build_norm
from headwater.model.positions import Rotation
from headwater.tokens.masks import Causal, Mask, Places, causal

CAUSAL = causal()


class Block(nn.Module):
    """Two branches on the residual stream, each normed before (Xiong et al. 2020)."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.attention_norm, self.attention = build_norm(config), Attention(config, layer)
        self.feed_forward_norm, self.feed_forward = build_norm(config), build_feed_forward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x_BTD: torch.Tensor, frame: Frame) -> torch.Tensor:
        h_BTD: torch.Tensor = x_BTD + self.dropout(self.attention(self.attention_norm(x_BTD), frame))
        y_BTD: torch.Tensor = h_BTD + self.dropout(self.feed_forward(self.feed_forward_norm(h_BTD)))
        return y_BTD


class Network(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.context, config.width) if config.positions.kind == "learned" else None
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.norm = build_norm(config)
        self.unembedding = None if config.tied else nn.Linear(config.width, config.vocabulary, bias=False)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        tokens_BT: torch.Tensor,
        *,
        positions_BT: torch.Tensor | None = None,
        segments_BT: torch.Tensor | None = None,
        mask: Mask = CAUSAL,
        cache: KVCache | None = None,
    ) -> torch.Tensor:
        """`logits_BTV`, fp32. See `hidden`."""
        return self.head(self.hidden(tokens_BT, positions_BT=positions_BT, segments_BT=segments_BT, mask=mask, cache=cache))

    def hidden(
        self,
        tokens_BT: torch.Tensor,
        *,
        positions_BT: torch.Tensor | None = None,
        segments_BT: torch.Tensor | None = None,
        mask: Mask = CAUSAL,
        cache: KVCache | None = None,
    ) -> torch.Tensor:
        """`x_BTD` after the last norm.

        Positions are places in the row unless given; they decide what a token knows of its place, never what it may see.
        Raises HeadwaterError when a row is longer than the model's context.
        """
        order_BT = _order(tokens_BT, cache)
        self._check_length(tokens_BT, cache)
        positions_BT = order_BT if positions_BT is None else positions_BT
        frame = Frame(_lowered(mask, order_BT, segments_BT, cache), self._rotation(positions_BT), cache)
        x_BTD: torch.Tensor = self.embedding(tokens_BT)
        if self.positions is not None:
            x_BTD = x_BTD + self.positions(positions_BT)
        x_BTD = self.dropout(x_BTD)
        for block in self.blocks:
            x_BTD = block(x_BTD, frame)
        out_BTD: torch.Tensor = self.norm(x_BTD)
        return out_BTD

    def head(self, x_BTD: torch.Tensor) -> torch.Tensor:
        """`logits_BTV` of hidden states, fp32."""
        weight_VD = self.embedding.weight if self.unembedding is None else self.unembedding.weight
        return functional.linear(as_operand(x_BTD), weight_VD).float()

    def _rotation(self, positions_BT: torch.Tensor) -> Rotation | None:
        if self.config.positions.kind != "rope":
            return None
        return Rotation.at(positions_BT, self.config.head_features, self.config.positions.base)

    def _check_length(self, tokens_BT: torch.Tensor, cache: KVCache | None) -> None:
        length = tokens_BT.shape[1] + (0 if cache is None else cache.longest)
        if length > self.config.context:
            raise HeadwaterError(f"a row of {length} tokens exceeds the model's context of {self.config.context}",
                                 where="model.context", mend="shorten the text, or train with a longer context")  # fmt: skip


def _order(tokens_BT: torch.Tensor, cache: KVCache | None) -> torch.Tensor:
    """Each token's place in its row; one row where all rows agree."""
    if cache is not None:
        return cache.slots(tokens_BT.shape[1])
    return torch.arange(tokens_BT.shape[1], device=tokens_BT.device)[None]


def _lowered(mask: Mask, order_BT: torch.Tensor, segments_BT: torch.Tensor | None, cache: KVCache | None) -> Lowered:
    """The mask for this pass. With a cache, keys are its slots, and a slot past a row's last written one is nothing."""
    if cache is None or cache.longest == 0:
        return lower(mask, Places(order_BT, order_BT, segments_BT, segments_BT), from_start=True)
    count = order_BT.shape[1]
    if isinstance(mask, Causal) and cache.even and count == 1:
        return Lowered()  # one token after everything: it may see all
    slots_1S = torch.arange(cache.longest + count, device=order_BT.device)[None]
    written_BTS = slots_1S[:, None] <= order_BT[:, -1:, None]
    allowed_BTS = mask.dense(Places(order_BT, slots_1S)) & written_BTS
    return Lowered(allowed_B1TS=allowed_BTS[:, None])
