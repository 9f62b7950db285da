"""Which documents might be alike? In: UTF-8 bytes and offsets of documents. Out: uint64 [N, bands], keys that alike documents share.

One-permutation MinHash (Li, Owen, Zhang 2012): each shingle's 64-bit hash names one of `bands * rows` bins and competes in
it for the minimum; empty bins borrow from full ones by optimal densification (Shrivastava 2017). One pass over the text,
whatever the number of bins. A key is the hash of a band's `rows` minima; it is never 0, which stands for "no unit in it".
"""

from __future__ import annotations

import numpy as np

from headwater.core.compiled import njit
from headwater.corpus.duplicates.units import buffers, first_state, mix, next_shingles, power_of, table_of

EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)
LOW = np.uint64(0xFFFFFFFF)
BAND_BASE = np.uint64(0x9E3779B97F4A7C15)


def band_keys(data: np.ndarray, offsets: np.ndarray, unit: str, shingle: int, bands: int, rows: int) -> np.ndarray:
    """uint64 [bands, N] of documents `data[offsets[n]:offsets[n + 1]]`; a document without a unit has keys 0."""
    kind, table = table_of(unit)
    keys = np.zeros((bands, len(offsets) - 1), np.uint64)
    _band_keys(data, offsets, kind, table, shingle, power_of(shingle), rows, keys)
    return keys


@njit(cache=True, nogil=True)
def _band_keys(data: np.ndarray, offsets: np.ndarray, kind: int, table: np.ndarray, width: int, power: np.uint64, rows: int,
               keys: np.ndarray) -> None:  # fmt: skip
    bands = len(keys)
    bins = bands * rows
    least = np.empty(bins, np.uint64)
    units_U, hashes_S = buffers(width)
    for document in range(len(offsets) - 1):
        at, end = offsets[document], offsets[document + 1]
        least[:] = EMPTY
        word, rolled, seen = first_state(kind, width, units_U)
        while at < end:
            at, count, word, rolled, seen = next_shingles(data, at, end, kind, table, width, power, units_U, hashes_S, word, rolled, seen)
            for index in range(count):
                value = hashes_S[index]
                bin_ = ((value >> np.uint64(32)) * np.uint64(bins)) >> np.uint64(32)  # the upper half names the bin, the lower competes
                low, now = value & LOW, least[bin_]
                least[bin_] = low if low < now else now  # a selection; `min` becomes a branch, mispredicted every other time
        if seen == 0:
            continue
        _write_keys(least, rows, keys, document)


@njit(cache=True, nogil=True)
def _write_keys(least: np.ndarray, rows: int, keys: np.ndarray, document: int) -> None:
    bins = len(least)
    for band in range(len(keys)):
        key = np.uint64(band)
        for index in range(band * rows, band * rows + rows):
            key = mix(key * BAND_BASE + (least[index] if least[index] != EMPTY else _borrowed(least, index, bins)))
        keys[band, document] = max(key, np.uint64(1))


@njit(cache=True, nogil=True)
def _borrowed(least: np.ndarray, index: int, bins: int) -> np.uint64:
    """An empty bin takes the value of a full one, tried in an order that depends on the empty bin alone."""
    attempt = np.uint64(0)
    while True:
        attempt += np.uint64(1)
        other = mix((np.uint64(index) << np.uint64(32)) + attempt) % np.uint64(bins)
        if least[other] != EMPTY:
            return np.uint64(least[other])
