"""What is asked of the last hidden states? A token, a class, a span, a number, a vector: one head each.

In: x_BTD after the last norm, the embedding table (tied heads read it) and which tokens are real. Out: fp32 `logits_BTV`, or what
each class says. Legend: B batch, T time, D width, V vocabulary, C classes.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from headwater.model.config import ModelConfig
from headwater.model.norms import as_operand, build_norm
from headwater.model.parts import EmbeddingHead, LanguageHead, MaskedHead, ScalarHead, SequenceHead, SpanHead, TaggingHead
from headwater.model.products import linear


def build_head(config: ModelConfig) -> nn.Module:
    head = config.head
    if isinstance(head, LanguageHead | MaskedHead):
        return Vocabulary(config, head)
    if isinstance(head, SequenceHead):
        return Sequences(config, head)
    if isinstance(head, TaggingHead):
        return Positions(config.width, head.classes)
    if isinstance(head, SpanHead):
        return Positions(config.width, 2)
    if isinstance(head, ScalarHead):
        return Scalar(config.width)
    assert isinstance(head, EmbeddingHead)
    return Vector(head.pool)


class Vocabulary(nn.Module):
    """`logits_BTV`, fp32."""

    def __init__(self, config: ModelConfig, head: LanguageHead | MaskedHead) -> None:
        super().__init__()
        self.scale = config.logits_scale
        self.softcap = head.softcap if isinstance(head, LanguageHead) else None
        masked = isinstance(head, MaskedHead)
        self.dense = nn.Linear(config.width, config.width) if masked else None
        self.norm = build_norm(config) if masked else None
        self.fall = nn.Linear(config.width, config.table_width, bias=False) if config.table_width != config.width else None
        self.weight = None if config.tied else nn.Parameter(torch.empty(config.vocabulary, config.table_width))
        self.bias = nn.Parameter(torch.zeros(config.vocabulary)) if config.biases.head or masked else None
        pools = isinstance(head, MaskedHead) and head.next_sentence
        self.pool = nn.Linear(config.width, config.width) if pools else None
        self.next_sentence = nn.Linear(config.width, 2) if pools else None

    def forward(self, x_BTD: torch.Tensor, table_VD: torch.Tensor, real_BT: torch.Tensor | None = None) -> torch.Tensor:
        return self.bent(self.products(x_BTD, table_VD, real_BT))

    def products(self, x_BTD: torch.Tensor, table_VD: torch.Tensor, real_BT: torch.Tensor | None = None) -> torch.Tensor:
        """Logits as the matrix product leaves them, in its dtype, before `bent`."""
        if self.dense is not None and self.norm is not None:
            x_BTD = self.norm(functional.gelu(self.dense(x_BTD)).to(x_BTD.dtype), real_BT)
        if self.fall is not None:
            x_BTD = self.fall(x_BTD)
        return self._product(x_BTD, table_VD if self.weight is None else self.weight)

    def logits(self, x_BTD: torch.Tensor, weight_VD: torch.Tensor) -> torch.Tensor:
        """Products with the rows of a table, multiplied and bent as the config wants them."""
        return self.bent(self._product(x_BTD, weight_VD))

    def bent(self, logits_BTV: torch.Tensor) -> torch.Tensor:
        """fp32, and below the softcap where there is one."""
        logits_BTV = logits_BTV.float()
        return logits_BTV if self.softcap is None else self.softcap * torch.tanh(logits_BTV / self.softcap)

    def _product(self, x_BTD: torch.Tensor, weight_VD: torch.Tensor) -> torch.Tensor:
        """D features, not V logits, are multiplied by the scale."""
        bias_V: torch.Tensor | None = self.bias
        if self.scale != 1:
            x_BTD, bias_V = x_BTD * self.scale, None if bias_V is None else bias_V * self.scale
        return linear(as_operand(x_BTD), weight_VD, bias_V)

    def follows(self, x_BTD: torch.Tensor) -> torch.Tensor:
        """`logits_B2`: sentence B follows A, or is a random one (Devlin et al. 2019, section 3.1)."""
        assert self.pool is not None and self.next_sentence is not None, "this head was made without next_sentence"
        logits_B2: torch.Tensor = self.next_sentence(torch.tanh(self.pool(x_BTD[:, 0]))).float()
        return logits_B2


class Sequences(nn.Module):
    """`logits_BC` of whole rows."""

    def __init__(self, config: ModelConfig, head: SequenceHead) -> None:
        super().__init__()
        self.dense = nn.Linear(config.width, config.width) if head.hidden else None
        self.out = nn.Linear(config.width, head.classes)
        self.where, self.dropout = head.pool, nn.Dropout(config.dropout)

    def forward(self, x_BTD: torch.Tensor, table_VD: torch.Tensor, real_BT: torch.Tensor | None = None) -> torch.Tensor:
        x_BD = pool(x_BTD, real_BT, self.where)
        if self.dense is not None:
            x_BD = torch.tanh(self.dense(x_BD))
        logits_BC: torch.Tensor = self.out(self.dropout(x_BD)).float()
        return logits_BC


class Positions(nn.Module):
    """`logits_BTC`: tags, or (C = 2) where a span begins and ends."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.out = nn.Linear(width, classes)

    def forward(self, x_BTD: torch.Tensor, table_VD: torch.Tensor, real_BT: torch.Tensor | None = None) -> torch.Tensor:
        logits_BTC: torch.Tensor = self.out(as_operand(x_BTD)).float()
        return logits_BTC


class Scalar(nn.Module):
    """`values_BT`. Its weights begin with std 1/sqrt(D + 1) (Stiennon et al. 2020, appendix C)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out = nn.Linear(width, 1)

    def forward(self, x_BTD: torch.Tensor, table_VD: torch.Tensor, real_BT: torch.Tensor | None = None) -> torch.Tensor:
        values_BT: torch.Tensor = self.out(as_operand(x_BTD)).float().squeeze(-1)
        return values_BT


class Vector(nn.Module):
    """`vectors_BD` of length 1."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    def forward(self, x_BTD: torch.Tensor, table_VD: torch.Tensor, real_BT: torch.Tensor | None = None) -> torch.Tensor:
        return functional.normalize(pool(x_BTD, real_BT, self.where).float(), dim=-1)


def pool(x_BTD: torch.Tensor, real_BT: torch.Tensor | None, where: str) -> torch.Tensor:
    """`x_BD`: each row's first or last real token, or the mean of its real ones, on whichever side the padding stands."""
    if real_BT is None:
        return x_BTD.mean(dim=1) if where == "mean" else x_BTD[:, 0 if where == "first" else -1]
    if where == "mean":
        share_BT = real_BT / real_BT.sum(dim=1, keepdim=True)
        return (x_BTD * share_BT[..., None].to(x_BTD.dtype)).sum(dim=1)
    places_T = torch.arange(real_BT.shape[1], device=real_BT.device)
    place_B = torch.where(real_BT, places_T, -1).argmax(dim=1) if where == "last" else real_BT.int().argmax(dim=1)
    return x_BTD[torch.arange(len(x_BTD), device=x_BTD.device), place_B]
