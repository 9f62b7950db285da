"""From texts to a Batch: what every objective has in common.

    make(objective, texts, streams)    one row for each of `texts`, by its own random stream  ->  Batch

An objective makes each row by itself, from its text and its stream alone, so that a row has the same bytes in whatever batch it
stands; the shapes of the batch follow from the config. Legend: B rows, T positions, S of a source, F further targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from headwater.tokens.batch import Batch, Inputs
from headwater.tokens.masks import Mask, causal, documents, full, prefix

Ids = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Layout:
    """The shape of a batch, the same for all its rows.

    `fields` are those of Inputs that vary; a row that leaves one out means by it what it means at rest (places count from 0, all is
    one document, nothing is given). A batch with a source has `source_length`, and "source_segments" where sources differ in length.
    """

    length: int
    pad: int
    both_ways: bool = False
    apart: bool = False
    """Whether documents of a row see only themselves."""
    fields: frozenset[str] = frozenset()
    source_length: int | None = None
    future: int = 0
    label_weight: float | None = None

    @property
    def mask(self) -> Mask:
        mask = full() if self.both_ways else causal()
        if "prefix" in self.fields:
            mask = mask | prefix()
        return mask & documents() if self.apart else mask


@dataclass(frozen=True)
class Row:
    """One row, as long as it is. `weights` say how much each target is learned; None means that all are."""

    tokens: Ids
    targets: Ids
    weights: Ids | None = None
    positions: Ids | None = None
    segments: Ids | None = None
    prefix: Ids | None = None
    types: Ids | None = None
    blocks: Ids | None = None
    source: Ids | None = None
    source_segments: Ids | None = None
    source_positions: Ids | None = None
    ahead: Ids | None = None
    ahead_weights: Ids | None = None
    label: int | None = None


class Objective(Protocol):
    """What objectives/build.py makes of a config. `raw` tokens of each of `windows` texts make a row, with the token that follows."""

    @property
    def raw(self) -> int: ...

    @property
    def windows(self) -> int: ...

    @property
    def layout(self) -> Layout: ...

    def row(self, texts: Sequence[Ids], stream: np.random.Generator) -> Row: ...


def make(objective: Objective, texts: Sequence[Sequence[Ids]], streams: Sequence[np.random.Generator]) -> Batch:
    """`texts[b]` are the `windows` texts of row b, int64 ids, each of at least `raw` + 1 tokens."""
    assert len(texts) == len(streams), "each row has a stream of its own"
    rows = [objective.row(windows, stream) for windows, stream in zip(texts, streams, strict=True)]
    return lay(rows, objective.layout)


def lay(rows: Sequence[Row], layout: Layout) -> Batch:
    """Rows side by side, padded to the lengths of the layout."""
    T, pad, fields = layout.length, layout.pad, layout.fields
    tokens_BT = _filled([row.tokens for row in rows], T, pad)
    segments = [np.ones(len(row.tokens), np.int64) if row.segments is None else row.segments for row in rows]
    # A decoder's padding belongs to its last document, so that its cross-attention has something to see.
    last = [int(each[-1]) for each in segments] if layout.source_length is not None else 0
    positions = [np.arange(len(row.tokens)) if row.positions is None else row.positions for row in rows]
    inputs = Inputs(
        tokens_BT,
        positions_BT=_filled(positions, T, 0) if "positions" in fields else None,
        segments_BT=_filled(segments, T, last) if "segments" in fields else None,
        mask=layout.mask,
        prefix_BT=_filled([row.prefix for row in rows], T, False) if "prefix" in fields else None,
        types_BT=_filled([row.types for row in rows], T, 0) if "types" in fields else None,
        blocks_BT=_filled([row.blocks for row in rows], T, 0) if "blocks" in fields else None,
        padding_BT=_padding(rows, T) if layout.source_length is not None else None,
    )
    weights = [np.ones(len(row.tokens), np.float32) if row.weights is None else row.weights for row in rows]
    labelled = layout.label_weight is not None
    return Batch(
        inputs,
        targets_BT=_filled([row.targets for row in rows], T, pad),
        weights_BT=_filled(weights, T, 0.0),
        source=_source(rows, layout),
        ahead_BTF=_filled([row.ahead for row in rows], T, pad, layout.future) if layout.future else None,
        ahead_weights_BTF=_filled([row.ahead_weights for row in rows], T, 0.0, layout.future) if layout.future else None,
        labels=torch.tensor([row.label for row in rows]) if labelled else None,
        label_weight=layout.label_weight if layout.label_weight is not None else 1.0,
    )


def _padding(rows: Sequence[Row], length: int) -> torch.Tensor:
    """`[B, T]`: what stands behind a row's own tokens."""
    lengths_B = torch.tensor([len(row.tokens) for row in rows])
    return torch.arange(length) >= lengths_B[:, None]


def _source(rows: Sequence[Row], layout: Layout) -> Inputs | None:
    S = layout.source_length
    if S is None:
        return None
    sources = [row.source for row in rows if row.source is not None]
    assert len(sources) == len(rows), "a row without a source"
    positions = [
        np.arange(len(source)) if row.source_positions is None else row.source_positions for row, source in zip(rows, sources, strict=True)
    ]
    segments = [
        np.ones(len(source), np.int64) if row.source_segments is None else row.source_segments
        for row, source in zip(rows, sources, strict=True)
    ]
    varies = "source_segments" in layout.fields
    return Inputs(
        _filled(sources, S, layout.pad),
        positions_BT=_filled(positions, S, 0) if "source_positions" in layout.fields else None,
        segments_BT=_filled(segments, S, 0) if varies else None,
        mask=full() & documents() if varies else full(),
    )


def _filled(arrays: Sequence[Ids | None], length: int, rest: float | Sequence[int], depth: int = 0) -> torch.Tensor:
    """`[B, length]` (or `[B, length, depth]`): each array from the left, then `rest` (one for all rows, or one each)."""
    one_each = isinstance(rest, Sequence)
    dtype = np.dtype(np.int64) if one_each else _DTYPES[type(rest)]
    out = np.empty((len(arrays), length, depth) if depth else (len(arrays), length), dtype)
    for number, array in enumerate(arrays):
        size = 0 if array is None else len(array)
        assert size <= length, f"a row of {size} tokens where {length} fit"
        if array is not None:
            out[number, :size] = array
        out[number, size:] = rest[number] if isinstance(rest, Sequence) else rest
    return torch.from_numpy(out)


_DTYPES: dict[type, np.dtype[Any]] = {bool: np.dtype(np.bool_), int: np.dtype(np.int64), float: np.dtype(np.float32)}


def documents_in(tokens: Ids, end: int) -> tuple[Ids, Ids]:
    """`(segments, positions)` of a row's documents: each begins at the end token that closes the one before it.

    Segments are counted from 1, since 0 is padding; positions start anew.
    """
    begins = tokens == end
    places = np.arange(len(tokens))
    return begins.cumsum() + 1, places - np.maximum.accumulate(np.where(begins, places, 0))
