from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from headwater.core.errors import HeadwaterError
from headwater.evaluation import ngram

END = "end"
Gram = tuple[object, ...]


class Slow:
    """Modified Kneser-Ney, told as in the paper: dictionaries of tuples, one probability at a time, by recursion."""

    def __init__(self, documents: list[bytes], order: int) -> None:
        self.order = order
        raw: dict[int, Counter[Gram]] = defaultdict(Counter)
        for document in documents:
            symbols = [END, *document, END]
            for n in range(1, order + 1):
                for last in range(max(1, n - 1), len(symbols)):
                    raw[n][tuple(symbols[last - n + 1 : last + 1])] += 1
        self.counts = {order: raw[order]}
        for n in range(order - 1, 0, -1):
            before = defaultdict(set)
            for gram in raw[n + 1]:
                before[gram[1:]].add(gram[0])
            opens = {gram: count for gram, count in raw[n].items() if n > 1 and gram[0] == END}
            self.counts[n] = Counter({gram: len(seen) for gram, seen in before.items()} | opens)
        self.discounts = {n: self._discounts(list(counts.values())) for n, counts in self.counts.items()}

    @staticmethod
    def _discounts(counts: list[int]) -> list[float]:
        t = [counts.count(k) for k in range(5)]
        found = [0.0]
        for k, fallback in ((1, 0.5), (2, 1.0), (3, 1.5)):
            usable = t[1] > 0 and t[k] > 0
            value = k - (k + 1) * (t[1] / (t[1] + 2 * t[2])) * t[k + 1] / t[k] if usable else 0.0
            found.append(value if value > 0 else fallback)
        return found

    def probability(self, history: Gram, symbol: object) -> float:
        """`history` begins with the END that stands before the document."""
        return self._mixed(history[-(self.order - 1) :] if self.order > 1 else (), symbol)

    def _mixed(self, context: Gram, symbol: object) -> float:
        counts, discounts = self.counts[len(context) + 1], self.discounts[len(context) + 1]
        lower = self._mixed(context[1:], symbol) if context else 1 / 257
        after = {gram: count for gram, count in counts.items() if gram[:-1] == context}
        total = sum(after.values())
        if total == 0:
            return lower
        own = after.get((*context, symbol), 0)
        passed_down = sum(discounts[min(count, 3)] for count in after.values()) / total
        return (own - discounts[min(own, 3)]) / total + passed_down * lower


TRAINING = [b"the cat sat on the mat", b"the dog sat on the cat", "却说曹操大喜，曹操引兵".encode(), b"a", b"", b"the the the", b"a cat"]
HELD_OUT = [b"the cat on the dog", "曹操大惊".encode(), b"zebra", b"", b"a", bytes([0, 255, 128])]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_equals_a_slow_dictionary_implementation(order: int) -> None:
    slow = Slow(TRAINING, order)
    for document, nats in zip(HELD_OUT, ngram.train(TRAINING, order).nats(HELD_OUT), strict=True):
        symbols: Gram = (END, *document, END)
        expected = [-math.log(slow.probability(symbols[:place], symbols[place])) for place in range(1, len(symbols))]
        np.testing.assert_allclose(nats, expected, rtol=1e-10)


@pytest.mark.parametrize("history", [b"", b"t", b"the c", b"the cat sat", b"qqqq", "曹操".encode()])
def test_probabilities_sum_to_one(history: bytes) -> None:
    model = ngram.train(TRAINING, 5)
    continued = model.nats([history + bytes([byte]) for byte in range(256)])
    ended = model.nats([history])[0][-1]
    total = sum(math.exp(-nats[len(history)]) for nats in continued) + math.exp(-ended)
    assert total == pytest.approx(1, abs=1e-12)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ngram.train(TRAINING, 5).nats(HELD_OUT)
    monkeypatch.setattr(ngram, "CHUNK", 16)
    for one, other in zip(whole, ngram.train(iter(TRAINING), 5).nats(HELD_OUT), strict=True):
        np.testing.assert_array_equal(one, other)


def test_discounts_are_the_closed_form() -> None:
    counts = np.array([1] * 40 + [2] * 20 + [3] * 12 + [4] * 9 + [50] * 7)
    y = 40 / 80
    assert ngram.discounts(counts) == pytest.approx((1 - 2 * y * 20 / 40, 2 - 3 * y * 12 / 20, 3 - 4 * y * 9 / 12))


def test_a_discount_that_would_add_is_replaced() -> None:
    counts = np.array([1] * 10 + [2] * 2 + [3] * 9)  # D2 would be 2 - 3 · 10/14 · 9/2, below 0
    assert ngram.discounts(counts)[1] == 1.0


def test_what_was_never_seen_stays_possible_where_discounts_cannot_be_estimated() -> None:
    nats = ngram.train([b"aaaaaaaa"], 5).nats([b"z"])[0]
    assert np.isfinite(nats).all()


@pytest.mark.parametrize(("order", "most"), [(1, 8.01), (2, 8.15)])
def test_random_bytes_cost_eight_bits(order: int, most: float) -> None:
    """And a little for what the counts of chance taught."""
    rng = np.random.default_rng(0)
    training, held_out = ([rng.integers(0, 256, 4000, np.uint8).tobytes() for _ in range(count)] for count in (100, 10))
    bits = sum(nats.sum() for nats in ngram.train(training, order).nats(held_out)) / math.log(2) / 40_000
    assert 8 < bits < most


def test_a_markov_chain_costs_its_entropy() -> None:
    """Each byte is one of two equally likely successors of the last: one bit a byte, which order 2 and above must reach."""
    rng = np.random.default_rng(0)

    def walk() -> bytes:
        state, path = 0, []
        for coin in rng.integers(0, 2, 3000):
            state = (5 * state + 7 + 90 * int(coin)) % 200
            path.append(state)
        return bytes(path)

    training, held_out = [walk() for _ in range(40)], [walk() for _ in range(5)]
    for order, slack in ((2, 0.01), (5, 0.08)):
        bits = sum(nats.sum() for nats in ngram.train(training, order).nats(held_out)) / math.log(2) / 15_000
        assert 0.995 < bits < 1 + slack


def test_longer_contexts_help_on_text() -> None:
    text = [f"the {animal} sat on the {thing} and ate the {thing}".encode() for animal in ("cat", "dog", "cow") for thing in ("mat", "hay")]
    costs = [sum(nats.sum() for nats in ngram.train(text * 3, order).nats(text)) for order in (1, 2, 3, 5)]
    assert costs == sorted(costs, reverse=True)


def test_no_documents() -> None:
    with pytest.raises(HeadwaterError, match="no training document"):
        ngram.train([], 5)
    assert ngram.train(TRAINING, 3).nats([]) == []
