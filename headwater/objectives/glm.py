"""Autoregressive blank infilling (Du et al. 2022, section 2.1; Zeng et al. 2023, section 2.2): spans are cut out of a text, and
written after it one by one in random order, while the given text is read both ways.

    x1 x2 x3 x4 x5, spans x3 and x5   ->   x1 x2 M x4 M | S x5 | S x3        learned: x5 E, x3 E
                              positions    0  1  2 3  4 | 4 4  | 2 2
                              blocks       0  0  0 0  0 | 1 2  | 1 2
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headwater.objectives.lengths import masked_count
from headwater.objectives.rows import Ids, Layout, Row
from headwater.objectives.spans import Span, infilled, poisson_lengths, scattered


@dataclass(frozen=True)
class GLM:
    """A share `short` of rows has short spans, the others one long span at the end. `two_dimensional`: positions as above, else the
    places in the row."""

    length: int
    short: float
    density: float
    mean: float
    least: float
    most: float
    mask: int
    gmask: int
    sop: int
    eop: int
    pad: int
    two_dimensional: bool
    windows: int = 1

    @property
    def raw(self) -> int:
        return self.length - 2

    @property
    def layout(self) -> Layout:
        two = {"positions", "blocks"} if self.two_dimensional else set()
        return Layout(self.length, self.pad, fields=frozenset({"prefix", "segments", *two}))

    def row(self, texts: Sequence[Ids], stream: np.random.Generator) -> Row:
        ids = texts[0]
        if stream.random() >= self.short:
            ids = ids[: self.raw]
            length = int(stream.integers(max(1, round(self.least * len(ids))), round(self.most * len(ids)) + 1))
            return self.filled_in(ids, [(len(ids) - length, length)], [0], self.gmask)
        tokens = short_text(self.length, self.density)
        total = masked_count(tokens, self.density)
        lengths = poisson_lengths(total, self.mean, most_spans(total), stream, empty=False)
        spans = scattered(tokens, lengths, stream)
        return self.filled_in(ids[:tokens], spans, [int(place) for place in stream.permutation(len(spans))], self.mask)

    def filled_in(self, ids: Ids, spans: Sequence[Span], order: Sequence[int], mask: int) -> Row:
        """The row whose blanks are written in this order."""
        given = infilled(ids, spans, mask)
        blanks = np.flatnonzero(given == mask)
        tokens, targets = [given], [np.full(len(given), self.pad)]
        positions, blocks = [np.arange(len(given))], [np.zeros(len(given), np.int64)]
        for place in order:
            start, length = spans[place]
            span = ids[start : start + length]
            tokens += [np.array([self.sop]), span]
            targets += [span, np.array([self.eop])]
            positions.append(np.full(length + 1, blanks[place]))
            blocks.append(np.arange(1, length + 2))
        count = sum(map(len, tokens))
        prefix = np.arange(count) < len(given)
        weights = (~prefix).astype(np.float32)
        row = Row(np.concatenate(tokens), np.concatenate(targets), weights, prefix=prefix)
        if not self.two_dimensional:
            return row
        return dataclasses.replace(row, positions=np.concatenate(positions), blocks=np.concatenate(blocks))


def most_spans(total: int) -> int:
    """Spans of 3.2 tokens (a Poisson of 3 without its zeros) are far fewer than half of the hidden tokens."""
    return max(1, total // 2)


def short_text(length: int, density: float) -> int:
    """The longest text that leaves room for a mask and a start for each of its spans."""
    tokens = length - 2
    while tokens + 2 * most_spans(masked_count(tokens, density)) > length:
        tokens -= 1
    return tokens
