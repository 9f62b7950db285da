"""Which words has a document, in a few numbers? In: UTF-8 bytes of documents, the idf of every feature. Out: float32 [rows, width].

Words (single signs of scripts without spaces) and runs of four characters are counted into one of SLOTS by their hash, weighted
(1 + ln tf) * ln(1 + N / df), and projected to `width` numbers by sparse random signs (Kane and Nelson 2014), of length 1.

Two such vectors are close when the documents share their rarer words, in whatever order: passages moved about, or reworded in
part. They know nothing of meaning: the same said in other words is far away, and asks for a sentence-embedding model. Their
cosine is that of the weighted counts with a standard error of (1 - cosine**2) / sqrt(width): at 256, 0.02 at 0.8 and 0.06 at 0.

All sums run in a fixed order, so that a text has one vector to the last bit, in whichever batch it stands.
"""

from __future__ import annotations

import math

import numpy as np

from headwater.core.compiled import njit
from headwater.corpus.duplicates.units import Whole, buffers, first_state, mix, next_shingles, power_of, table_of

SLOTS = 1 << 20
"""Features are told apart by so many numbers: 4 MB a part while they are counted."""
SHIFT = np.uint64(44)
"""From 64 bits of a hash to a slot."""
RUN = 4
"""Characters in a run: enough for `king` and `kings` to have something in common."""
RUNS = 0.2
"""What a run of characters weighs, of which a text has more than words, and every word that is replaced takes several along."""
RUN_SLOTS = 0x5BD1E
"""Tells runs from words: the same slot in other bits."""
FEATURE_BASE = np.uint64(0x9E3779B97F4A7C15)

BLOCKS = 16
"""Numbers that a feature counts in, one in each block of width / BLOCKS. In all 256 of them, the variance of a cosine is the same, and
a text takes three times as long (6 instead of 19 MB/s)."""


def count_documents(data: np.ndarray, offsets: np.ndarray, rows: np.ndarray, documents: np.ndarray) -> None:
    """Add to `documents` uint32 [SLOTS] how many of the rows have each feature."""
    words, characters = table_of("auto"), table_of("character")
    _count(data, offsets, rows, words[0], words[1], characters[0], characters[1], power_of(1), power_of(RUN), documents)


def vectors_of(data: np.ndarray, offsets: np.ndarray, rows: np.ndarray, idf: np.ndarray, width: int) -> np.ndarray:
    """float32 [rows, width]; zeros for a text without a word."""
    words, characters = table_of("auto"), table_of("character")
    vectors = np.zeros((len(rows), width), np.float32)
    _vectors(data, offsets, rows, words[0], words[1], characters[0], characters[1], power_of(1), power_of(RUN), idf, vectors)
    return vectors


@njit(cache=True, nogil=True)
def _tally(data: np.ndarray, at: Whole, end: int, kind: int, table: np.ndarray, width: int, power: np.uint64, other: int,
           times: np.ndarray, touched: np.ndarray, used: int) -> int:  # fmt: skip
    """Count the shingles of a text into `times` [SLOTS]; the slots that were empty go to `touched` from `used` on. The new `used`."""
    units_U, hashes_S = buffers(width)
    word, rolled, seen = first_state(kind, width, units_U)
    while at < end:
        at, count, word, rolled, seen = next_shingles(data, at, end, kind, table, width, power, units_U, hashes_S, word, rolled, seen)
        for index in range(count):
            slot = np.int64(hashes_S[index] >> SHIFT) ^ other
            if times[slot] == 0:
                touched[used] = slot
                used += 1
            times[slot] += np.int32(1)
    return used


@njit(cache=True, nogil=True)
def _count(data: np.ndarray, offsets: np.ndarray, rows: np.ndarray, words: int, word_table: np.ndarray, signs: int, sign_table: np.ndarray,
           one: np.uint64, many: np.uint64, documents: np.ndarray) -> None:  # fmt: skip
    times, touched = np.zeros(SLOTS, np.int32), np.empty(SLOTS, np.int32)
    for row in rows:
        at, end = offsets[row], offsets[row + 1]
        used = _tally(data, at, end, words, word_table, 1, one, 0, times, touched, 0)
        used = _tally(data, at, end, signs, sign_table, RUN, many, RUN_SLOTS, times, touched, used)
        for index in range(used):
            documents[touched[index]] += np.uint32(1)
            times[touched[index]] = 0


@njit(cache=True, nogil=True)
def _vectors(data: np.ndarray, offsets: np.ndarray, rows: np.ndarray, words: int, word_table: np.ndarray, signs: int,
             sign_table: np.ndarray, one: np.uint64, many: np.uint64, idf: np.ndarray, vectors: np.ndarray) -> None:  # fmt: skip
    times, touched = np.zeros(SLOTS, np.int32), np.empty(SLOTS, np.int32)
    sums = np.empty(vectors.shape[1], np.float64)
    for number in range(len(rows)):
        at, end = offsets[rows[number]], offsets[rows[number] + 1]
        singles = _tally(data, at, end, words, word_table, 1, one, 0, times, touched, 0)
        if singles == 0:
            continue
        used = _tally(data, at, end, signs, sign_table, RUN, many, RUN_SLOTS, times, touched, singles)
        sums[:] = 0.0
        for index in range(used):
            slot = touched[index]
            weight = (1.0 + math.log(times[slot])) * idf[slot]
            times[slot] = 0
            _project(sums, slot, weight if index < singles else weight * RUNS)
        length = 0.0
        for value in sums:
            length += value * value
        if length > 0.0:
            length = math.sqrt(length)
            for place in range(len(sums)):
                vectors[number, place] = sums[place] / length


@njit(cache=True, nogil=True)
def _project(sums: np.ndarray, slot: int, weight: float) -> None:
    """Add the weight, with a sign, to one sum in each of BLOCKS blocks; four blocks take sign and place from one random number."""
    block = np.uint64(len(sums) // BLOCKS)
    here = np.uint64(0)
    for number in range(BLOCKS // 4):
        bits = mix(np.uint64(slot) * FEATURE_BASE + np.uint64(number + 1))
        for _ in range(4):
            sums[here + (((bits & np.uint64(0x7FFF)) * block) >> np.uint64(15))] += weight if bits & np.uint64(0x8000) else -weight
            bits >>= np.uint64(16)
            here += block
