"""The Batch: what every objective makes, every architecture eats, and every loop counts its loss by.

Legend: B rows, T positions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from headwater.tokens.masks import Mask


@dataclass(frozen=True)
class Batch:
    """`B` rows of `T` tokens. A target whose weight is 0 is not learned; `segments` name the document of each token."""

    tokens_BT: torch.Tensor
    targets_BT: torch.Tensor
    weights_BT: torch.Tensor
    positions_BT: torch.Tensor
    segments_BT: torch.Tensor | None
    mask: Mask

    def __len__(self) -> int:
        return self.tokens_BT.shape[0]

    @property
    def weight(self) -> float:
        """What the sum of token losses is divided by."""
        return float(self.weights_BT.sum(dtype=torch.float64))

    def _tensors(self) -> dict[str, Any]:
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}

    def to(self, device: torch.device) -> Batch:
        return dataclasses.replace(self, **{name: tensor.to(device, non_blocking=True) for name, tensor in self._tensors().items()})

    def micro(self, rows: int) -> Iterator[Batch]:
        """The batch in pieces of at most `rows` rows, in order."""
        for start in range(0, len(self), rows):
            yield dataclasses.replace(self, **{name: tensor[start : start + rows] for name, tensor in self._tensors().items()})
