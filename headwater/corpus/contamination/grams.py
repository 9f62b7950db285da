"""Numba kernels: which n-grams does a text have, and which of an index are in it? In: UTF-8 as it lies in Arrow's memory.

A text is a row of *units*: words (runs of letters, digits and marks, lower-cased, apostrophes left out) and, in scripts
without spaces, single characters; punctuation and space only part them. An n-gram's hash is a polynomial of its units'
64-bit hashes modulo 2^64, finished by a bijection, so that the hashes of all windows of any length come from one prefix sum.

Two texts with different units share a 64-bit hash by chance with probability 2^-64 a comparison: 10^12 windows of a corpus
against 10^7 n-grams make 0.5 false hits in all. Each hit is therefore verified by a second hash of the same units, with
another base and another mixing: 10^19 * 2^-128 is 3 * 10^-20. Legend: U units, G n-grams, H hits, N documents.
"""

from __future__ import annotations

import unicodedata

import numpy as np

from headwater.core.compiled import njit
from headwater.core.kept import kept

BASE, SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
SEED, PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
PART, DROP, SINGLE = 0, 1, 0x80000000
"""Values of the table: a sign that parts units, one that is left out; a bit of characters that are units by themselves."""
SPACELESS = (
    (0x3005, 0x3007), (0x3040, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F),
    (0x0E00, 0x0EFF), (0x0F00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF),
)  # fmt: skip
"""Kana, Han, Thai, Lao, Tibetan, Burmese, Khmer."""


@kept
def table() -> np.ndarray:
    """uint32 [65536]: what each character of the Basic Multilingual Plane counts as."""
    values = np.zeros(1 << 16, np.uint32)
    for code in range(1 << 16):
        sign = chr(code)
        if sign in "'’ʼ\u00ad\u200b\u200c\u200d\ufeff":
            values[code] = DROP
        elif unicodedata.category(sign)[0] in "LNM":
            folded = unicodedata.normalize("NFKC", sign).lower()  # full-width letters are letters
            values[code] = ord(folded[0]) if folded and ord(folded[0]) < 1 << 16 else code
    for low, high in SPACELESS:
        inside = values[low : high + 1]
        inside[inside > DROP] |= np.uint32(SINGLE)
    return values


def grams_of(text: str, words: int, characters: int, least_words: int, least_characters: int) -> np.ndarray:
    """uint64 [G, 3]: hash, second hash and the hash of the first units (for the filter) of each n-gram of a text.

    A text that is shorter than an n-gram is one as a whole, and none if it has fewer than the least units.
    """
    data = np.frombuffer(text.encode("utf-8", "replace"), np.uint8)
    hashes_U, starts, ends = np.empty(len(data) + 1, np.uint64), np.empty(len(data) + 1, np.int64), np.empty(len(data) + 1, np.int64)
    count, singles = _units(data, 0, len(data), table(), hashes_U, starts, ends)
    length, least = (characters, least_characters) if 2 * singles > count else (words, least_words)
    if count < least:
        return np.empty((0, 3), np.uint64)
    grams: np.ndarray = _windows(hashes_U[:count], min(length, count), min(least_words, least_characters))
    return grams


def lengths_of(words: int, characters: int, least_words: int, least_characters: int) -> np.ndarray:
    """int64: all lengths, in units, that an n-gram of the index can have."""
    return np.array(sorted({*range(least_words, words + 1), *range(least_characters, characters + 1)}), np.int64)


