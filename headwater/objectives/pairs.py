"""How does a network read a source and write its target? A decoder in one row, an encoder–decoder in one each.

In: ids of a source and of a target. Out: a Row.

    decoder            tokens s1 s2 t1 t2,  targets s2 t1 t2 t3,  learned are the t; the source sees itself both ways
    encoder–decoder    source s1 s2, tokens start t1 t2,  targets t1 t2 t3
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headwater.objectives.rows import Ids, Layout, Row


@dataclass(frozen=True)
class Pairs:
    """Rows of `length` tokens, and where an encoder reads the source, `source_length` of it.

    `exact`: every source is as long as that, so that none has padding.
    """

    length: int
    pad: int
    start: int
    source_length: int | None = None
    exact: bool = False

    @property
    def layout(self) -> Layout:
        if self.source_length is not None:
            fields = frozenset() if self.exact else frozenset({"source_segments"})
            return Layout(self.length, self.pad, fields=fields, source_length=self.source_length)
        # Padding stands to the right, where no token looks; segments tell it from text for whatever counts tokens.
        fields = frozenset({"prefix"}) if self.exact else frozenset({"prefix", "segments"})
        return Layout(self.length, self.pad, fields=fields)

    def row(self, source: Ids, target: Ids) -> Row:
        if self.source_length is not None:
            return Row(np.concatenate([[self.start], target[:-1]]), target, source=source)
        both = np.concatenate([source, target])
        given = np.arange(len(both) - 1) < len(source)
        return Row(both[:-1], both[1:], weights=learned_after(len(source), len(both) - 1), prefix=given)


def learned_after(given: int, length: int) -> Ids:
    """Weights: the last given token is the first that has something to predict."""
    return (np.arange(length) >= given - 1).astype(np.float32)
