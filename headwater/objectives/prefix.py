"""Prefix language modelling: predict the rest of a text from its beginning, which is read both ways (Liu et al. 2018; Raffel et al. 2020,
section 3.2.1). The cut is uniform.

    a text of T + 1 tokens  ->  a row of T positions, of which those after the cut are learned; or a source and a target
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headwater.objectives.pairs import Pairs, learned_after
from headwater.objectives.rows import Ids, Layout, Row, documents_in


@dataclass(frozen=True)
class Prefix:
    """For a decoder. Without `across_documents` each document of the row has a cut of its own and sees only itself."""

    raw: int
    end: int
    pad: int
    across_documents: bool = True
    windows: int = 1

    @property
    def layout(self) -> Layout:
        fields = frozenset({"prefix"}) if self.across_documents else frozenset({"prefix", "positions", "segments"})
        return Layout(self.raw, self.pad, apart=not self.across_documents, fields=fields)

    def row(self, texts: Sequence[Ids], stream: np.random.Generator) -> Row:
        ids = texts[0][: self.raw + 1]
        tokens, targets = ids[:-1], ids[1:]
        if self.across_documents:
            cut = int(stream.integers(1, len(tokens) + 1))
            return Row(tokens, targets, learned_after(cut, len(tokens)), prefix=np.arange(len(tokens)) < cut)
        segments, positions = documents_in(tokens, self.end)
        lengths = np.bincount(segments - segments[0])
        cuts = stream.integers(1, lengths + 1)[segments - segments[0]]
        return Row(tokens, targets, (positions >= cuts - 1).astype(np.float32), positions, segments, prefix=positions < cuts)


@dataclass(frozen=True)
class SplitPrefix:
    """For an encoder–decoder: its encoder reads the beginning."""

    raw: int
    pairs: Pairs
    windows: int = 1

    @property
    def layout(self) -> Layout:
        return self.pairs.layout

    def row(self, texts: Sequence[Ids], stream: np.random.Generator) -> Row:
        ids = texts[0][: self.raw + 1]
        cut = int(stream.integers(1, len(ids)))
        return self.pairs.row(ids[:cut], ids[cut:])
