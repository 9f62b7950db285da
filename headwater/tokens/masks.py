"""Which position may look at which: one small algebra, composed with `&` and `|`.

    causal() & documents()                    a decoder on packed documents that may not see each other
    full() & documents()                      an encoder; its padding is a document of its own
    (causal() | prefix()) & documents()       a prefix decoder: what is given sees itself whole, what is learned looks back
    causal() & window(128)                    a band below the diagonal (GPT-3's sparse layers, Mistral)
    causal() & (window(128) | strided(128))   the strided pattern of the Sparse Transformer (Child et al. 2019, section 4.2)

A mask is a description without tensors. `dense` lowers it to the reference that every faster lowering must equal: a
boolean `allowed_BQK`, true where query q may attend to key k. Legend: B batch (or 1), Q queries, K keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Places:
    """Where queries and keys stand: their order in the row, the document (segment) of each, and which keys are given text."""

    query_BQ: torch.Tensor
    key_BK: torch.Tensor
    query_segments_BQ: torch.Tensor | None = None
    key_segments_BK: torch.Tensor | None = None
    key_prefix_BK: torch.Tensor | None = None


class Mask:
    """Base of the algebra; a mask is equal to another when it says the same in the same words."""

    def dense(self, places: Places) -> torch.Tensor:
        """`allowed_BQK`, boolean."""
        raise TypeError(f"{type(self).__name__} does not say what it allows")

    def __and__(self, other: Mask) -> Mask:
        return self if isinstance(other, Full) else other if isinstance(self, Full) else Both(self, other)

    def __or__(self, other: Mask) -> Mask:
        return Full() if isinstance(self, Full) or isinstance(other, Full) else Either(self, other)


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


@dataclass(frozen=True)
class Prefix(Mask):
    def dense(self, places: Places) -> torch.Tensor:
        assert places.key_prefix_BK is not None, "prefix() needs to know which tokens are given"
        return places.key_prefix_BK[:, None, :].expand(-1, places.query_BQ.shape[1], -1)


@dataclass(frozen=True)
class Window(Mask):
    size: int

    def dense(self, places: Places) -> torch.Tensor:
        return (places.query_BQ[:, :, None] - places.key_BK[:, None, :]).abs() < self.size


@dataclass(frozen=True)
class Strided(Mask):
    stride: int

    def dense(self, places: Places) -> torch.Tensor:
        return (places.query_BQ[:, :, None] - places.key_BK[:, None, :]) % self.stride == 0


def full() -> Mask:
    """Everything sees everything."""
    return Full()


def causal() -> Mask:
    """A position sees itself and what stands before it in its row."""
    return Causal()


def documents() -> Mask:
    """A position sees only its own document; the batch's segments say which that is."""
    return Documents()


def prefix() -> Mask:
    """Every position sees the given text; the batch says which tokens those are. With documents(), that of its own document."""
    return Prefix()


def window(size: int) -> Mask:
    """A position sees those less than `size` places away, itself included."""
    assert size > 0, "a window of nothing"
    return Window(size)


def strided(stride: int) -> Mask:
    """A position sees every `stride`-th before and after it, and itself."""
    assert stride > 0, "a stride of nothing"
    return Strided(stride)
