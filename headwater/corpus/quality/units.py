"""What are the units of a text: words, or characters where there are no spaces? Kernels: hashed units, and their n-grams.

The n-grams of rising length are counted from one list of candidates: an n-gram that stands but once cannot begin a longer one
that stands twice, so that after pairs and triples few places are left to look at.
Legend: C code points, N documents, U units of a whole batch. Units of document n: `unit_starts[n]:unit_starts[n + 1]`.
"""

from __future__ import annotations

import numpy as np

from headwater.core.compiled import njit
from headwater.corpus.quality.hashing import BASE, capacity, mix, slot_of
from headwater.corpus.quality.unicode import SPACE

MOST = 1 << 22
"""Units of a document whose n-grams are counted (40 times Gopher's longest document); more would take gigabytes."""
STOP_SLOTS = 1024
STOP_WORDS = 16
"""Stop words are numbered from 0, stop characters from 16, both in 64 bits."""


@njit(cache=True, nogil=True)
def with_characters(points_C: np.ndarray, starts: np.ndarray, classes: np.ndarray, by_characters: np.ndarray, hashes_W: np.ndarray,
                    lengths_W: np.ndarray, word_starts: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """`(hashes uint64 [U], lengths int32 [U], unit_starts int64 [N + 1])`: some documents in characters, the others in words as given.

    `count` is U, known from the tallies.
    """
    hashes_U = np.empty(count, np.uint64)
    lengths_U = np.ones(count, np.int32)
    unit_starts = np.zeros(len(starts), np.int64)
    unit = 0
    for document in range(len(starts) - 1):
        if by_characters[document]:
            for place in range(starts[document], starts[document + 1]):
                if not classes[points_C[place]] & SPACE:
                    hashes_U[unit] = mix(np.uint64(points_C[place] + 1) * BASE)
                    unit += 1
        else:
            for word in range(word_starts[document], word_starts[document + 1]):
                hashes_U[unit] = hashes_W[word]
                lengths_U[unit] = lengths_W[word]
                unit += 1
        unit_starts[document + 1] = unit
    return hashes_U, lengths_U, unit_starts


@njit(cache=True, nogil=True)
def stop_counts(hashes_U: np.ndarray, unit_starts: np.ndarray, by_characters: np.ndarray, keys: np.ndarray, numbers: np.ndarray) -> (
    np.ndarray
):  # fmt: skip
    """int64 [N]: how many different stop words (or stop characters) a document has. `keys` and `numbers` are of `stop_table`."""
    found = np.zeros(len(unit_starts) - 1, np.int64)
    mask = np.uint64(STOP_SLOTS - 1)
    for document in range(len(unit_starts) - 1):
        seen = np.uint64(0)
        for unit in range(unit_starts[document], unit_starts[document + 1]):
            slot = slot_of(keys, mask, hashes_U[unit])
            if keys[slot] != np.uint64(0):
                seen |= np.uint64(1) << np.uint64(numbers[slot])
        seen = seen >> np.uint64(STOP_WORDS) if by_characters[document] else seen & np.uint64((1 << STOP_WORDS) - 1)
        while seen:
            found[document] += 1
            seen &= seen - np.uint64(1)
    return found


@njit(cache=True, nogil=True)
def gopher_ngrams(hashes_U: np.ndarray, lengths_U: np.ndarray, unit_starts: np.ndarray, by_characters: np.ndarray, top_sizes: np.ndarray,
                  repeated_sizes: np.ndarray) -> np.ndarray:  # fmt: skip
    """int64 [N, tops + repeats]: characters of the top n-grams, spaces between words included; characters in repeated n-grams.

    Of equally frequent n-grams the first is the top, even if all stand once. Sizes are int64 [2, …] and rise: row 0 for words,
    row 1 for characters.
    """
    tops, repeats = top_sizes.shape[1], repeated_sizes.shape[1]
    found = np.zeros((len(unit_starts) - 1, tops + repeats), np.int64)
    keys, counts, slots, places, values = _scratch(unit_starts)
    for document in range(len(unit_starts) - 1):
        first, last = unit_starts[document], min(unit_starts[document + 1], unit_starts[document] + MOST)
        scheme = 1 if by_characters[document] else 0
        left, width = _all_units(hashes_U, first, last, places, values), 1
        for index in range(tops):
            n = top_sizes[scheme, index]
            if last - first < n:
                break
            left = _lengthen(hashes_U, last, places, values, left, width, n)
            count, place, _ = _count(lengths_U, places, values, left, n, keys, counts, slots)
            if count <= 1:
                count, place = 1, first
            length = 0 if scheme else n - 1  # words stand apart
            for unit in range(place, place + n):
                length += lengths_U[unit]
            found[document, index] = count * length
            left, width = _keep_frequent(places, values, left, counts, slots), n
        for index in range(repeats):
            n = repeated_sizes[scheme, index]
            left, width = _lengthen(hashes_U, last, places, values, left, width, n), n
            found[document, tops + index] = _repeated(lengths_U, places, values, left, n, keys)
    return found


@njit(cache=True, nogil=True)
def plain_ngrams(hashes_U: np.ndarray, lengths_U: np.ndarray, unit_starts: np.ndarray, by_characters: np.ndarray, top_size: np.ndarray,
                 repeated_size: np.ndarray) -> np.ndarray:  # fmt: skip
    """int64 [N, 3]: characters that the most frequent n-gram covers (0 if none stands twice); n-grams; those that stood before.

    Of equally frequent n-grams the longest counts. Sizes are int64 [2]: for words, for characters.
    """
    found = np.zeros((len(unit_starts) - 1, 3), np.int64)
    keys, counts, slots, places, values = _scratch(unit_starts)
    for document in range(len(unit_starts) - 1):
        first, last = unit_starts[document], min(unit_starts[document + 1], unit_starts[document] + MOST)
        scheme = 1 if by_characters[document] else 0
        left = _all_units(hashes_U, first, last, places, values)
        left = _lengthen(hashes_U, last, places, values, left, 1, top_size[scheme])
        count, _, longest = _count(lengths_U, places, values, left, top_size[scheme], keys, counts, slots)
        found[document, 0] = count * longest if count > 1 else 0
        left = _keep_frequent(places, values, left, counts, slots)
        left = _lengthen(hashes_U, last, places, values, left, top_size[scheme], repeated_size[scheme])
        _count(lengths_U, places, values, left, repeated_size[scheme], keys, counts, slots)
        found[document, 1] = max(0, last - first - repeated_size[scheme] + 1)
        for index in range(left):
            if counts[slots[index]] > 1:
                counts[slots[index]] -= 1
                found[document, 2] += 1
    return found


@njit(cache=True, nogil=True)
def _all_units(hashes_U: np.ndarray, first: int, last: int, places: np.ndarray, values: np.ndarray) -> int:
    """Every unit is a candidate, as an n-gram of one."""
    for unit in range(first, last):
        places[unit - first] = unit
        values[unit - first] = hashes_U[unit]
    return last - first


@njit(cache=True, nogil=True)
def _lengthen(hashes_U: np.ndarray, last: int, places: np.ndarray, values: np.ndarray, left: int, width: int, n: int) -> int:
    """From n-grams of `width` units to n-grams of `n`; those that would reach past the end are dropped."""
    while left and places[left - 1] + n > last:
        left -= 1
    for index in range(left):
        value = values[index]
        for unit in range(places[index] + width, places[index] + n):
            value = value * BASE + hashes_U[unit]
        values[index] = value
    return left


@njit(cache=True, nogil=True)
def _count(lengths_U: np.ndarray, places: np.ndarray, values: np.ndarray, left: int, n: int, keys: np.ndarray, counts: np.ndarray,
           slots: np.ndarray) -> tuple[int, int, int]:  # fmt: skip
    """Count each candidate. `(count of the most frequent, place of the first such, characters of the longest such)`."""
    size = capacity(left)
    keys[:size] = np.uint64(0)
    mask = np.uint64(size - 1)
    most = 0
    for index in range(left):
        key = max(mix(values[index]), np.uint64(1))
        slot = slot_of(keys, mask, key)
        if keys[slot] == np.uint64(0):
            keys[slot] = key
            counts[slot] = 0
        counts[slot] += 1
        slots[index] = slot
        most = max(most, counts[slot])
    place, longest = -1, 0
    if most > 1:
        for index in range(left):
            if counts[slots[index]] == most:
                if place < 0:
                    place = places[index]
                length = 0
                for unit in range(places[index], places[index] + n):
                    length += lengths_U[unit]
                longest = max(longest, length)
    return most, place, longest


@njit(cache=True, nogil=True)
def _keep_frequent(places: np.ndarray, values: np.ndarray, left: int, counts: np.ndarray, slots: np.ndarray) -> int:
    """Only candidates that were counted twice stay."""
    kept = 0
    for index in range(left):
        if counts[slots[index]] > 1:
            places[kept] = places[index]
            values[kept] = values[index]
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def _repeated(lengths_U: np.ndarray, places: np.ndarray, values: np.ndarray, left: int, n: int, keys: np.ndarray) -> int:
    """Characters in n-grams that stood before; an n-gram that did is stepped over, so that no character counts twice."""
    size = capacity(left)
    keys[:size] = np.uint64(0)
    mask = np.uint64(size - 1)
    characters = 0
    due = -1
    for index in range(left):
        if places[index] < due:
            continue
        key = max(mix(values[index]), np.uint64(1))
        slot = slot_of(keys, mask, key)
        if keys[slot] == np.uint64(0):
            keys[slot] = key
        else:
            due = places[index] + n
            for unit in range(places[index], due):
                characters += lengths_U[unit]
    return characters


@njit(cache=True, nogil=True)
def _scratch(unit_starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Table (keys, counts) and candidates (slots, places, hashes), for the longest document."""
    longest = 0
    for document in range(len(unit_starts) - 1):
        longest = max(longest, min(MOST, unit_starts[document + 1] - unit_starts[document]))
    size = capacity(longest)
    return (np.empty(size, np.uint64), np.empty(size, np.int32), np.empty(longest, np.int64), np.empty(longest, np.int64),
            np.empty(longest, np.uint64))  # fmt: skip


def stop_table(words: tuple[str, ...], characters: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """`(keys uint64 [STOP_SLOTS], numbers int64 [STOP_SLOTS])`: at most 16 stop words and 48 stop characters, by hash."""
    assert len(words) <= STOP_WORDS and len(characters) <= 64 - STOP_WORDS
    keys, numbers = np.zeros(STOP_SLOTS, np.uint64), np.zeros(STOP_SLOTS, np.int64)
    for number, unit in [*enumerate(words), *enumerate(characters, STOP_WORDS)]:
        key = np.uint64(_hash_unit(np.array([ord(character) for character in unit], np.int32)))
        slot = slot_of(keys, np.uint64(STOP_SLOTS - 1), key)
        assert keys[slot] == 0, f"'{unit}' stands twice"
        keys[slot], numbers[slot] = key, number
    return keys, numbers


@njit(cache=True, nogil=True)
def _hash_unit(points: np.ndarray) -> np.uint64:
    value = np.uint64(0)
    for point in points:
        value = (value + np.uint64(point + 1)) * BASE
    return mix(value)
