"""Where in a text could something personal stand? In: UTF-8 of a batch as it lies in Arrow's memory. Out: anchors.

One pass of a Numba kernel over the bytes, so that text without `@`, long numbers and odd words costs next to nothing: the
checks in Python (numbers.py, phones.py, network.py, secrets.py) look only around anchors. An anchor is
`(document, what, start, end)` with start and end in characters (code points) of the document; the gate may say too much,
and must not miss what the checks would take. Legend: A anchors, N documents.
"""

from __future__ import annotations

import numpy as np

from headwater.core.compiled import njit

EMAIL, NUMBER, IBAN, IPV6, TOKEN, ASSIGNMENT, KEY_BLOCK, PASSPORT = range(8)

DIGITS_OF_NUMBER = 7
"""Digits of the shortest number that is looked at (555-0123, a passport)."""
LETTERS_OF_TOKEN = 16
"""The shortest key that its form betrays, with a digit in it."""
LETTERS_OF_KEY = 20
"""The shortest one without, in capitals and small letters."""
LETTERS_OF_VALUE = 8
"""The shortest password in an assignment that is looked at."""

DIGIT, UPPER, LOWER, HYPHEN, JOINT, CONTINUATION = 1, 2, 4, 8, 16, 32
WORD = DIGIT | UPPER | LOWER | HYPHEN


def _classes() -> np.ndarray:
    """uint8 [256]: what a byte can be part of."""
    table = np.zeros(256, np.uint8)
    table[ord("0") : ord("9") + 1] = DIGIT
    table[ord("A") : ord("Z") + 1] = UPPER
    table[ord("a") : ord("z") + 1] = LOWER
    for sign in b"_-":
        table[sign] |= HYPHEN
    for sign in b" -.()+":
        table[sign] |= JOINT
    table[0x80:0xC0] = CONTINUATION
    return table


CLASSES = _classes()


