"""Which pieces does a unigram language model of a text want, and how likely is each?

Counts of words come in (`{word: count}`), the pieces of the vocabulary with their log-probabilities go out. The method is Kudo 2018
(Subword Regularization, §3.2) with the settings of SentencePiece's trainer, whose names for them stand beside the constants.
The trainer of the `tokenizers` library sums in an order that changes from process to process; this one gives equal bits.

Suffixes: N places in the joined words, W words, P pieces, E edges (a piece at a place of a word).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from headwater.core.compiled import njit

SEEDS = 1_000_000  # seed_sentencepiece_size
SUB_ITERATIONS = 2  # num_sub_iterations: rounds of expectation and maximisation between two prunings
SHRINK = 0.75  # shrinking_factor: what a pruning leaves
SLACK = 1.1  # pruning stops at this many times the pieces asked for; the likeliest are then taken
LEAST_EXPECTED = 0.5  # kExpectedFrequencyThreshold: a rarer piece is dropped

Array = np.ndarray[Any, Any]


class Lattice(NamedTuple):
    """The words joined, and every place where a piece can stand in them."""

    word_W: Array  # place where each word starts, and one more for the end
    count_W: Array
    first_N: Array  # of the edges at each place, and one more for the end; sorted by place
    length_E: Array
    piece_E: Array
    place_P: Array  # where each piece is first seen
    length_P: Array
    characters: int  # the first pieces are the single characters, which are never dropped


def learn(words: Mapping[str, int], size: int, longest: int = 16) -> list[tuple[str, float]]:
    """`size` pieces of at most `longest` characters with their log-probabilities, likeliest first.

    Every character of the words is a piece, also when that makes more than `size`; of a small text fewer pieces can be had.
    """
    ordered = sorted(words)
    if not ordered:
        return []
    joined = "".join(ordered)
    lattice, score_P = _seed(ordered, joined, np.array([words[word] for word in ordered], np.float64), longest)
    wanted = int(size * SLACK)
    while True:
        for _ in range(SUB_ITERATIONS):
            score_P = _maximised(_expected(*lattice[:5], score_P), lattice.characters)
        alive = int(np.isfinite(score_P).sum())
        if alive <= max(wanted, lattice.characters):
            break
        _prune(lattice, score_P, max(wanted, int(SHRINK * alive)))
    pieces = [joined[place : place + length] for place, length in zip(lattice.place_P.tolist(), lattice.length_P.tolist(), strict=True)]
    order = sorted(np.flatnonzero(np.isfinite(score_P)).tolist(), key=lambda piece: (-score_P[piece], pieces[piece]))
    room = size - lattice.characters
    rank = {piece: place for place, piece in enumerate(piece for piece in order if piece >= lattice.characters)}
    kept = [piece for piece in order if piece < lattice.characters or rank[piece] < room]
    return [(pieces[piece], float(score_P[piece])) for piece in kept]


def _seed(words: list[str], joined: str, count_W: Array, longest: int) -> tuple[Lattice, Array]:
    """All characters, and of the longer strings seen twice those with the most text in them; first scores by frequency."""
    lengths = np.array([len(word) for word in words])
    word_W = np.concatenate([[0], np.cumsum(lengths)])
    stop_N, count_N = np.repeat(word_W[1:], lengths), np.repeat(count_W, lengths)
    alphabet, character_N = np.unique(np.frombuffer(joined.encode("utf-32-le"), np.uint32), return_inverse=True)
    place, group = np.arange(len(joined)), character_N.astype(np.int64)
    levels = [(place, group, np.bincount(group, count_N[place]), _first(place, group))]
    closed = []  # of each level: the strings that are always followed by the same character, which are no pieces of their own
    for length in range(2, longest + 1):
        frequent = levels[-1][2][group] >= 2
        place, group = place[frequent], group[frequent]
        inside = place + length <= stop_N[place]
        place, parent = place[inside], group[inside]
        keys, group = np.unique(parent * len(alphabet) + character_N[place + length - 1], return_inverse=True)
        total = np.bincount(group, count_N[place], minlength=len(keys))
        alike = keys // len(alphabet)
        closed.append(np.zeros(len(levels[-1][2]), bool))
        closed[-1][alike[total == levels[-1][2][alike]]] = True
        levels.append((place, group, total, _first(place, group)))
        if not len(place):
            break
    closed.append(np.zeros(len(levels[-1][2]), bool))
    weights = [np.where((total >= 2) & ~shut, total * (number + 2), 0) for number, (total, shut) in
               enumerate(zip([level[2] for level in levels[1:]], closed[1:], strict=True))]  # fmt: skip
    flat = np.concatenate([np.zeros(0), *weights])
    chosen = np.zeros(len(flat), bool)
    chosen[np.argsort(-flat, kind="stable")[:SEEDS]] = True
    chosen &= flat > 0
    return _lattice(levels, np.split(chosen, np.cumsum([len(weight) for weight in weights])[:-1]), word_W, count_W)


def _first(place: Array, group: Array) -> Array:
    """The first place of each group, which are numbered without gaps."""
    return place[np.unique(group, return_index=True)[1]]


def _lattice(levels: list[tuple[Array, Array, Array, Array]], chosen: list[Array], word_W: Array, count_W: Array) -> tuple[Lattice, Array]:
    """The edges of the chosen strings of every length, and the pieces' first scores."""
    characters = len(levels[0][2])
    places, lengths, pieces, first, sizes, totals = [], [], [], [], [], []
    known = 0
    for length, (place, group, total, start) in enumerate(levels, 1):
        keep = np.ones(characters, bool) if length == 1 else chosen[length - 2]
        number = np.cumsum(keep) - 1 + known
        used = keep[group]
        places.append(place[used])
        lengths.append(np.full(int(used.sum()), length, np.int32))
        pieces.append(number[group[used]].astype(np.int32))
        first.append(start[keep])
        sizes.append(np.full(int(keep.sum()), length, np.int32))
        totals.append(total[keep])
        known += int(keep.sum())
    place_E = np.concatenate(places)
    order = np.argsort(place_E, kind="stable")
    first_N = np.searchsorted(place_E[order], np.arange(word_W[-1] + 1))
    frequency = np.concatenate(totals)
    lattice = Lattice(word_W, count_W, first_N, np.concatenate(lengths)[order], np.concatenate(pieces)[order], np.concatenate(first),
                      np.concatenate(sizes), characters)  # fmt: skip
    return lattice, np.log(frequency) - np.log(frequency.sum())


