"""Numba kernels: which documents might be alike, and how alike are two? In: texts as code points. Out: band keys, Jaccard.

One-permutation MinHash (Li, Owen, Zhang 2012): each shingle's 64-bit hash names one of `bands * rows` bins and competes in
it for the minimum; empty bins borrow from full ones by optimal densification (Shrivastava 2017). One pass over the text,
whatever the number of bins. Legend: C code points, S shingles, N documents.
"""

from __future__ import annotations

import numpy as np
from numba import njit

EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)
BASE = np.uint64(0x9E3779B97F4A7C15)
LOW = np.uint64(0xFFFFFFFF)


def code_points(text: str) -> np.ndarray:
    """What is compared of a text: code points after case folding, with each stretch of white space as one space."""
    return np.frombuffer(" ".join(text.casefold().split()).encode("utf-32-le", "replace"), np.uint32)


def band_keys(texts: list[str], shingle: int, bands: int, rows: int) -> np.ndarray:
    """uint64 [N, bands]: documents that share a key in the same band are candidates."""
    points = [code_points(text) for text in texts]
    starts = np.concatenate([[0], np.cumsum([len(point) for point in points])]).astype(np.int64)
    keys: np.ndarray = _band_keys(np.concatenate(points) if points else np.empty(0, np.uint32), starts, shingle, bands, rows)
    return keys


def shingle_set(text: str, shingle: int) -> np.ndarray:
    """uint64 [S], sorted: the hashes of a text's different shingles."""
    return np.unique(_shingle_hashes(code_points(text), shingle))


@njit(cache=True, nogil=True)
def mix(value: np.uint64) -> np.uint64:
    """A bijection of 64 bits in which each input bit flips half of the output (splitmix64's finalizer)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True)
def _shingle_hashes(points_C: np.ndarray, shingle: int) -> np.ndarray:
    """The hash of every shingle; a text shorter than one is one shingle."""
    count = len(points_C)
    width = min(shingle, count)
    hashes_S = np.empty(count - width + 1 if count else 0, np.uint64)
    for start in range(len(hashes_S)):
        value = np.uint64(0)
        for offset in range(width):
            value = value * BASE + np.uint64(points_C[start + offset]) + np.uint64(1)
        hashes_S[start] = mix(value)
    return hashes_S


@njit(cache=True, nogil=True)
def _sketch(hashes_S: np.ndarray, bins: int) -> np.ndarray:
    """The least hash in each bin. The upper half of a hash names the bin, the lower half competes."""
    least = np.full(bins, EMPTY, np.uint64)
    for value in hashes_S:
        index = ((value >> np.uint64(32)) * np.uint64(bins)) >> np.uint64(32)
        least[index] = min(least[index], value & LOW)
    return least


@njit(cache=True, nogil=True)
def _densify(least: np.ndarray) -> np.ndarray:
    """Each empty bin takes the value of a full one, tried in an order that depends on the empty bin alone."""
    dense = least.copy()
    bins = len(least)
    for index in range(bins):
        attempt = np.uint64(0)
        other = np.uint64(index)
        while least[other] == EMPTY:
            attempt += np.uint64(1)
            other = mix((np.uint64(index) << np.uint64(32)) + attempt) % np.uint64(bins)
        dense[index] = least[other]
    return dense


@njit(cache=True, nogil=True)
def _band_keys(points_C: np.ndarray, starts: np.ndarray, shingle: int, bands: int, rows: int) -> np.ndarray:
    keys = np.zeros((len(starts) - 1, bands), np.uint64)
    for document in range(len(starts) - 1):
        hashes_S = _shingle_hashes(points_C[starts[document] : starts[document + 1]], shingle)
        if len(hashes_S) == 0:
            continue
        dense = _densify(_sketch(hashes_S, bands * rows))
        for band in range(bands):
            key = np.uint64(band)
            for row in range(rows):
                key = mix(key * BASE + dense[band * rows + row])
            keys[document, band] = key
    return keys


@njit(cache=True, nogil=True)
def jaccard(a_S: np.ndarray, b_S: np.ndarray) -> float:
    """Shared over all, of two sorted sets; of two empty ones 1."""
    shared, i, j = 0, 0, 0
    while i < len(a_S) and j < len(b_S):
        if a_S[i] == b_S[j]:
            shared += 1
            i += 1
            j += 1
        elif a_S[i] < b_S[j]:
            i += 1
        else:
            j += 1
    union = len(a_S) + len(b_S) - shared
    return 1.0 if union == 0 else shared / union
