"""The Batch: what every objective makes, every architecture eats, and every loop counts its loss by.

    network(batch.inputs, source=batch.source)  ->  logits_BTV, learned at targets_BT by weights_BT

Legend: B rows, T positions (S of an encoder's), F further targets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from headwater.tokens.masks import Mask, causal

CAUSAL = causal()


@dataclass(frozen=True)
class Inputs:
    """What one stack reads: tokens, where they stand, and what each may see.

    `positions_BT` default to the places in the row. `segments_BT` name the document of each token, 0 is padding. `prefix_BT` marks
    the tokens that are given rather than learned (for the prefix mask), `types_BT` BERT's sentence A or B, `blocks_BT` GLM's
    second position (0 in the given text, then the place inside the span that is written). `padding_BT` says what is padding where
    segments do not (a decoder's padding belongs to a document, so that it has a source to see).
    """

    tokens_BT: torch.Tensor
    positions_BT: torch.Tensor | None = None
    segments_BT: torch.Tensor | None = None
    mask: Mask = CAUSAL
    prefix_BT: torch.Tensor | None = None
    types_BT: torch.Tensor | None = None
    blocks_BT: torch.Tensor | None = None
    padding_BT: torch.Tensor | None = None

    @property
    def real_BT(self) -> torch.Tensor | None:  # noqa: N802 (a shape suffix)
        """Which tokens are not padding; None where all are real."""
        if self.padding_BT is not None:
            return ~self.padding_BT
        return None if self.segments_BT is None else self.segments_BT > 0


@dataclass(frozen=True)
class Batch:
    """`B` rows of `T` tokens; a target whose weight is 0 is not learned.

    `source` is what the encoder of an encoder–decoder reads (`inputs` are then the decoder's). `ahead_BTF` are targets 2 … F + 1
    places ahead, for multi-token prediction, counted by `ahead_weights_BTF`. Where `own_BT` is true the decoder reads its own
    prediction instead of the given token (scheduled sampling, Bengio et al. 2015). `labels` belong to whole rows: classes [B],
    values [B], or the first and last token of an answer [B, 2]; one counts as much as `label_weight` tokens.
    """

    inputs: Inputs
    targets_BT: torch.Tensor
    weights_BT: torch.Tensor
    source: Inputs | None = None
    ahead_BTF: torch.Tensor | None = None
    ahead_weights_BTF: torch.Tensor | None = None
    own_BT: torch.Tensor | None = None
    labels: torch.Tensor | None = None
    label_weight: float = 1.0

    def __len__(self) -> int:
        return self.inputs.tokens_BT.shape[0]

    @property
    def weight(self) -> float:
        """What the sum of losses is divided by: the learned tokens, or the rows where only labels are learned."""
        tokens = float(self.weights_BT.sum(dtype=torch.float64))
        return tokens if tokens or self.labels is None else len(self) * self.label_weight

    @property
    def size(self) -> int:
        """Tokens that are read, padding included."""
        return self.inputs.tokens_BT.numel() + (0 if self.source is None else self.source.tokens_BT.numel())

    def to(self, device: torch.device) -> Batch:
        return _each(self, lambda tensor: tensor.to(device, non_blocking=True))

    def micro(self, rows: int) -> Iterator[Batch]:
        """The batch in pieces of at most `rows` rows, in order."""
        for start in range(0, len(self), rows):
            yield _each(self, lambda tensor, start=start: tensor[start : start + rows])

    def take(self, rows_R: torch.Tensor) -> Batch:
        """These rows, in this order."""
        return _each(self, lambda tensor: tensor.index_select(0, rows_R.to(tensor.device)))


R = TypeVar("R", Batch, Inputs)


def _each(record: R, change: Any) -> R:
    """The same record with every tensor in it changed."""
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if isinstance(value, torch.Tensor):
            changed[field.name] = change(value)
        elif isinstance(value, Inputs):
            changed[field.name] = _each(value, change)
    return dataclasses.replace(record, **changed)
