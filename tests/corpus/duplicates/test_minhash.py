"""headwater/corpus/minhash.py: the kernels against plain Python, hash for hash, and against the theory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.corpus.duplicates.minhash import band_keys, code_points, jaccard, shingle_set

MASK = (1 << 64) - 1
BASE = 0x9E3779B97F4A7C15


def mixed(value: int) -> int:
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & MASK
    return value ^ value >> 31


def reference_hashes(text: str, shingle: int) -> list[int]:
    plain = " ".join(text.casefold().split())
    width = min(shingle, len(plain))
    hashes = []
    for start in range(len(plain) - width + 1 if plain else 0):
        value = 0
        for sign in plain[start : start + width]:
            value = (value * BASE + ord(sign) + 1) & MASK
        hashes.append(mixed(value))
    return hashes


def reference_keys(text: str, shingle: int, bands: int, rows: int) -> list[int]:
    bins = bands * rows
    least: list[int | None] = [None] * bins
    for value in reference_hashes(text, shingle):
        index, low = (value >> 32) * bins >> 32, value & 0xFFFFFFFF
        now = least[index]
        least[index] = low if now is None else min(now, low)
    if all(value is None for value in least):
        return [0] * bands
    dense = []
    for index in range(bins):
        other, attempt = index, 0
        while least[other] is None:
            attempt += 1
            other = mixed((index << 32) + attempt) % bins
        dense.append(least[other] or 0)
    keys = []
    for band in range(bands):
        key = band
        for row in range(rows):
            key = mixed((key * BASE + dense[band * rows + row]) & MASK)
        keys.append(key)
    return keys


@pytest.mark.oracle
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.text(alphabet="abAB  \n好事多磨😀ß", max_size=60), min_size=1, max_size=4),
    st.sampled_from([(1, 2, 3), (5, 24, 6), (9, 3, 1)]),
)
def test_keys_equal_the_reference_hash_for_hash(texts: list[str], shape: tuple[int, int, int]) -> None:
    shingle, bands, rows = shape
    assert band_keys(texts, shingle, bands, rows).tolist() == [reference_keys(text, shingle, bands, rows) for text in texts]


@pytest.mark.oracle
def test_shingles_equal_the_reference() -> None:
    text = "The quick brown 狐狸 jumped over the lazy dog.\n" * 3
    assert shingle_set(text, 5).tolist() == sorted(set(reference_hashes(text, 5)))


@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)))
@settings(deadline=None)
def test_jaccard_is_jaccard(a: set[int], b: set[int]) -> None:
    arrays = [np.array(sorted(values), np.uint64) for values in (a, b)]
    assert jaccard(*arrays) == pytest.approx(len(a & b) / len(a | b) if a | b else 1.0)


def test_case_and_white_space_do_not_count() -> None:
    assert (code_points("Two  Words\n") == code_points("two words")).all()


@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.8])
def test_pairs_meet_as_often_as_the_theory_says(similarity: float) -> None:
    """Random sets of single-character shingles with a Jaccard similarity that is known by construction."""
    bands, rows, size, pairs = 24, 6, 1200, 300
    draw = np.random.default_rng(0)
    shared = round(size * similarity)
    texts = []
    for _ in range(pairs):
        signs = draw.permutation(np.arange(0x4E00, 0x9FA0))[:size]
        half = (size - shared) // 2
        for own in (signs[shared : shared + half], signs[shared + half :]):
            texts.append("".join(map(chr, np.concatenate([signs[:shared], own]))))
    keys = band_keys(texts, 1, bands, rows)
    met = (keys[0::2] == keys[1::2]).any(axis=1).mean()
    expected = 1 - (1 - similarity**rows) ** bands
    assert abs(met - expected) < 4 * max(np.sqrt(expected * (1 - expected) / pairs), 0.005)
