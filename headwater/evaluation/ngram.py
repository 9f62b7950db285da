"""What does plain counting achieve? A byte n-gram model, the baseline that a network must beat to be worth its training.

In: documents as UTF-8 bytes. Out: nats of every byte of other documents, and of their end. Symbols are the 256 bytes and END,
which closes a document and, like the end token of the network, stands before it: both models pay for the same events.

Smoothing is interpolated modified Kneser-Ney (Chen and Goodman 1999, "An empirical study of smoothing techniques for
language modeling", section 3, where it did best of all): with a(·) the adjusted count, D its discount, h the context and h' the
context without its first symbol,

    p(w|h) = (a(hw) - D(a(hw))) / A(h) + γ(h) p(w|h'),    A(h) = Σ_w a(hw),    γ(h) = Σ_w D(a(hw)) / A(h)

down to p(w) mixed with the uniform distribution. a is the count for the highest order and the number of different
symbols seen before the n-gram for lower ones; for an n-gram that opens a document, before which nothing can vary, it is the
count (Heafield et al. 2013, section 3.2).

An n-gram is one integer of 9 bits a symbol, so that counting is sorting, contexts are prefixes (`>> 9`), and n-grams with the
same context stand side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headwater.core.errors import HeadwaterError

Array = np.ndarray[Any, Any]
Counts = tuple[Array, Array]  # n-grams, sorted and different, and a count of each

END = 256
SYMBOLS = 257
BITS = 9
CHUNK = 1 << 22  # symbols counted at a time: memory grows with different n-grams, not with text
FALLBACK = (0.5, 1.0, 1.5)  # discounts where counts of counts give none (few, or only large counts: order 1, tiny texts)


@dataclass(frozen=True)
class Order:
    """n-grams of one length: what each keeps after its discount, and what each context hands down."""

    ngrams: Array
    shares: Array  # (a(hw) - D) / A(h), beside `ngrams`
    contexts: Array
    passed_down: Array  # γ(h), beside `contexts`


@dataclass(frozen=True)
class NGram:
    """A trained model; `orders[n-1]` holds the n-grams."""

    orders: tuple[Order, ...]

    def nats(self, documents: Sequence[bytes]) -> list[Array]:
        """Per document, the negative log-likelihoods of its bytes and of its end (length + 1 numbers)."""
        nats = [self._stream_nats(symbols) for symbols in _streams(documents)]
        ends = np.cumsum([len(document) + 1 for document in documents])
        return np.split(np.concatenate(nats), ends[:-1]) if nats else []

    def _stream_nats(self, symbols: Array) -> Array:
        """Nats of every symbol of a stream but the first; contexts reach back to the document's opening at most."""
        probabilities = np.full(len(symbols), 1 / SYMBOLS)
        for n, order in enumerate(self.orders, start=1):
            starts, ngrams = _ngrams(symbols, n)
            last = starts + n - 1
            kept = _look_up(order.ngrams, order.shares, ngrams, 0.0)
            passed_down = _look_up(order.contexts, order.passed_down, ngrams >> BITS, 1.0)
            probabilities[last] = kept + passed_down * probabilities[last]
        nats: Array = -np.log(probabilities[1:])
        return nats


def train(documents: Iterable[bytes], order: int = 5) -> NGram:
    """Count and smooth; `order` - 1 bytes of context. Raises HeadwaterError without a document."""
    assert 1 <= order <= 7, "seven symbols fill an integer"
    longest, opening = _count(documents, order)
    adjusted = [longest]
    for n in range(order - 1, 0, -1):
        suffixes = adjusted[0][0] & ((1 << BITS * n) - 1)
        continued = np.unique(suffixes, return_counts=True)
        adjusted.insert(0, _merge([continued, opening[n]]) if n > 1 else continued)
    return NGram(tuple(_smooth(ngrams, counts) for ngrams, counts in adjusted))


