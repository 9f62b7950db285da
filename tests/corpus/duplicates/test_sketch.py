"""headwater/corpus/duplicates/sketch.py and units.py: the kernels against plain Python, hash for hash, and against the theory."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.corpus.duplicates.shingles import shingle_sets
from headwater.corpus.duplicates.sketch import band_keys
from headwater.corpus.duplicates.units import CHUNK, SPACELESS

MASK = (1 << 64) - 1
LETTER = 0x9E3779B97F4A7C15
SHINGLE = 0xD1342543DE82EF95
ALONE = 1 << 31


def buffers(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    raw = [text.encode() for text in texts]
    return np.frombuffer(b"".join(raw), np.uint8), np.cumsum([0, *map(len, raw)]).astype(np.int64)


def mixed(value: int) -> int:
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & MASK
    return value ^ value >> 31


def folded(sign: str) -> int:
    return (ord(sign.casefold()) if len(sign.casefold()) == 1 else ord(sign)) + 1 if ord(sign) < 65_536 else ord(sign) + 1


def reference_units(text: str, unit: str) -> list[int]:
    if unit == "byte":
        return [byte + 1 for byte in text.encode()]
    if unit == "character":
        return [folded(sign) for sign in " ".join(text.split())]
    units, word = [], 0
    for sign in text + " ":
        far = ord(sign) >= 65_536
        letter = far or sign == "_" or unicodedata.category(sign)[0] in "LNM"
        alone = letter and (far or (unit == "auto" and any(first <= ord(sign) <= last for first, last in SPACELESS)))
        if word and (alone or not letter):
            units.append(word)
            word = 0
        if alone:
            units.append(folded(sign) | ALONE)
        elif letter and sign.isascii():
            word = ((word << 7 | word >> 57) & MASK) ^ folded(sign)
        elif letter:
            word = (word * LETTER + folded(sign)) & MASK
    return units


def reference_hashes(text: str, unit: str, width: int) -> list[int]:
    units = reference_units(text, unit)
    hashes = []
    for start in range(max(1, len(units) - width + 1) if units else 0):
        value = 0
        for one in units[start : start + width]:
            value = (value * SHINGLE + one) & MASK
        hashes.append(mixed(value))
    return hashes


def reference_keys(text: str, unit: str, width: int, bands: int, rows: int) -> list[int]:
    bins = bands * rows
    least: list[int | None] = [None] * bins
    for value in reference_hashes(text, unit, width):
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
            key = mixed((key * LETTER + dense[band * rows + row]) & MASK)
        keys.append(max(key, 1))
    return keys


UNITS = ("auto", "word", "character", "byte")
ALPHABET = "abZ_9 \n\t.,'é好事多磨。カタไทยяЯ😀𠀀ßİ\u0301\u3000"


@pytest.mark.oracle
@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.text(alphabet=ALPHABET, max_size=60), min_size=1, max_size=4),
    st.sampled_from(UNITS),
    st.sampled_from([(1, 2, 3), (5, 24, 6), (9, 3, 1), (64, 2, 2)]),
)
def test_keys_equal_the_reference_hash_for_hash(texts: list[str], unit: str, shape: tuple[int, int, int]) -> None:
    width, bands, rows = shape
    found = band_keys(*buffers(texts), unit, width, bands, rows)
    assert found.T.tolist() == [reference_keys(text, unit, width, bands, rows) for text in texts]


@pytest.mark.oracle
@pytest.mark.parametrize("unit", UNITS)
def test_texts_longer_than_a_chunk(unit: str) -> None:
    """Chunks end in the middle of words, of code points and of shingles."""
    draw = np.random.default_rng(3)
    for extra in range(4):
        text = "x" * extra + "".join(draw.choice(list(ALPHABET), 3 * CHUNK))
        hashes, counts, masks = shingle_sets(*buffers([text]), np.array([0]), unit, 5)
        assert sorted(hashes.tolist()) == sorted({max(value, 1) for value in reference_hashes(text, unit, 5)})
        assert (counts.tolist(), masks.tolist()) == ([len(hashes)], [0])
        assert band_keys(*buffers([text]), unit, 5, 4, 3)[:, 0].tolist() == reference_keys(text, unit, 5, 4, 3)


@pytest.mark.parametrize(
    ("left", "right", "unit", "same"),
    [
        ("Two  Words\n", "two words", "auto", True),
        ("don't, stop", "don t stop!", "auto", True),
        ("天地，玄黄。", "天地玄黄", "auto", True),
        ("天地玄黄", "天 地 玄 黄", "auto", True),
        ("天地玄黄", "天 地 玄 黄", "word", False),
        ("Two  Words\n", "two words", "character", True),
        ("two words", "two, words", "character", False),
        ("ab c", "a bc", "auto", False),
        ("x yz", "y xz", "auto", False),
        ("ÉTÉ", "été", "auto", True),
        ("a", "A", "byte", False),
    ],
)
def test_what_counts_in_a_text(left: str, right: str, unit: str, same: bool) -> None:
    keys = band_keys(*buffers([left, right]), unit, 5, 4, 3)
    assert (keys[:, 0] == keys[:, 1]).all() == same


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
    keys = band_keys(*buffers(texts), "auto", 1, bands, rows)
    met = (keys[:, 0::2] == keys[:, 1::2]).any(axis=0).mean()
    expected = 1 - (1 - similarity**rows) ** bands
    assert abs(met - expected) < 4 * max(np.sqrt(expected * (1 - expected) / pairs), 0.005)


@pytest.mark.parametrize("words", [40, 80, 160])
def test_short_texts_meet_as_well(words: int) -> None:
    """Fewer shingles than bins: most minima are borrowed, the recall at 0.8 stays above 0.97."""
    draw = np.random.default_rng(1)
    texts = []
    for _ in range(400):
        own = [f"w{number}" for number in draw.integers(0, 1 << 40, words + words // 9)]
        replaced = (words - 4) // 9
        texts += [" ".join(own[:words]), " ".join(own[: words - replaced] + own[words : words + replaced])]
    keys = band_keys(*buffers(texts), "auto", 5, 24, 6)
    assert (keys[:, 0::2] == keys[:, 1::2]).any(axis=0).mean() >= 0.97
