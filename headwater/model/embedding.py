"""What is a token before the first block? Its row of a table, with what else the config adds to it.

In: Inputs and positions_BT. Out: x_BTD, fp32. Legend: B batch, T time, D width, V vocabulary.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from headwater.model.config import ModelConfig
from headwater.model.norms import build_norm
from headwater.model.positions import sinusoid
from headwater.tokens.batch import Inputs


def table(rows: int, width: int) -> nn.Embedding:
    """Unwritten: torch's own draw would be thrown away (init.py), and on the meta device it takes a second to import the compiler."""
    unwritten: nn.Embedding = nn.Embedding.from_pretrained(torch.empty(rows, width), freeze=False)  # type: ignore[no-untyped-call]
    return unwritten


class TokenEmbedding(nn.Module):
    """Tables of tokens, and where the config has them of positions, blocks and types; then norm and dropout."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, places = config.table_width, config.positions.kind
        self.tokens = table(config.vocabulary, width)
        self.rise = nn.Linear(width, config.width, bias=False) if width != config.width else None
        self.positions = table(config.context, config.width) if places in ("learned", "glm") else None
        self.blocks = table(config.context, config.width) if places == "glm" else None
        self.types = table(config.embedding.types, config.width) if config.embedding.types else None
        self.norm = build_norm(config) if config.embedding.norm else None
        scale = config.embedding.scale
        self.scale = math.sqrt(config.width) if scale == "width" else scale
        self.sinusoidal, self.width = places == "sinusoidal", config.width
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, inputs: Inputs, positions_BT: torch.Tensor) -> torch.Tensor:
        x_BTD: torch.Tensor = self.tokens(inputs.tokens_BT)
        if self.rise is not None:
            x_BTD = self.rise(x_BTD).to(x_BTD.dtype)  # the residual stream stays fp32 under autocast
        if self.scale is not None:
            x_BTD = x_BTD * self.scale
        if self.positions is not None:
            x_BTD = x_BTD + self.positions(positions_BT)
        if self.blocks is not None:
            x_BTD = x_BTD + self.blocks(torch.zeros_like(positions_BT) if inputs.blocks_BT is None else inputs.blocks_BT)
        if self.sinusoidal:
            x_BTD = x_BTD + sinusoid(positions_BT, self.width).to(x_BTD.dtype)
        if self.types is not None:
            x_BTD = x_BTD + self.types(torch.zeros_like(inputs.tokens_BT) if inputs.types_BT is None else inputs.types_BT)
        if self.norm is not None:
            x_BTD = self.norm(x_BTD, inputs.real_BT)
        dropped_BTD: torch.Tensor = self.dropout(x_BTD)
        return dropped_BTD
