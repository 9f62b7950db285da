"""headwater/corpus/duplicates/shingles.py: sets are sets, and Jaccard is Jaccard."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.corpus.duplicates import shingles
from headwater.corpus.duplicates.shingles import jaccards
from headwater.corpus.duplicates.units import power_of, table_of


def sets_of(values: list[set[int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    flat = np.array([value for members in values for value in members], np.uint64)
    return flat, np.cumsum([0, *map(len, values)]).astype(np.int64), np.zeros(len(values), np.uint64)


@settings(deadline=None)
@given(st.lists(st.sets(st.integers(1, 60)), min_size=2, max_size=5))
def test_jaccard_is_jaccard(values: list[set[int]]) -> None:
    pairs = [(a, b) for a in range(len(values)) for b in range(len(values))]
    left, right = np.array(pairs).T
    found = jaccards(*sets_of(values), left, right, 0.0)
    expected = [len(values[a] & values[b]) / len(values[a] | values[b]) if values[a] | values[b] else 1.0 for a, b in pairs]
    assert found.tolist() == pytest.approx(expected)


def test_sizes_alone_may_rule_a_pair_out() -> None:
    values = [set(range(1, 101)), set(range(1, 80))]
    assert jaccards(*sets_of(values), np.array([0]), np.array([1]), 0.8).tolist() == [0.0]
    assert jaccards(*sets_of(values), np.array([0]), np.array([1]), 0.79).tolist() == [0.79]


def test_large_sets_are_compared_by_a_sample() -> None:
    """With a limit of 2,000 of some 40,000 shingles the similarity is still found, and both ends of a pair agree on the sample."""
    draw = np.random.default_rng(0)
    words = [f"w{number}" for number in draw.integers(0, 1 << 40, 50_000)]
    texts = [" ".join(words[:40_000]), " ".join(words[:36_000] + words[40_000:44_000]), " ".join(words[:2_000])]
    raw = [text.encode() for text in texts]
    data, offsets = np.frombuffer(b"".join(raw), np.uint8), np.cumsum([0, *map(len, raw)]).astype(np.int64)
    kind, table = table_of("auto")
    sets, counts, masks = shingles._shingle_sets(data, offsets, np.arange(3), kind, table, 5, power_of(5), 2_000)
    assert (counts < 4_096).all()
    assert masks[0] > 0
    assert masks[2] < masks[0]
    assert len(set(sets.tolist())) <= len(sets)
    starts = np.concatenate([[0], np.cumsum(counts)])
    found = jaccards(sets, starts, masks, np.array([0, 0, 2]), np.array([1, 2, 2]), 0.0)
    assert found[0] == pytest.approx(36 / 44, abs=0.03)
    assert found[1] == pytest.approx(2 / 40, abs=0.02)
    assert found[2] == 1.0
