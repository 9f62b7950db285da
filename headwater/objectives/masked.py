"""Masked language modelling: predict hidden tokens from those on both sides; and whether a text follows another (Devlin et al. 2019,
section 3.1 and appendix A.1).

    a text of n tokens   ->  cls text sep, with some of its tokens hidden, and learned there
    with next sentence   ->  cls A sep B sep; B goes on where A ends (label 0), or is the beginning of another text (label 1)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headwater.objectives.lengths import masked_count
from headwater.objectives.rows import Ids, Layout, Row, documents_in
from headwater.objectives.words import Words


@dataclass(frozen=True)
class Masked:
    """`rate` of a row's tokens are chosen; of those a share `mask` is hidden, a share `random` is any of `ordinary`, the rest stays.

    With `words`, whole words are chosen. End tokens are never.
    """

    raw: int
    rate: float
    mask: float
    random: float
    words: Words | None
    next_sentence: bool
    across_documents: bool
    mask_id: int
    cls: int
    sep: int
    end: int
    pad: int
    ordinary: Ids

    @property
    def windows(self) -> int:
        return 2 if self.next_sentence else 1

    @property
    def layout(self) -> Layout:
        length = self.raw + (3 if self.next_sentence else 2)
        apart = not self.across_documents
        fields = frozenset({"types"} if self.next_sentence else {"positions", "segments"} if apart else set())
        # BERT adds the mean over tokens to the mean over rows: a row's label then weighs as much as its hidden tokens.
        weight = float(masked_count(self.raw, self.rate)) if self.next_sentence else None
        return Layout(length, self.pad, both_ways=True, apart=apart, fields=fields, label_weight=weight)

    def row(self, texts: Sequence[Ids], stream: np.random.Generator) -> Row:
        cls, sep = np.array([self.cls]), np.array([self.sep])
        if not self.next_sentence:
            ids = np.concatenate([cls, texts[0][: self.raw], sep])
            segments, positions = (None, None) if self.across_documents else documents_in(ids, self.end)
            tokens, weights = self.hidden(ids, stream)
            return Row(tokens, ids, weights, positions, segments)
        cut = int(stream.integers(1, self.raw))
        elsewhere = int(stream.integers(2))
        first = texts[0][:cut]
        second = texts[1][: self.raw - cut] if elsewhere else texts[0][cut : self.raw]
        ids = np.concatenate([cls, first, sep, second, sep])
        tokens, weights = self.hidden(ids, stream)
        return Row(tokens, ids, weights, types=(np.arange(len(ids)) >= cut + 2).astype(np.int64), label=elsewhere)

    def hidden(self, ids: Ids, stream: np.random.Generator) -> tuple[Ids, Ids]:
        """What the network reads, and the weight of each target."""
        may = (ids != self.end) & (ids != self.cls) & (ids != self.sep)
        wanted = min(masked_count(self.raw, self.rate), int(may.sum()))
        if self.words is None:
            chosen = stream.permutation(np.flatnonzero(may))[:wanted]
        else:
            chosen = _whole_words(self.words.numbers(ids), may, wanted, stream)
        fate = stream.random(len(chosen))
        tokens = ids.copy()
        tokens[chosen[fate < self.mask]] = self.mask_id
        other = chosen[(fate >= self.mask) & (fate < self.mask + self.random)]
        tokens[other] = self.ordinary[stream.integers(0, len(self.ordinary), len(other))]
        weights = np.zeros(len(ids), np.float32)
        weights[chosen] = 1.0
        return tokens, weights


def _whole_words(numbers: Ids, may: Ids, wanted: int, stream: np.random.Generator) -> Ids:
    """Places of words in a random order, as long as they fit; a word that is too long is left for shorter ones."""
    places = np.flatnonzero(may)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(numbers[places])) + 1, [len(places)]])
    chosen = [places[:0]]
    for word in stream.permutation(len(edges) - 1):
        length = edges[word + 1] - edges[word]
        if wanted >= length:
            chosen.append(places[edges[word] : edges[word + 1]])
            wanted -= length
        if not wanted:
            break
    return np.sort(np.concatenate(chosen))