def discounts(counts: Array) -> tuple[float, float, float]:
    """D1, D2 and D3+, for adjusted counts of 1, 2 and more, of one order: the closed form that Chen and Goodman (section 3)
    derive after Ney et al. 1994: Y = t1/(t1 + 2 t2), D_k = k - (k+1) Y t_{k+1}/t_k, where t_k n-grams have the count k."""
    times = np.bincount(np.minimum(counts, 5), minlength=5).tolist()
    y = times[1] / (times[1] + 2 * times[2]) if times[1] else 0.0
    found = [k - (k + 1) * y * times[k + 1] / times[k] if times[k] and y else 0.0 for k in (1, 2, 3)]
    # A discount of nothing would leave nothing for what was never seen.
    d1, d2, d3 = (value if value > 0 else fallback for value, fallback in zip(found, FALLBACK, strict=True))
    return d1, d2, d3


def _smooth(ngrams: Array, counts: Array) -> Order:
    by_count = np.array([0.0, *discounts(counts)])
    discount = by_count[np.minimum(counts, 3)]
    contexts, first, size = np.unique(ngrams >> BITS, return_index=True, return_counts=True)
    totals = np.add.reduceat(counts, first)
    shares = (counts - discount) / np.repeat(totals, size)
    return Order(ngrams, shares, contexts, np.add.reduceat(discount, first) / totals)


def _count(documents: Iterable[bytes], order: int) -> tuple[Counts, dict[int, Counts]]:
    """Counts of the n-grams of the highest order, and of shorter ones that open a document."""
    longest: Counts | None = None
    opening: dict[int, Counts] = {}
    for symbols in _streams(documents):
        new = np.unique(_ngrams(symbols, order)[1], return_counts=True)
        longest = new if longest is None else _merge([longest, new])
        for n in range(2, order):
            starts, ngrams = _ngrams(symbols, n)
            new = np.unique(ngrams[symbols[starts] == END], return_counts=True)
            opening[n] = _merge([opening[n], new]) if n in opening else new
    if longest is None:
        raise HeadwaterError("there is no training document to count n-grams in", where="corpus", mend="give more text")
    return longest, opening


def _streams(documents: Iterable[bytes]) -> Iterator[Array]:
    """Documents as symbols, END before, between and after them, some `CHUNK` symbols at a time."""
    waiting: list[Array] = []
    size = 0
    for document in documents:
        waiting += [np.frombuffer(document, np.uint8).astype(np.int64), np.array([END])]
        size += len(document) + 1
        if size >= CHUNK:
            yield np.concatenate([np.array([END]), *waiting])
            waiting, size = [], 0
    if waiting:
        yield np.concatenate([np.array([END]), *waiting])


def _ngrams(symbols: Array, n: int) -> tuple[Array, Array]:
    """Where in the stream the n-grams that lie in one document start, and the n-grams: END may open or close one, not lie inside.

    A lone END that opens the stream is no event, so order 1 starts after it.
    """
    count = max(0, len(symbols) - n + 1)
    if n == 1:
        return np.arange(1, count), symbols[1:]
    ends_before = np.concatenate([[0], np.cumsum(symbols == END)])
    starts = np.flatnonzero(ends_before[n - 1 : n - 1 + count] == ends_before[1 : 1 + count])
    ngrams = np.zeros(len(starts), np.int64)
    for place in range(n):
        ngrams <<= BITS
        ngrams |= symbols[starts + place]
    return starts, ngrams


def _merge(parts: Sequence[Counts]) -> Counts:
    """The sum of counts."""
    ngrams, counts = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    order = np.argsort(ngrams, kind="stable")
    merged, first = np.unique(ngrams[order], return_index=True)
    return merged, np.add.reduceat(counts[order], first) if len(merged) else counts


def _look_up(known: Array, values: Array, wanted: Array, otherwise: float) -> Array:
    """`values` of the wanted n-grams; `otherwise` for unknown ones."""
    if not len(known):
        return np.full(len(wanted), otherwise)
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[place] == wanted, values[place], otherwise)
