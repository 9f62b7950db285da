"""Denoising: write what a noised text was. T5's span corruption, UL2's mixture of denoisers, and BART's.

a text  ->  a source (the noised text) and a target (what is missing, or the text whole), as objectives/pairs.py lays them
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headwater.objectives.lengths import masked_count
from headwater.objectives.pairs import Pairs
from headwater.objectives.rows import Ids, Layout, Row
from headwater.objectives.spans import corrupted, infilled, noise_spans, poisson_lengths, scattered, tail_span


@dataclass(frozen=True)
class Denoiser:
    """Spans of `mean` tokens, or one at the end, in the first `raw` tokens of the text; `mode` goes before the source."""

    raw: int
    density: float
    mean: float | None
    mode: int | None = None

    def pair(self, ids: Ids, sentinels: Ids, end: int, stream: np.random.Generator) -> tuple[Ids, Ids]:
        ids = ids[: self.raw]
        count, share = len(ids), self.density
        spans = tail_span(count, share, stream) if self.mean is None else noise_spans(count, share, self.mean, stream)
        source, target = corrupted(ids, spans, sentinels, end)
        return source if self.mode is None else np.concatenate([[self.mode], source]), target


@dataclass(frozen=True)
class Corruption:
    """Denoisers by weight, one drawn for each row (T5 has one, UL2 seven)."""

    denoisers: tuple[Denoiser, ...]
    shares: tuple[float, ...]
    sentinels: Ids
    end: int
    pairs: Pairs
    windows: int = 1

    @property
    def raw(self) -> int:
        return max(denoiser.raw for denoiser in self.denoisers)

    @property
    def layout(self) -> Layout:
        return self.pairs.layout

    def row(self, texts: Sequence[Ids], stream: np.random.Generator) -> Row:
        chosen = int(stream.choice(len(self.denoisers), p=self.shares)) if len(self.denoisers) > 1 else 0
        return self.pairs.row(*self.denoisers[chosen].pair(texts[0], self.sentinels, self.end, stream))


@dataclass(frozen=True)
class Rewriting:
    """BART's noises (Lewis et al. 2020, section 2.2), in this order: sentences permuted, tokens deleted, spans infilled, tokens masked.

    `ends_sentence` is a table over the vocabulary, or None where sentences stay.
    """

    raw: int
    infill: float
    mean: float
    delete: float
    mask: float
    mask_id: int
    ends_sentence: Ids | None
    end: int
    pairs: Pairs
    windows: int = 1

    @property
    def layout(self) -> Layout:
        return self.pairs.layout

    def row(self, texts: Sequence[Ids], stream: np.random.Generator) -> Row:
        ids = texts[0][: self.raw]
        closing = np.array([self.end])
        return self.pairs.row(np.concatenate([self.noised(ids, stream), closing]), np.concatenate([ids, closing]))

    def noised(self, ids: Ids, stream: np.random.Generator) -> Ids:
        """Never longer than the text."""
        if self.ends_sentence is not None:
            ids = permuted(ids, self.ends_sentence, stream)
        if self.delete:
            ids = ids[stream.random(len(ids)) >= self.delete]
        if self.infill and len(ids):
            total = masked_count(len(ids), self.infill)
            # As many masks as hidden tokens at most, with a kept token between two of them.
            lengths = poisson_lengths(total, self.mean, min(total, len(ids) - total + 1), stream, empty=True)
            ids = infilled(ids, scattered(len(ids), lengths, stream), self.mask_id)
        if self.mask:
            ids = np.where(stream.random(len(ids)) < self.mask, self.mask_id, ids)
        return ids


def permuted(ids: Ids, ends_sentence: Ids, stream: np.random.Generator) -> Ids:
    """The text's sentences in a random order."""
    sentences = np.split(ids, np.flatnonzero(ends_sentence[ids[:-1]]) + 1)
    return np.concatenate([sentences[place] for place in stream.permutation(len(sentences))])
