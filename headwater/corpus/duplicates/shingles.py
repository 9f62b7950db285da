"""What are the different shingles of the documents that may have a twin? In: their texts. Out: files of 64-bit hashes, and Jaccard.

Each part of the corpus is read once, from front to back, and of the documents that are wanted the sets of shingle hashes are
laid down; pairs are then compared from those files, wherever in the corpus the two stand. A text with more than
LIMIT different shingles (some 25 MB of English) is compared by a sample, those hashes that end in so many zero bits: at
four million of them the standard error is 0.0002.
"""

from __future__ import annotations

import numpy as np

from headwater.core.compiled import njit
from headwater.corpus.duplicates.units import buffers, first_state, next_shingles, power_of, table_of

LIMIT = 1 << 22
SMALLEST = 1024


def shingle_sets(data: np.ndarray, offsets: np.ndarray, rows: np.ndarray, unit: str,
                 shingle: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """`(hashes uint64, counts int64 [rows], masks uint64 [rows])` of some rows of a batch; a set is in no order, and 0 is in none."""
    kind, table = table_of(unit)
    return _shingle_sets(data, offsets, rows, kind, table, shingle, power_of(shingle), LIMIT)


@njit(cache=True, nogil=True)
def _shingle_sets(data: np.ndarray, offsets: np.ndarray, rows: np.ndarray, kind: int, table: np.ndarray, width: int, power: np.uint64,
                  limit: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    sets = np.empty(1 << 16, np.uint64)
    counts, masks = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.uint64)
    units_U, hashes_S = buffers(width)
    used = 0
    zero, one = np.uint64(0), np.uint64(1)
    slots = np.zeros(SMALLEST, np.uint64)
    for row in range(len(rows)):
        at, end = offsets[rows[row]], offsets[rows[row] + 1]
        if len(slots) > 4 * SMALLEST:
            slots = np.zeros(SMALLEST, np.uint64)
        slots[:] = zero
        held, mask = 0, zero
        word, rolled, seen = first_state(kind, width, units_U)
        while at < end:
            at, count, word, rolled, seen = next_shingles(data, at, end, kind, table, width, power, units_U, hashes_S, word, rolled, seen)
            for index in range(count):
                value = max(hashes_S[index], one)
                if value & mask != zero:
                    continue
                held += insert(slots, value)
                if 2 * held > len(slots):
                    if held >= limit:
                        mask = mask * np.uint64(2) + one
                    slots, held = _moved(slots, mask, len(slots) if held >= limit else 2 * len(slots))
        while used + held > len(sets):
            sets = np.concatenate((sets, np.empty(len(sets), np.uint64)))
        for value in slots:
            if value != zero:
                sets[used] = value
                used += 1
        counts[row], masks[row] = held, mask
    return sets[:used], counts, masks


@njit(cache=True, nogil=True, inline="always")
def insert(slots: np.ndarray, value: np.uint64) -> int:
    """1 if it is new. Open addressing: `slots` has a power of two places, 0 is a free one."""
    last = np.uint64(len(slots) - 1)
    slot = (value >> np.uint64(24)) & last
    while slots[slot] != np.uint64(0):
        if slots[slot] == value:
            return 0
        slot = (slot + np.uint64(1)) & last
    slots[slot] = value
    return 1


@njit(cache=True, nogil=True)
def _moved(slots: np.ndarray, mask: np.uint64, size: int) -> tuple[np.ndarray, int]:
    """The members that the mask lets through, in a table of another size."""
    larger = np.zeros(size, np.uint64)
    held = 0
    for value in slots:
        if value != np.uint64(0) and value & mask == np.uint64(0):
            held += insert(larger, value)
    return larger, held


@njit(cache=True, nogil=True)
def jaccards(sets: np.ndarray, starts: np.ndarray, masks: np.ndarray, left: np.ndarray, right: np.ndarray,
             threshold: float) -> np.ndarray:  # fmt: skip
    """float64 [pairs]: shared over all of the sets `left[n]` and `right[n]`; 0 where their sizes alone rule `threshold` out.

    Set i is `sets[starts[i]:starts[i + 1]]`. Fastest when pairs with the same left one follow each other.
    """
    similarity = np.zeros(len(left))
    slots = np.zeros(SMALLEST, np.uint64)
    now = -1
    for pair in range(len(left)):
        a, b = left[pair], right[pair]
        size_a, size_b = starts[a + 1] - starts[a], starts[b + 1] - starts[b]
        if masks[a] == masks[b] and min(size_a, size_b) < threshold * max(size_a, size_b):
            continue
        if a != now:
            size = SMALLEST
            while size < 2 * size_a:
                size *= 2
            slots = np.zeros(size, np.uint64)
            for index in range(starts[a], starts[a + 1]):
                insert(slots, sets[index])
            now = a
        mask = max(masks[a], masks[b])
        if mask != np.uint64(0):
            size_a = _passing(sets[starts[a] : starts[a + 1]], mask)
            size_b = _passing(sets[starts[b] : starts[b + 1]], mask)
        shared = 0
        for index in range(starts[b], starts[b + 1]):
            shared += int(sets[index] & mask == np.uint64(0) and _holds(slots, sets[index]))
        union = size_a + size_b - shared
        similarity[pair] = shared / union if union else 1.0
    return similarity


@njit(cache=True, nogil=True, inline="always")
def _holds(slots: np.ndarray, value: np.uint64) -> bool:
    last = np.uint64(len(slots) - 1)
    slot = (value >> np.uint64(24)) & last
    while slots[slot] != np.uint64(0):
        if slots[slot] == value:
            return True
        slot = (slot + np.uint64(1)) & last
    return False


@njit(cache=True, nogil=True)
def _passing(values: np.ndarray, mask: np.uint64) -> int:
    count = 0
    for value in values:
        count += int(value & mask == np.uint64(0))
    return count
