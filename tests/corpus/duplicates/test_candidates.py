"""headwater/corpus/duplicates/candidates.py: all pairs of small buckets, linearly many of large ones."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.corpus.duplicates import candidates
from headwater.corpus.duplicates.candidates import WINDOW, columns, different, find_pairs, merged, pairs_of, unpacked
from headwater.corpus.duplicates.config import Duplicates


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 9)))
def test_different_is_numpys_unique(values: list[int]) -> None:
    given_values = np.array(values, np.uint64)
    assert different(given_values).tolist() == np.unique(given_values).tolist() == sorted(set(values))


def as_set(packed: np.ndarray) -> set[tuple[int, int]]:
    return set(zip(*(side.tolist() for side in unpacked(packed)), strict=True))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 3)), max_size=WINDOW))
def test_small_buckets_are_compared_whole(keys: list[tuple[int, int]]) -> None:
    key, beside = (np.array([pair[side] for pair in keys], np.uint64) for side in (0, 1))
    places = np.arange(len(keys)) * 7
    star, windows = pairs_of(key, beside, places)
    expected = {(7 * a, 7 * b) for a, b in combinations(range(len(keys)), 2) if key[a] == key[b]}
    assert as_set(star) | as_set(windows) == expected
    firsts = {a for a, _ in as_set(star)}
    assert firsts == {min(pair[0] for pair in expected if key[pair[0] // 7] == value) for value in {key[a // 7] for a, _ in expected}}
    exact, none = pairs_of(key, beside, places, exact=True)
    same = {(7 * a, 7 * b) for a, b in combinations(range(len(keys)), 2) if keys[a] == keys[b]}
    assert as_set(exact) <= same
    assert {b for _, b in as_set(exact)} == {b for _, b in same}
    assert len(none) == 0


def test_a_large_bucket_has_linearly_many_pairs() -> None:
    count = 20_000
    draw = np.random.default_rng(0)
    star, windows = pairs_of(np.full(count, 5, np.uint64), draw.integers(1, 5000, count).astype(np.uint64), np.arange(count))
    assert len(star) == count - 1
    assert len(windows) <= count * WINDOW


def test_shards_and_tasks_of_many_bands_find_the_same_pairs(annotate, tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    draw = np.random.default_rng(1)
    texts = []
    for _ in range(60):
        words = [f"w{number}" for number in draw.integers(0, 10_000, 60)]
        texts += [" ".join(words), " ".join(words[:-4])]
    config = Duplicates()
    annotated = annotate([*texts, "", "。"], config, parts=3)
    found = {}
    for shard in (1 << 23, 50):
        monkeypatch.setattr(candidates, "SHARD", shard)
        for bands in (None, 24):
            scratch = tmp_path / f"{shard}-{bands}"
            scratch.mkdir()
            tasks = columns(annotated, bands, None, scratch)
            for task in tasks:
                find_pairs(task)
            found[shard, bands] = [as_set(merged(tasks, name)) for name in ("star", "windows")], len(tasks)
    assert found[1 << 23, 24][1] == 1
    assert found[50, 24][1] == 24 * 3
    assert found[50, 24][0] == found[1 << 23, 24][0]
    assert found[50, None][0] == found[1 << 23, None][0] == [set(), set()]
    assert len(found[50, 24][0][0]) >= 55
