"""Numba kernel: which words and characters does a text have, and when does each come first? In: UTF-8. Out: counts and growth.

Scripts that put spaces between words are counted in words (runs of letters, case folded; an apostrophe inside is part of it), the
others (Chinese, Japanese, Thai …) in characters; a text may have both. Numbers and punctuation are neither.

A word is known by 64 bits of its hash; of each the place where it came first is kept, so that it can be shown.
"""

from __future__ import annotations

import unicodedata

import numpy as np

from headwater.core.compiled import njit
from headwater.core.kept import kept

TABLE = 0x32400
"""Code points below this have kinds; above there are no letters but of private use."""
LETTER, MARK, APOSTROPHE, SPACELESS = 1, 2, 3, 4
SPACELESS_RANGES = (
    (0x0E00, 0x0EFF), (0x0F00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF),  # Thai, Lao; Tibetan; Burmese; Khmer
    (0x3005, 0x3007), (0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),  # 々〆〇, kana, Han
    (0xF900, 0xFAFF), (0xFF66, 0xFF9F), (0x20000, 0x323AF),  # compatibility Han, half-width kana, further Han
)  # fmt: skip
BASE = np.uint64(0x9E3779B97F4A7C15)
FIRST_SLOTS = 1 << 16
WORDS, DIFFERENT, WORD_MARK, CHARACTERS, DIFFERENT_CHARACTERS, CHARACTER_MARK = range(6)
"""Places in the kernel's state."""


@kept
def tables() -> tuple[np.ndarray, np.ndarray]:
    """uint8 [TABLE] kind and uint32 [TABLE] lower case of every code point."""
    kinds, lower = np.zeros(TABLE, np.uint8), np.arange(TABLE, dtype=np.uint32)
    for point in range(TABLE):
        character = chr(point)
        category = unicodedata.category(character)
        if category[0] == "L":
            kinds[point] = LETTER
            small = character.lower()
            lower[point] = ord(small) if len(small) == 1 else point
        elif category[0] == "M":
            kinds[point] = MARK
    for first, last in SPACELESS_RANGES:
        inside = kinds[first : last + 1]
        inside[inside == LETTER] = SPACELESS
        inside[inside == MARK] = 0  # vowel signs and tones go with their letter
    kinds[[0x27, 0x2019]] = APOSTROPHE
    return kinds, lower


