"""What does a token gather from others? Grouped-query attention (Ainslie et al. 2023); with as many key heads, multi-head.

In and out: x_BTD. The Frame says where tokens stand, what they may see and what is remembered: it is made once a forward pass
and is the same for all layers. Legend: B batch, T time, S keys, D width, H heads, J heads of keys, K head width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from headwater.model.cache import KVCache
from headwater.model.config import ModelConfig
from headwater.model.kernels import Lowered, attend
from headwater.model.positions import Rotation


@dataclass(frozen=True)
class Frame:
    """What the layers of one forward pass share."""

    mask: Lowered
    rotation: Rotation | None
    cache: KVCache | None


class Attention(nn.Module):
    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        queries, keys = config.heads * config.head_features, config.key_heads * config.head_features
        self.layer, self.head_width, self.dropout = layer, config.head_features, config.dropout
        self.query = nn.Linear(config.width, queries, bias=config.biases)
        self.key = nn.Linear(config.width, keys, bias=config.biases)
        self.value = nn.Linear(config.width, keys, bias=config.biases)
        self.out = nn.Linear(queries, config.width, bias=config.biases)

    def forward(self, x_BTD: torch.Tensor, frame: Frame) -> torch.Tensor:
        q_BTHK = self.query(x_BTD).unflatten(-1, (-1, self.head_width))
        k_BTJK = self.key(x_BTD).unflatten(-1, (-1, self.head_width))
        v_BTJK = self.value(x_BTD).unflatten(-1, (-1, self.head_width))
        if frame.rotation is not None:
            q_BTHK, k_BTJK = frame.rotation.apply(q_BTHK), frame.rotation.apply(k_BTJK)
        q_BHTK, k_BJSK, v_BJSK = q_BTHK.transpose(1, 2), k_BTJK.transpose(1, 2), v_BTJK.transpose(1, 2)
        if frame.cache is not None:
            k_BJSK, v_BJSK = frame.cache.write(self.layer, k_BJSK, v_BJSK)
        mixed_BHTK = attend(q_BHTK, k_BJSK, v_BJSK, frame.mask, self.dropout if self.training else 0.0)
        y_BTD: torch.Tensor = self.out(mixed_BHTK.transpose(1, 2).flatten(2))
        return y_BTD
