"""How do kernels remember what they saw? 64-bit hashes in an open-addressed table that is sized per document and reused.

Two different strings are taken for one if their 64-bit hashes are equal: with a million n-grams in a document the chance is
3e-8. Key 0 marks a free slot, so a hash of 0 counts as 1.
"""

from __future__ import annotations

import numpy as np

from headwater.core.compiled import njit

BASE = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, nogil=True)
def mix(value: np.uint64) -> np.uint64:
    """A bijection of 64 bits in which each input bit flips half of the output (splitmix64's finalizer)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True)
def hash_points(points_C: np.ndarray, start: int, end: int) -> np.uint64:
    """Of a stretch of code points. Four lanes, because one chain of multiplications would wait for itself."""
    a = b = c = d = np.uint64(0)
    fourth = BASE * BASE * BASE * BASE
    place = start
    while place + 4 <= end:
        a = a * fourth + np.uint64(points_C[place] + 1)
        b = b * fourth + np.uint64(points_C[place + 1] + 1)
        c = c * fourth + np.uint64(points_C[place + 2] + 1)
        d = d * fourth + np.uint64(points_C[place + 3] + 1)
        place += 4
    value = ((a * BASE + b) * BASE + c) * BASE + d
    while place < end:
        value = value * BASE + np.uint64(points_C[place] + 1)
        place += 1
    return mix(value + np.uint64(end - start))


@njit(cache=True, nogil=True)
def capacity(count: int) -> int:
    """The slots of a table for so many keys: a power of two, at most half full."""
    size = 16
    while size < 2 * count:
        size *= 2
    return size


@njit(cache=True, nogil=True)
def slot_of(keys: np.ndarray, mask: np.uint64, key: np.uint64) -> np.uint64:
    """Where the key stands, or the free slot where it belongs (`keys[slot] == 0`)."""
    slot = key & mask
    while keys[slot] != np.uint64(0) and keys[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return slot