def _maximised(expected_P: Array, characters: int) -> Array:
    """Scores of the expected counts, by the digamma function instead of the logarithm (SentencePiece: Bayesian EM); -inf: dropped."""
    counts = expected_P.copy()
    counts[:characters] = np.maximum(counts[:characters], LEAST_EXPECTED)
    alive = counts >= LEAST_EXPECTED
    scores = np.full(len(counts), -np.inf)
    scores[alive] = _digamma(counts[alive]) - _digamma(np.array([counts[alive].sum()]))
    return scores


def _digamma(x: Array) -> Array:
    """Its recurrence up to 7, from there its asymptotic series (Abramowitz and Stegun 6.3.5 and 6.3.18)."""
    x, below = x.astype(np.float64), np.zeros(len(x))
    while (small := x < 7).any():
        below[small] += 1 / x[small]
        x = np.where(small, x + 1, x)
    square = 1 / x**2
    return np.log(x) - 0.5 / x - square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square / 240))) - below


def _prune(lattice: Lattice, score_P: Array, keep: int) -> None:
    """Drop (in place) the pieces whose loss costs least likelihood, until `keep` are left or only characters are."""
    frequency_P = _best_counts(*lattice[:5], score_P)
    loss_P = _losses(lattice.first_N, lattice.length_E, lattice.piece_E, lattice.place_P, lattice.length_P, score_P, frequency_P)
    loss_P[: lattice.characters] = np.inf
    order = np.argsort(-loss_P, kind="stable")
    score_P[order[keep:][order[keep:] >= lattice.characters]] = -np.inf
    score_P[np.isneginf(loss_P)] = -np.inf


