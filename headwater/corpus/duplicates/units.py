"""What are the shingles of a text? In: UTF-8 bytes as they lie in Arrow's memory. Out: one 64-bit hash a shingle.

A text is a sequence of *units*, a shingle is `width` units in a row. Units by kind:

    auto        a run of letters and digits is one; a sign of a script without spaces (汉字, かな, ไทย …) is one by itself
    word        runs of letters and digits, whatever the script
    character   code points, a stretch of white space as one space
    byte        bytes as they are

Case does not count (but for bytes), and between words nothing but letters and digits does. No object is made of a word or a
shingle: a text goes through two small buffers, so that one of a gigabyte needs no more memory than one of a kilobyte.
Legend: U units, S shingles.
"""

from __future__ import annotations

import unicodedata

import numpy as np

from headwater.core.compiled import njit
from headwater.core.kept import kept

CHUNK = 4096
"""Bytes that go through the buffers at once: both stay in the first-level cache."""
LETTER_BASE = np.uint64(0x9E3779B97F4A7C15)
SHINGLE_BASE = np.uint64(0xD1342543DE82EF95)
"""Of the polynomials over letters and over units. They differ, else ("x", "yz") and ("y", "xz") would be one shingle."""
WORDS, CHARACTERS, BYTES = 0, 1, 2
Whole = int | np.int64
ALONE = np.uint32(1 << 31)
"""Marks a sign that is a unit by itself."""
SPACELESS = ((0x0E00, 0x0EFF), (0x0F00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3021, 0x30FF),
             (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F))  # fmt: skip
"""Thai and Lao, Tibetan, Burmese, Khmer, radicals, 々〆〇, kana, Han; planes beyond the first are taken for Han or emoji."""


def table_of(unit: str) -> tuple[int, np.ndarray]:
    """`(kind, what each code point below 65,536 counts as)`: 0 for a gap, else the folded sign + 1, with ALONE or without."""
    return {"byte": BYTES, "character": CHARACTERS}.get(unit, WORDS), _table(unit)


@kept
def _table(unit: str) -> np.ndarray:
    if unit == "byte":
        return np.zeros(1, np.uint32)
    table = np.zeros(65_536, np.uint32)
    for point in range(65_536):
        sign = chr(point)
        if unit == "character":
            if not sign.isspace():
                table[point] = _folded(sign) + 1
        elif sign == "_" or unicodedata.category(sign)[0] in "LNM":
            table[point] = _folded(sign) + 1
    if unit == "auto":
        for first, last in SPACELESS:
            marked = table[first : last + 1]
            marked[marked > 0] |= ALONE
    return table


def _folded(sign: str) -> int:
    """Simple case folding: one code point for one."""
    folded = sign.casefold()
    return ord(folded) if len(folded) == 1 else ord(sign)


def power_of(width: int) -> np.uint64:
    """What a unit counts for by the time it leaves the window."""
    return np.uint64(pow(int(SHINGLE_BASE), width, 1 << 64))


