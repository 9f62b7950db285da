"""Keyed streams: equal keys equal draws, other keys other draws, and the values pinned."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from headwater.core.random import key_bits, stream

KEYS = [
    *[(0,), (1,), (11,), (1, "a"), (2, "a"), (11, "a"), (1, 1), (1, "1"), (1, -1), (1, "-1"), (1, ""), (1, "", "")],
    *[(1, "a", "bc"), (1, "ab", "c"), (1, "abc"), (1, "a", "b", "c"), (1, "a", "b"), (1, "1", "a"), (1, "é"), (1, "e\u0301")],
    *[(1, "a\x1fstr:1:b"), (1, "str:1:a")],  # what the hashed text itself is made of
]


def test_known_answers() -> None:
    """A change of the hashing, or of numpy's Philox shifts every run: it must be noticed."""
    assert key_bits(1, "pretrain", "order") == 113055738076669379083857383496389522428
    assert stream(1, "pretrain", "order").integers(0, 1 << 32, 3).tolist() == [3095670493, 2878267418, 902661841]


def test_no_two_keys_are_one() -> None:
    assert len({key_bits(*key) for key in KEYS}) == len(KEYS)
    assert len({stream(*key).bytes(16) for key in KEYS}) == len(KEYS)


def test_equal_keys_draw_alike_whatever_others_do() -> None:
    one, other = stream(3, "x"), stream(3, "y")
    expected = stream(3, "x").random(100)
    drawn = []
    for _ in range(100):
        other.random(7)
        drawn.append(one.random())
    assert np.array_equal(expected, drawn)


def test_streams_are_not_correlated() -> None:
    draws = np.stack([stream(seed, "k", place).standard_normal(20_000) for seed, place in itertools.product((0, 1), range(4))])
    correlations = np.corrcoef(draws)[np.triu_indices(8, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(20_000)


def test_numpy_integers_are_integers() -> None:
    """A key out of an array must not quietly mean another stream."""
    try:
        bits = key_bits(1, np.int64(3))  # type: ignore[arg-type]
    except (TypeError, AssertionError):
        return
    assert bits == key_bits(1, 3)


@pytest.mark.parametrize("seed", [0, 2**63, 2**100])
def test_any_seed_is_good(seed: int) -> None:
    assert 0 <= stream(seed, "a").random() < 1