@njit
def _expected(word_W: Array, count_W: Array, first_N: Array, length_E: Array, piece_E: Array, score_P: Array) -> Array:
    """How often each piece is to be expected over all ways to cut the words (forward and backward sums)."""
    expected_P = np.zeros(len(score_P))
    longest = 0
    for w in range(len(count_W)):
        longest = max(longest, word_W[w + 1] - word_W[w])
    ahead, behind = np.empty(longest + 1), np.empty(longest + 1)
    for w in range(len(count_W)):
        start, size = word_W[w], word_W[w + 1] - word_W[w]
        ahead[: size + 1] = -np.inf
        behind[: size + 1] = -np.inf
        ahead[0] = 0.0
        behind[size] = 0.0
        for i in range(size):
            for e in range(first_N[start + i], first_N[start + i + 1]):
                new = ahead[i] + score_P[piece_E[e]]
                if new > -np.inf:
                    j = i + length_E[e]
                    high, low = max(ahead[j], new), min(ahead[j], new)
                    ahead[j] = high + np.log1p(np.exp(low - high))
        for i in range(size - 1, -1, -1):
            for e in range(first_N[start + i], first_N[start + i + 1]):
                new = behind[i + length_E[e]] + score_P[piece_E[e]]
                if new > -np.inf:
                    high, low = max(behind[i], new), min(behind[i], new)
                    behind[i] = high + np.log1p(np.exp(low - high))
                    expected_P[piece_E[e]] += count_W[w] * np.exp(ahead[i] + new - ahead[size])
    return expected_P


@njit
def _best_counts(word_W: Array, count_W: Array, first_N: Array, length_E: Array, piece_E: Array, score_P: Array) -> Array:
    """How often each piece stands in the likeliest cuts of the words (Viterbi)."""
    total_P = np.zeros(len(score_P))
    longest = 0
    for w in range(len(count_W)):
        longest = max(longest, word_W[w + 1] - word_W[w])
    best, via = np.empty(longest + 1), np.empty(longest + 1, np.int64)
    for w in range(len(count_W)):
        start, size = word_W[w], word_W[w + 1] - word_W[w]
        best[: size + 1] = -np.inf
        best[0] = 0.0
        for i in range(size):
            for e in range(first_N[start + i], first_N[start + i + 1]):
                new = best[i] + score_P[piece_E[e]]
                if new > best[i + length_E[e]]:
                    best[i + length_E[e]] = new
                    via[i + length_E[e]] = e
        at = size
        while at > 0:
            total_P[piece_E[via[at]]] += count_W[w]
            at -= length_E[via[at]]
    return total_P


@njit
def _losses(first_N: Array, length_E: Array, piece_E: Array, place_P: Array, length_P: Array, score_P: Array, frequency_P: Array) -> Array:
    """What each piece's loss would cost; -inf for one that is never used, or that is likelier in parts than whole."""
    loss_P = np.full(len(score_P), -np.inf)
    total = frequency_P.sum()
    longest = length_P.max()
    best, via = np.empty(longest + 1), np.empty(longest + 1, np.int64)
    for p in range(len(score_P)):
        if score_P[p] == -np.inf or frequency_P[p] == 0:
            continue
        size = length_P[p]
        best[: size + 1] = -np.inf
        best[0] = 0.0
        for i in range(size):
            for e in range(first_N[place_P[p] + i], first_N[place_P[p] + i + 1]):
                j = i + length_E[e]
                if j <= size and piece_E[e] != p and best[i] + score_P[piece_E[e]] > best[j]:
                    best[j] = best[i] + score_P[piece_E[e]]
                    via[j] = e
        if best[size] > score_P[p]:
            continue
        parts, logs, at = 0, 0.0, size
        while at > 0 and best[size] > -np.inf:
            logs += np.log(frequency_P[piece_E[via[at]]] + frequency_P[p])
            parts += 1
            at -= length_E[via[at]]
        whole = np.log(frequency_P[p]) - np.log(total)
        apart = logs - parts * np.log(total + frequency_P[p] * (parts - 1))
        loss_P[p] = frequency_P[p] / total * (whole - apart)
    return loss_P
