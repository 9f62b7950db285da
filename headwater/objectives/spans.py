"""Where do spans of noise stand, and what becomes of the text around them?

In: a text's length, or its ids, and a random stream. Out: spans `(start, length)` in order; or a source and its target.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headwater.objectives.lengths import longest_tail, noise_counts
from headwater.objectives.rows import Ids

Span = tuple[int, int]


def noise_spans(tokens: int, density: float, mean: float, stream: np.random.Generator) -> list[Span]:
    """T5's: a fixed number of spans and of tokens in them, all ways to break them being as likely; the text begins with what stays
    and ends with noise (Raffel et al. 2020, random_spans_noise_mask of their code)."""
    noise, spans = noise_counts(tokens, density, mean)
    kept, hidden = broken(tokens - noise, spans, stream), broken(noise, spans, stream)
    ends = np.cumsum(kept + hidden)
    return [(int(end - length), int(length)) for end, length in zip(ends, hidden, strict=True)]


def broken(tokens: int, pieces: int, stream: np.random.Generator) -> Ids:
    """Lengths of so many pieces, none empty, every way to cut being as likely."""
    cuts = np.sort(stream.choice(tokens - 1, pieces - 1, replace=False)) + 1
    return np.diff(np.concatenate([[0], cuts, [tokens]]))


def tail_span(tokens: int, share: float, stream: np.random.Generator) -> list[Span]:
    """One span at the end, `share` of the text in the mean (UL2's sequential denoiser)."""
    length = int(stream.integers(1, longest_tail(tokens, share) + 1))
    return [(tokens - length, length)]


def poisson_lengths(total: int, mean: float, most: int, stream: np.random.Generator, *, empty: bool) -> Ids:
    """Lengths of spans drawn from Poisson(`mean`) until they have `total` tokens, the last one cut; at most `most` of them.

    `empty` ones are kept (BART, where they become an inserted mask) or drawn anew (GLM).
    """
    lengths: list[int] = []
    left = total
    while left > 0 and len(lengths) < most:
        length = int(stream.poisson(mean))
        if length or empty:
            lengths.append(min(length, left))
            left -= lengths[-1]
    return stream.permutation(np.array(lengths, np.int64))


def scattered(tokens: int, lengths: Ids, stream: np.random.Generator) -> list[Span]:
    """The spans anywhere in the text, with at least one token between two of them; every way to place them is as likely."""
    free = tokens - int(lengths.sum())
    gaps = np.sort(stream.choice(free + 1, len(lengths), replace=False))
    starts = gaps + np.concatenate([[0], np.cumsum(lengths)[:-1]]) if len(lengths) else gaps
    return [(int(start), int(length)) for start, length in zip(starts, lengths, strict=True)]


def corrupted(ids: Ids, spans: Sequence[Span], sentinels: Ids, end: int) -> tuple[Ids, Ids]:
    """Source: the text with a sentinel for each span. Target: each span after its sentinel. Both are closed by `end`."""
    source: list[Ids] = []
    target: list[Ids] = []
    place = 0
    for (start, length), sentinel in zip(spans, sentinels, strict=False):
        source += [ids[place:start], np.array([sentinel])]
        target += [np.array([sentinel]), ids[start : start + length]]
        place = start + length
    closing = np.array([end])
    return np.concatenate([*source, ids[place:], closing]), np.concatenate([*target, closing])


def infilled(ids: Ids, spans: Sequence[Span], mask: int) -> Ids:
    """The text with one mask for each span."""
    pieces: list[Ids] = []
    place = 0
    for start, length in spans:
        pieces += [ids[place:start], np.array([mask])]
        place = start + length
    return np.concatenate([*pieces, ids[place:]])
