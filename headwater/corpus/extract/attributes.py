"""What does a start tag say of its element? In: bytes of a page in normal form. Out: the kinds of its names, and a few notes.

Compiled; called by scan.py for every start tag.
"""

from __future__ import annotations

import numpy as np

from headwater.core.compiled import njit
from headwater.corpus.extract import names
from headwater.corpus.extract.blocks import HIDDEN

GT, QUOT, SLASH, SPACE, EQUALS = 62, 34, 47, 32, 61
MATH_SCRIPT, ANNOTATES, SKIPS, ALT_START, ALT_END, ASKS_PASSWORD = range(6)
NOTES = 6
"""A script that holds TeX, an annotation that does, an element to leave out, the bytes of a formula's `alttext`, a password field."""
SKIPPED = "data-skipped"
"""The attribute that marks elements which are to be left out."""
LONGEST = 4096
"""Bytes of an attribute's value that are looked at."""


@njit(inline="never")
def read_attributes(
    data: np.ndarray, place: int, is_script: bool, word_keys: np.ndarray, word_values: np.ndarray, notes: np.ndarray
) -> tuple[int, int]:
    """`(place of the tag's end, kinds)`; `notes`: int64 [NOTES], filled."""
    size = len(data)
    own = 0
    notes[:] = 0
    while place < size and data[place] != GT:
        if data[place] <= SPACE or data[place] == SLASH:
            place += 1
            continue
        name_start = place
        while place < size and data[place] != EQUALS and data[place] != GT and data[place] > SPACE:
            place += 1
        name_end = place
        value_start = value_end = place
        if place < size and data[place] == EQUALS:
            place += 1
            if place < size and data[place] == QUOT:
                place += 1
                value_start = place
                while place < size and data[place] != QUOT:
                    place += 1
                value_end = place
                place += 1
        length = name_end - name_start
        if value_end - value_start > LONGEST:
            value_end = value_start + LONGEST
        first = data[name_start]
        named = length == 5 and first == 99 and same(data, name_start, name_end, b"class")
        named = named or (length == 2 and first == 105 and same(data, name_start, name_end, b"id"))
        named = named or (length == 4 and same(data, name_start, name_end, b"role"))
        if named or (length == 8 and same(data, name_start, name_end, b"itemprop")):
            own |= kinds_of(data, value_start, value_end, word_keys, word_values)
        elif length == 5 and same(data, name_start, name_end, b"style"):
            if within(data, value_start, value_end, b"display:none") or within(data, value_start, value_end, b"display: none"):
                own |= HIDDEN
        elif length == 6 and same(data, name_start, name_end, b"hidden"):
            own |= HIDDEN
        elif length == 4 and same(data, name_start, name_end, b"type"):
            notes[MATH_SCRIPT] = is_script and within(data, value_start, value_end, b"math/tex")
            notes[ASKS_PASSWORD] = same(data, value_start, value_end, b"password")
        elif length == 8 and same(data, name_start, name_end, b"encoding"):
            notes[ANNOTATES] = within(data, value_start, value_end, b"tex")
        elif length == 12 and same(data, name_start, name_end, b"data-skipped"):
            notes[SKIPS] = 1
        elif length == 7 and same(data, name_start, name_end, b"alttext"):
            notes[ALT_START], notes[ALT_END] = value_start, value_end
    return place, own


@njit(inline="never")
def lookup(key: int | np.int64, keys: np.ndarray, values: np.ndarray) -> int:
    place = key & (len(keys) - 1)
    while keys[place] != 0:
        if keys[place] == key:
            return int(values[place])
        place = (place + 1) & (len(keys) - 1)
    return 0


@njit(inline="never")
def kinds_of(data: np.ndarray, start: int, end: int, keys: np.ndarray, values: np.ndarray) -> int:
    """The kinds of all words in an attribute's value: split at whatever is no letter and at a capital after a small letter; two
    words in a row are also looked up as one."""
    found = 0
    word = np.uint64(names.OFFSET)
    pair = np.uint64(names.OFFSET)
    letters = 0
    letters_before = 0
    small_before = False
    for place in range(start, end + 1):
        byte = data[place] if place < end else 32
        capital = 65 <= byte <= 90
        letter = capital or 97 <= byte <= 122 or byte >= 128
        if (not letter or (capital and small_before)) and letters > 0:
            found |= lookup(np.int64(word & np.uint64(names.MASK)), keys, values)
            if letters_before > 0:
                found |= lookup(np.int64(pair & np.uint64(names.MASK)), keys, values)
            pair = word
            letters_before = letters
            word = np.uint64(names.OFFSET)
            letters = 0
            if byte <= 32:
                letters_before = 0  # pairs are parts of one name
        if letter:
            small = np.uint64(byte + 32 if capital else byte)
            word = (word ^ small) * np.uint64(names.PRIME)
            pair = (pair ^ small) * np.uint64(names.PRIME)
            letters += 1
        small_before = letter and not capital
    return found


@njit(inline="never")
def same(data: np.ndarray, start: int, end: int, text: bytes) -> bool:
    if end - start != len(text):
        return False
    for index in range(len(text)):  # noqa: SIM110 (compiled)
        if data[start + index] != text[index]:
            return False
    return True


@njit(inline="never")
def within(data: np.ndarray, start: int, end: int, text: bytes) -> bool:
    """Whether the text (small letters) stands anywhere in these bytes."""
    for place in range(start, end - len(text) + 1):
        index = 0
        while index < len(text) and (data[place + index] | 32) == text[index]:
            index += 1
        if index == len(text):
            return True
    return False


@njit(inline="never")
def ends(data: np.ndarray, place: int, start: int) -> bool:
    """Whether an end tag stands here for the element whose name begins at `start`."""
    if place + 1 >= len(data) or data[place + 1] != SLASH:
        return False
    place += 2
    while place < len(data) and 97 <= data[start] <= 122:
        if data[place] | 32 != data[start]:
            return False
        place += 1
        start += 1
    return place < len(data) and data[place] == GT
