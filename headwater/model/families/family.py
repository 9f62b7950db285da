"""What is a family? How one published architecture names what our network has: a config and a list of tensors, nothing else.

A stored tensor is made of one or more of ours, one below the other, and perhaps lies transposed. `store` and `restore` are the
two directions of that list, inverse to each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from headwater.model.config import ModelConfig


@dataclass(frozen=True)
class Stored:
    """One tensor of a checkpoint: `name` there, made of `parts` here."""

    name: str
    parts: tuple[str, ...]
    transposed: bool = False

    def shape(self, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
        """Its shape in the checkpoint, from the shapes of our parts."""
        stacked = (sum(shapes[part][0] for part in self.parts), *shapes[self.parts[0]][1:])
        return stacked[::-1] if self.transposed else stacked


@dataclass(frozen=True)
class Family:
    """`mismatch` is None, or why a config is not of this family; `config` is its config.json without the token ids."""

    name: str
    mismatch: Callable[[ModelConfig], str | None]
    config: Callable[[ModelConfig], dict[str, Any]]
    tensors: Callable[[ModelConfig], list[Stored]]


def store(stored: list[Stored], ours: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Our tensors as the family keeps them, fp32, each with memory of its own."""
    tensors = {}
    for entry in stored:
        stacked = torch.cat([ours[part].detach().to("cpu", torch.float32) for part in entry.parts])
        tensors[entry.name] = (stacked.T if entry.transposed else stacked).contiguous()
    return tensors


def restore(stored: list[Stored], theirs: Mapping[str, torch.Tensor], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    """The family's tensors as ours, fp32; `shapes` are ours."""
    tensors = {}
    for entry in stored:
        stacked = theirs[entry.name].T if entry.transposed else theirs[entry.name]
        pieces = torch.split(stacked.float(), [shapes[part][0] for part in entry.parts])
        tensors.update({part: piece.contiguous() for part, piece in zip(entry.parts, pieces, strict=True)})
    return tensors