@njit(cache=True, nogil=True)
def mixed(value: np.uint64) -> np.uint64:
    """A bijection of 64 bits (splitmix64's finalizer); 0 marks an empty slot, so nothing is 0."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    value = value ^ (value >> np.uint64(31))
    return value if value != 0 else np.uint64(1)


@njit(cache=True, nogil=True)
def _slot(keys: np.ndarray, key: np.uint64) -> np.int64:
    mask = np.uint64(len(keys) - 1)
    slot = key & mask
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return np.int64(slot)


@njit(cache=True, nogil=True)
def _doubled(keys: np.ndarray, counts: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> tuple:  # type: ignore[type-arg]
    size = 2 * len(keys)
    new_keys, new_counts = np.zeros(size, np.uint64), np.zeros(size, np.int64)
    new_begins, new_ends = np.zeros(size, np.int64), np.zeros(size, np.int64)
    for old in range(len(keys)):
        if keys[old] != 0:
            slot = _slot(new_keys, keys[old])
            new_keys[slot], new_counts[slot] = keys[old], counts[old]
            new_begins[slot], new_ends[slot] = begins[old], ends[old]
    return new_keys, new_counts, new_begins, new_ends


@njit(cache=True, nogil=True)
def count(data: np.ndarray, starts: np.ndarray, order: np.ndarray, kinds: np.ndarray, lower: np.ndarray, marks: np.ndarray,
          most: int) -> tuple:  # type: ignore[type-arg]  # fmt: skip
    """Count the documents `data[starts[n]:starts[n + 1]]` in `order`; `marks` are the numbers of units at which growth is noted.

    Returns counts, begins, ends of the different words (places in data), counts by code point, growth of words and of
    characters at the marks (0: not reached), and how many documents were read: fewer than all when there are `most` words.
    """
    keys, counts = np.zeros(FIRST_SLOTS, np.uint64), np.zeros(FIRST_SLOTS, np.int64)
    begins, ends = np.zeros(FIRST_SLOTS, np.int64), np.zeros(FIRST_SLOTS, np.int64)
    points = np.zeros(TABLE, np.int64)
    word_growth, point_growth = np.zeros(len(marks), np.int64), np.zeros(len(marks), np.int64)
    state = np.zeros(6, np.int64)
    read = 0
    for document in order:
        if state[DIFFERENT] >= most:
            break
        read += 1
        place, stop = starts[document], starts[document + 1]
        while place <= stop:
            if 2 * state[DIFFERENT] > len(keys):
                keys, counts, begins, ends = _doubled(keys, counts, begins, ends)
            place = _read(data, place, stop, kinds, lower, marks, keys, counts, begins, ends, points, word_growth, point_growth, state)
    used = keys != 0
    return counts[used], begins[used], ends[used], points, word_growth, point_growth, read


@njit(cache=True, nogil=True)
def _read(data: np.ndarray, place: np.int64, stop: np.int64, kinds: np.ndarray, lower: np.ndarray, marks: np.ndarray, keys: np.ndarray,
          counts: np.ndarray, begins: np.ndarray, ends: np.ndarray, points: np.ndarray, word_growth: np.ndarray, point_growth: np.ndarray,
          state: np.ndarray) -> np.int64:  # fmt: skip
    """Count on from `place` until the document's end (`stop`, where its last word is closed) or until the table is half full.

    Returns where to go on. The tables are grown by the caller: a loop that assigns arrays anew is ten times slower in Numba, which
    then counts references at every byte.
    """
    value, begin, end, pending = np.uint64(0), np.int64(-1), np.int64(0), False
    while place <= stop:
        point, width = np.int64(0), np.int64(1)
        if place < stop:
            byte = np.int64(data[place])
            if byte < 0x80:
                point = byte
            elif byte < 0xE0:
                width, point = np.int64(2), byte & 0x1F
            elif byte < 0xF0:
                width, point = np.int64(3), byte & 0x0F
            else:
                width, point = np.int64(4), byte & 0x07
            for offset in range(1, min(width, stop - place)):
                point = (point << 6) | np.int64(data[place + offset] & 0x3F)
        kind = np.int64(kinds[point]) if point < TABLE else np.int64(0)
        if kind == LETTER or (kind == MARK and begin >= 0):
            if begin < 0:
                begin, value = place, np.uint64(0)
            elif pending:
                value = value * BASE + np.uint64(0x28)
            value = value * BASE + np.uint64(lower[point]) + np.uint64(1)
            end, pending = place + width, False
        elif kind == APOSTROPHE and begin >= 0 and not pending:
            pending = True
        elif begin >= 0:
            _add(mixed(value), begin, end, keys, counts, begins, ends, marks, word_growth, state)
            begin, pending = np.int64(-1), False
        if kind == SPACELESS:
            state[CHARACTERS] += 1
            state[DIFFERENT_CHARACTERS] += points[point] == 0
            points[point] += 1
            mark = state[CHARACTER_MARK]
            if mark < len(marks) and state[CHARACTERS] == marks[mark]:
                point_growth[mark] = state[DIFFERENT_CHARACTERS]
                state[CHARACTER_MARK] += 1
        place += width
        if begin < 0 and 2 * state[DIFFERENT] > len(keys):
            break
    return place


@njit(cache=True, nogil=True)
def _add(key: np.uint64, begin: np.int64, end: np.int64, keys: np.ndarray, counts: np.ndarray, begins: np.ndarray, ends: np.ndarray,
         marks: np.ndarray, growth: np.ndarray, state: np.ndarray) -> None:  # fmt: skip
    """One word more."""
    slot = _slot(keys, key)
    if keys[slot] == 0:
        keys[slot], begins[slot], ends[slot] = key, begin, end
        state[DIFFERENT] += 1
    counts[slot] += 1
    state[WORDS] += 1
    mark = state[WORD_MARK]
    if mark < len(marks) and state[WORDS] == marks[mark]:
        growth[mark] = state[DIFFERENT]
        state[WORD_MARK] += 1
