"""The keyed permutation: a bijection for every size and key, without bias, and nothing kept in memory."""

from __future__ import annotations

import itertools
import tracemalloc
from collections import Counter

import numpy as np
import pytest

from headwater.tokens.order import Permutation


@pytest.mark.parametrize("size", [*range(1, 70), 127, 128, 129, 255, 256, 257, 1000, 4095, 4096, 4097])
def test_a_bijection(size: int) -> None:
    for seed, key in ((0, "a"), (1, "a"), (0, "b")):
        order = Permutation(size, seed, key)
        assert sorted(order[index] for index in range(size)) == list(range(size))


def test_equal_keys_agree_and_others_do_not() -> None:
    orders = {
        key: tuple(Permutation(500, *key)[index] for index in range(500))
        for key in [(0, "a"), (1, "a"), (0, "b"), (0, "a", 1), (0, "a", "1")]
    }
    assert tuple(Permutation(500, 0, "a")[index] for index in range(500)) == orders[0, "a"]
    for one, other in itertools.combinations(orders.values(), 2):
        agree = sum(a == b for a, b in zip(one, other, strict=True))
        assert agree < 10, "two random orders agree in one place on average"


def test_pinned() -> None:
    """A change of the rounds or the mixing changes which data every step of every run sees."""
    assert [Permutation(1000, 1, "order", 0)[index] for index in range(5)] == [832, 644, 151, 872, 112]


def chi_square(counts: np.ndarray) -> float:
    """In standard deviations above what chance gives."""
    expected = counts.sum() / counts.size
    return float((((counts - expected) ** 2 / expected).sum() - (counts.size - 1)) / np.sqrt(2 * (counts.size - 1)))


@pytest.mark.parametrize("size", [3, 5, 8, 10, 17])
def test_every_item_is_as_likely_at_every_place(size: int) -> None:
    counts = np.zeros((size, size))
    for seed in range(2000):
        order = Permutation(size, seed, "x")
        for place in range(size):
            counts[place, order[place]] += 1
    # within one permutation places exclude each other, which makes the statistic smaller, never larger
    assert chi_square(counts) < 5
    assert max(chi_square(row) for row in counts) < 6


def test_every_order_of_three_is_as_likely() -> None:
    seen = Counter(tuple(Permutation(3, seed)[place] for place in range(3)) for seed in range(3000))
    assert len(seen) == 6
    assert chi_square(np.array(list(seen.values()))) < 5


def test_neighbours_are_scattered() -> None:
    size = 10_007
    order = Permutation(size, 0, "x")
    places = np.array([order[index] for index in range(size)])
    distance = np.diff(places) % size
    assert chi_square(np.histogram(distance, bins=50, range=(0, size))[0]) < 5
    assert abs(np.corrcoef(places[:-1], places[1:])[0, 1]) < 0.05
    assert chi_square(np.histogram(places[: size // 10], bins=20, range=(0, size))[0]) < 5, "the first tenth comes from everywhere"


def test_any_place_of_a_huge_order_costs_no_memory() -> None:
    tracemalloc.start()
    order = Permutation(10**15, 0, "x")
    seen = {order[index] for index in range(0, 10**15, 10**12)}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(seen) == 1000
    assert max(seen) > 0.9 * 10**15
    assert peak < 1 << 20


@pytest.mark.parametrize("index", [-1, 10])
def test_outside_is_refused(index: int) -> None:
    with pytest.raises(AssertionError):
        Permutation(10, 0)[index]