@njit(cache=True, nogil=True)
def mix(value: np.uint64) -> np.uint64:
    """A bijection of 64 bits in which each input bit flips half of the output (splitmix64's finalizer)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True, inline="always")
def _decoded(data: np.ndarray, at: Whole, end: Whole) -> tuple[Whole, int]:
    """The code point at a byte that is not ASCII, and its length; a torn one is one byte of a gap."""
    lead = np.int64(data[at])
    size = 2 if lead < 0xE0 else (3 if lead < 0xF0 else 4)
    if lead < 0xC0 or at + size > end:
        return 0x20, 1
    if size == 2:
        return ((lead & 0x1F) << 6) | (np.int64(data[at + 1]) & 0x3F), 2
    point = ((lead & (0x0F if size == 3 else 0x07)) << 12) | ((np.int64(data[at + 1]) & 0x3F) << 6) | (np.int64(data[at + 2]) & 0x3F)
    if size == 4:
        point = (point << 6) | (np.int64(data[at + 3]) & 0x3F)
    return point, size


@njit(cache=True, nogil=True)
def _words(data: np.ndarray, at: Whole, stop: Whole, end: Whole, table: np.ndarray, units_U: np.ndarray, filled: Whole,
           word: np.uint64) -> tuple[Whole, Whole, np.uint64]:  # fmt: skip
    """Units of the bytes from `at` to about `stop`; `word` is the hash of the word that goes on, 0 between words.

    Without a branch at a word's end, which would be mispredicted once a word: a gap masks the hash to 0, and each byte
    writes the unit that would end here, of which only those before a gap are counted. An ASCII letter is rotated in (no two words of
    nine letters or fewer collide), in a third of the time that a multiplication takes; `next_shingles` multiplies once a word.
    """
    zero, one, turn, back = np.uint64(0), np.uint64(1), np.uint64(7), np.uint64(57)
    here, last, count = np.uint64(at), np.uint64(stop), np.uint64(filled)  # unsigned: no check for places that count from the end
    while here < last:
        byte = data[here]
        if byte < 128:
            value = np.uint64(table[byte])
            units_U[count] = word
            letter = np.uint64(value != zero)
            count += (letter ^ one) & np.uint64(word != zero)
            word = (((word << turn) | (word >> back)) ^ value) & (zero - letter)
            here += one
            continue
        point, size = _decoded(data, np.int64(here), end)
        here += np.uint64(size)
        value = np.uint64(table[point]) if point < 65_536 else np.uint64(point + 1) | np.uint64(ALONE)
        alone = value & np.uint64(ALONE)
        if word != zero and (value == zero or alone != zero):
            units_U[count] = word
            count += one
            word = zero
        if alone != zero:
            units_U[count] = value
            count += one
        elif value != zero:
            word = word * LETTER_BASE + value
    return np.int64(here), np.int64(count), word


@njit(cache=True, nogil=True)
def _characters(data: np.ndarray, at: Whole, stop: Whole, end: Whole, table: np.ndarray, units_U: np.ndarray, filled: Whole,
                gap: np.uint64) -> tuple[Whole, Whole, np.uint64]:  # fmt: skip
    """Units of the bytes from `at` to about `stop`; `gap` is 2 at the start, 1 when white space waits for what follows it, else 0."""
    while at < stop:
        point: Whole = np.int64(data[at])
        size = 1
        if point >= 128:
            point, size = _decoded(data, at, end)
        at += size
        value = np.uint64(table[point]) if point < 65_536 else np.uint64(point + 1)
        if value == np.uint64(0):
            if gap == np.uint64(0):
                gap = np.uint64(1)
            continue
        if gap == np.uint64(1):
            units_U[filled] = np.uint64(0x21)
            filled += 1
        gap = np.uint64(0)
        units_U[filled] = value
        filled += 1
    return at, filled, gap


@njit(cache=True, nogil=True)
def buffers(width: int) -> tuple[np.ndarray, np.ndarray]:
    """Room for units (the last `width` of the chunk before in front) and for shingles."""
    return np.zeros(CHUNK + width + 8, np.uint64), np.zeros(CHUNK + 8, np.uint64)


@njit(cache=True, nogil=True)
def next_shingles(data: np.ndarray, at: Whole, end: Whole, kind: int, table: np.ndarray, width: int, power: np.uint64,
                  units_U: np.ndarray, hashes_S: np.ndarray, word: np.uint64, rolled: np.uint64,
                  seen: int) -> tuple[Whole, int, np.uint64, np.uint64, int]:  # fmt: skip
    """Hash the shingles that end in the next CHUNK bytes into `hashes_S`.

    Returns (next byte, how many hashes, word, rolled, units seen); start with `first_state`. A text shorter than one shingle
    is one shingle.
    """
    filled: Whole = width
    stop = min(at + CHUNK, end)
    if kind == WORDS:
        at, filled, word = _words(data, at, stop, end, table, units_U, filled, word)
        if at >= end and word != np.uint64(0):
            units_U[filled] = word
            filled += 1
    elif kind == CHARACTERS:
        at, filled, word = _characters(data, at, stop, end, table, units_U, filled, word)
    else:
        for place in range(at, stop):
            units_U[filled] = np.uint64(data[place]) + np.uint64(1)
            filled += 1
        at = stop
    count = 0
    for place in range(width, filled):
        rolled = rolled * SHINGLE_BASE + units_U[place] - units_U[place - width] * power
        seen += 1
        hashes_S[count] = mix(rolled)
        count += int(seen >= width)
    if at >= end and 0 < seen < width:
        hashes_S[0] = mix(rolled)
        count = 1
    for place in range(width):
        units_U[place] = units_U[filled - width + place]
    return at, count, word, rolled, seen


@njit(cache=True, nogil=True, inline="always")
def first_state(kind: int, width: int, units_U: np.ndarray) -> tuple[np.uint64, np.uint64, int]:
    """Before a text's first byte: (word, rolled, units seen); what the text before left in the buffer is wiped."""
    units_U[:width] = np.uint64(0)
    return np.uint64(2) if kind == CHARACTERS else np.uint64(0), np.uint64(0), 0