def anchors(data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """int64 [A, 4]: document, what, start and end in characters; ascending by document and place."""
    found = np.empty((1024 + len(data) // 128, 4), np.int64)
    count = _scan(data, offsets, CLASSES, found)
    if count > len(found):  # rare: counted, but not all kept
        found = np.empty((count, 4), np.int64)
        _scan(data, offsets, CLASSES, found)
    return found[:count]


@njit(cache=True, nogil=True)
def _scan(data: np.ndarray, offsets: np.ndarray, classes: np.ndarray, found: np.ndarray) -> int:
    """How many anchors there are; as many of them as there is room for are written to `found`."""
    count = 0
    for document in range(len(offsets) - 1):
        first, last = offsets[document], offsets[document + 1]
        index, place = first, 0  # byte, and characters before it
        digits, dots, joints, start, end = 0, 0, 0, 0, 0  # of the number that is being read, over words and the signs between them
        while index < last:
            byte = data[index]
            kind = classes[byte]
            if kind & WORD:
                begin, has = index, kind
                index += 1
                while index < last and classes[data[index]] & WORD:
                    has |= classes[data[index]]
                    index += 1
                length = index - begin
                if length >= 8 or (length >= 4 and has & DIGIT) or (length == 4 and index < last and data[index] == 58):
                    what = _word(data, classes, begin, length, has, last)
                    if what >= 0:
                        count = _put(found, count, document, what, place, place + length)
                if has & DIGIT:
                    inside = 0
                    for at in range(begin, index):
                        inside += classes[data[at]] == DIGIT
                    if digits == 0:
                        start, dots = place, 0
                    digits += inside
                    end, joints = place + length, 0
                place += length
                if has & (UPPER | LOWER) and digits:
                    if digits >= DIGITS_OF_NUMBER or (dots >= 3 and digits >= 4):
                        count = _put(found, count, document, NUMBER, start, end)
                    digits = 0
                continue
            index += 1
            if kind == CONTINUATION:
                continue
            if digits:
                if kind == JOINT and joints < 2:
                    joints += 1
                    dots += byte == 46
                else:
                    if digits >= DIGITS_OF_NUMBER or (dots >= 3 and digits >= 4):
                        count = _put(found, count, document, NUMBER, start, end)
                    digits = 0
            if byte == 64:
                if first < index - 1 < last - 1 and classes[data[index - 2]] & (WORD | JOINT) and classes[data[index]] & WORD:
                    count = _put(found, count, document, EMAIL, place, place + 1)
            elif byte == 61 or byte == 58:  # = or :
                if _assigns(data, classes, index, last):
                    count = _put(found, count, document, ASSIGNMENT, place, place + 1)
            elif byte == 0xE6 and _is_passport(data, index, last):
                count = _put(found, count, document, PASSPORT, place, place + 2)
            place += 1
        if digits >= DIGITS_OF_NUMBER or (dots >= 3 and digits >= 4):
            count = _put(found, count, document, NUMBER, start, end)
    return count


@njit(cache=True, nogil=True)
def _put(found: np.ndarray, count: int, document: int, what: int, start: int, end: int) -> int:
    if count < len(found):
        found[count, 0], found[count, 1], found[count, 2], found[count, 3] = document, what, start, end
    return count + 1


@njit(cache=True, nogil=True)
def _word(data: np.ndarray, classes: np.ndarray, begin: int, length: int, has: int, last: int) -> int:
    """What a word (letters, digits, `_`, `-`) can be the beginning of; -1: nothing."""
    a, b, c, d = data[begin], data[begin + 1], data[begin + 2], data[begin + 3]
    if has & DIGIT:
        if classes[a] & UPPER and classes[b] & UPPER and classes[c] & DIGIT and classes[d] & DIGIT:
            return IBAN
        if (
            length == 4 and begin + 4 < last and data[begin + 4] == 58 and (a == 50 or a == 51 or a == 70 or a == 102)
        ):  # 2xxx: 3xxx: Fxxx: fxxx:
            return IPV6
        if length >= LETTERS_OF_TOKEN:
            return TOKEN
    elif length == 4 and begin + 4 < last and data[begin + 4] == 58 and (a == 70 or a == 102):
        return IPV6
    if length >= LETTERS_OF_KEY and has & UPPER and has & LOWER:
        return TOKEN
    if length >= LETTERS_OF_TOKEN and ((a == 65 and (b == 75 or b == 83) and c == 73) or (a == 104 and b == 102 and c == 95)):
        return TOKEN  # AKI, ASI, hf_: keys that can be of letters only
    if a == 45 and b == 45 and length >= 10 and data[begin + 4] == 45 and data[begin + 5] == 66:  # -----B
        return KEY_BLOCK
    if length >= 8 and (a | 32) == 112 and (b | 32) == 97 and (c | 32) == 115 and (d | 32) == 115 and (data[begin + 4] | 32) == 112:
        return PASSPORT  # passp
    return -1


@njit(cache=True, nogil=True)
def _is_passport(data: np.ndarray, index: int, last: int) -> bool:
    """Do the other bytes of 护照 follow its first?"""
    return (index + 4 < last and data[index] == 0x8A and data[index + 1] == 0xA4 and data[index + 2] == 0xE7
            and data[index + 3] == 0x85 and data[index + 4] == 0xA7)  # fmt: skip


@njit(cache=True, nogil=True)
def _assigns(data: np.ndarray, classes: np.ndarray, index: int, last: int) -> bool:
    """Does a long enough value with a digit in it follow the sign, after spaces and a quote?"""
    place = index
    while place < last and place < index + 4 and (data[place] == 32 or data[place] == 34 or data[place] == 39 or data[place] == 96):
        place += 1
    begin = place
    has_digit = False
    while place < last and place < begin + 64 and 33 <= data[place] < 127 and data[place] != 34 and data[place] != 39:
        has_digit |= (classes[data[place]] & DIGIT) != 0
        place += 1
    return has_digit and place - begin >= LETTERS_OF_VALUE
