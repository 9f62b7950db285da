"""Several objectives at once, by weight: each row, or each batch, is one of them.

Rows of different objectives stand in one batch, whose layout has room for all.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headwater.objectives.rows import Ids, Layout, Objective, Row


@dataclass(frozen=True)
class Mixture:
    """`shares` sum to 1."""

    parts: tuple[Objective, ...]
    shares: tuple[float, ...]
    by_batch: bool = False

    @property
    def raw(self) -> int:
        return max(part.raw for part in self.parts)

    @property
    def windows(self) -> int:
        return max(part.windows for part in self.parts)

    @functools.cached_property
    def layout(self) -> Layout:
        return functools.reduce(joined, (part.layout for part in self.parts))

    def row(self, texts: Sequence[Ids], stream: np.random.Generator) -> Row:
        return self.one(stream).row(texts, stream)

    def one(self, stream: np.random.Generator) -> Objective:
        """The objective that this stream draws."""
        return self.parts[int(stream.choice(len(self.parts), p=self.shares))]


def joined(left: Layout, right: Layout) -> Layout:
    """A layout in which rows of either stand as they would in their own: what one of them lacks is at rest in its rows."""
    assert left.both_ways == right.both_ways and (left.source_length is None) == (right.source_length is None)
    length = max(left.length, right.length)
    fields = left.fields | right.fields
    if left.length != right.length or left.apart != right.apart:
        fields |= {"segments"}
    source_length = None
    if left.source_length is not None and right.source_length is not None:
        source_length = max(left.source_length, right.source_length)
        if left.source_length != right.source_length:
            fields |= {"source_segments"}
    return dataclasses.replace(left, length=length, apart=left.apart or right.apart, fields=fields, source_length=source_length)
