"""Which position may look at which: one small algebra, composed with `&` and `|`.

    causal() & documents()      a decoder on packed documents that may not see each other
    full()                      an encoder

A mask is a description without tensors. `dense` lowers it to the reference that every faster lowering must equal: a
boolean `allowed_BQK`, true where query q may attend to key k. Legend: B batch, Q queries, K keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Places:
    """Where queries and keys stand: their order in the row, and the document (segment) that they belong to."""

    query_BQ: torch.Tensor
    key_BK: torch.Tensor
    query_segments_BQ: torch.Tensor | None = None
    key_segments_BK: torch.Tensor | None = None


class Mask:
    """Base of the algebra; a mask is equal to another when it says the same in the same words."""

    def dense(self, places: Places) -> torch.Tensor:
        """`allowed_BQK`, boolean."""
        raise TypeError(f"{type(self).__name__} does not say what it allows")

    def __and__(self, other: Mask) -> Mask:
        return Both(self, other)

    def __or__(self, other: Mask) -> Mask:
        return Either(self, other)


@dataclass(frozen=True)
class Both(Mask):
    left: Mask
    right: Mask

    def dense(self, places: Places) -> torch.Tensor:
        return self.left.dense(places) & self.right.dense(places)


@dataclass(frozen=True)
class Either(Mask):
    left: Mask
    right: Mask

    def dense(self, places: Places) -> torch.Tensor:
        return self.left.dense(places) | self.right.dense(places)


@dataclass(frozen=True)
class Full(Mask):
    def dense(self, places: Places) -> torch.Tensor:
        import torch

        (rows, queries), keys = places.query_BQ.shape, places.key_BK.shape[1]
        return torch.ones(rows, queries, keys, dtype=torch.bool, device=places.query_BQ.device)


@dataclass(frozen=True)
class Causal(Mask):
    def dense(self, places: Places) -> torch.Tensor:
        return places.key_BK[:, None, :] <= places.query_BQ[:, :, None]


@dataclass(frozen=True)
class Documents(Mask):
    def dense(self, places: Places) -> torch.Tensor:
        assert places.query_segments_BQ is not None and places.key_segments_BK is not None, "documents() needs segments"
        return places.query_segments_BQ[:, :, None] == places.key_segments_BK[:, None, :]


def full() -> Mask:
    """Everything sees everything."""
    return Full()


def causal() -> Mask:
    """A position sees itself and what stands before it in its row."""
    return Causal()


def documents() -> Mask:
    """A position sees only its own document; the batch's segments say which that is."""
    return Documents()