@njit(cache=True, nogil=True)
def mix(value: np.uint64) -> np.uint64:
    """A bijection of 64 bits in which each input bit flips half of the output (splitmix64's finalizer)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True)
def _units(
    data: np.ndarray, first: int, last: int, values: np.ndarray, hashes_U: np.ndarray, starts: np.ndarray, ends: np.ndarray
) -> tuple[int, int]:
    """Write hash and characters `[start, end)` of each unit of the text; return how many, and how many are single characters."""
    count, singles, place, index = 0, 0, 0, first
    inside = False
    value = SEED
    while index < last:
        code = np.int64(data[index])
        index += 1
        if code >= 0x80:
            if code >= 0xF0 and index + 2 < last:
                code = (
                    (code & 7) << 18
                    | np.int64(data[index] & 63) << 12
                    | np.int64(data[index + 1] & 63) << 6
                    | np.int64(data[index + 2] & 63)
                )
                index += 3
            elif code >= 0xE0 and index + 1 < last:
                code = (code & 15) << 12 | np.int64(data[index] & 63) << 6 | np.int64(data[index + 1] & 63)
                index += 2
            elif index < last:
                code = (code & 31) << 6 | np.int64(data[index] & 63)
                index += 1
        folded = code | SINGLE if 0x20000 <= code < 0x32400 else 0  # rare Han characters; what else is beyond 0xFFFF is emoji and the like
        if code < 0x10000:
            folded = values[code]
        if folded > DROP and folded < SINGLE:
            if not inside:
                inside, value = True, SEED
                starts[count] = place
            value = (value ^ np.uint64(folded)) * PRIME
        elif folded != DROP:
            if inside:
                hashes_U[count], ends[count] = mix(value), place
                count += 1
                inside = False
            if folded >= SINGLE:
                hashes_U[count] = mix((SEED ^ np.uint64(folded & 0x7FFFFFFF)) * PRIME)
                starts[count], ends[count] = place, place + 1
                count += 1
                singles += 1
        place += 1
    if inside:
        hashes_U[count], ends[count] = mix(value), place
        count += 1
    return count, singles


@njit(cache=True, nogil=True)
def _second(hashes_U: np.ndarray, start: int, length: int) -> np.uint64:
    """The hash that verifies: other base, the units mixed again."""
    value = np.uint64(length)
    for index in range(start, start + length):
        value = value * SECOND + mix(hashes_U[index] ^ SECOND)
    return mix(value)


@njit(cache=True, nogil=True)
def _windows(hashes_U: np.ndarray, length: int, shortest: int) -> np.ndarray:
    """The three hashes of every window of `length` units."""
    grams = np.empty((len(hashes_U) - length + 1, 3), np.uint64)
    for start in range(len(grams)):
        value = np.uint64(0)
        for index in range(start, start + length):
            if index == start + shortest:
                grams[start, 2] = mix(value)
            value = value * BASE + hashes_U[index]
        if length == shortest:
            grams[start, 2] = mix(value)
        grams[start, 0], grams[start, 1] = mix(value + np.uint64(length)), _second(hashes_U, start, length)
    return grams


@njit(cache=True, nogil=True)
def filled(heads_G: np.ndarray, bits: int) -> np.ndarray:
    """uint8 [2^bits / 8]: a bit for each head; what has none is in no n-gram."""
    field = np.zeros((1 << bits) >> 3, np.uint8)
    for head in heads_G:
        place = np.int64(head >> np.uint64(64 - bits))
        field[place >> 3] |= np.uint8(1 << (place & 7))
    return field


@njit(cache=True, nogil=True)
def slots(hashes_G: np.ndarray, bits: int) -> np.ndarray:
    """int32 [2^bits]: where each hash stands, by open addressing; -1 is empty."""
    places = np.full(1 << bits, -1, np.int32)
    mask = (1 << bits) - 1
    for gram in range(len(hashes_G)):
        place = np.int64(hashes_G[gram] >> np.uint64(64 - bits))
        while places[place] >= 0:
            place = (place + 1) & mask
        places[place] = gram
    return places


@njit(cache=True, nogil=True)
def find(data: np.ndarray, offsets: np.ndarray, values: np.ndarray, lengths: np.ndarray, hashes_G: np.ndarray, seconds_G: np.ndarray,
         field: np.ndarray, field_bits: int, places: np.ndarray, place_bits: int, found: np.ndarray) -> int:  # fmt: skip
    """Write `(document, start, end, n-gram)` of each verified hit, in characters; return how many there are (room or not)."""
    longest = 0
    for document in range(len(offsets) - 1):
        longest = max(longest, offsets[document + 1] - offsets[document])
    hashes_U, sums = np.empty(longest + 1, np.uint64), np.zeros(longest + 2, np.uint64)
    starts, ends = np.empty(longest + 1, np.int64), np.empty(longest + 1, np.int64)
    powers = np.ones(len(lengths), np.uint64)
    for row in range(len(lengths)):
        for _ in range(lengths[row]):
            powers[row] *= BASE
    least, power, mask, hits = lengths[0], powers[0], (1 << place_bits) - 1, 0
    for document in range(len(offsets) - 1):
        count, _ = _units(data, offsets[document], offsets[document + 1], values, hashes_U, starts, ends)
        for index in range(count):
            sums[index + 1] = sums[index] * BASE + hashes_U[index]
        for start in range(count - least + 1):
            head = mix(sums[start + least] - sums[start] * power)
            bit = np.int64(head >> np.uint64(64 - field_bits))
            if not field[bit >> 3] >> (bit & 7) & 1:
                continue
            for row in range(len(lengths)):
                length = lengths[row]
                if start + length > count:
                    break
                value = mix(sums[start + length] - sums[start] * powers[row] + np.uint64(length))
                place = np.int64(value >> np.uint64(64 - place_bits))
                while places[place] >= 0:
                    gram = places[place]
                    if hashes_G[gram] == value:
                        if seconds_G[gram] == _second(hashes_U, start, length):
                            if hits < len(found):
                                found[hits, 0], found[hits, 1] = document, starts[start]
                                found[hits, 2], found[hits, 3] = ends[start + length - 1], gram
                            hits += 1
                        break
                    place = (place + 1) & mask
    return hits
