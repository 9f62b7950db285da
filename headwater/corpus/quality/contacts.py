"""How many links, telephone numbers and prices does a text have? Kernel over code points, for the rules on adverts.

No number is read, only its shape: this counts the signs of an advert and finds no private data (headwater/corpus/privacy does).
"""

from __future__ import annotations

import numpy as np

from headwater.core.compiled import njit
from headwater.corpus.quality.unicode import ALNUM, DIGIT, SPACELESS

LINKS, PHONES, PRICES = range(3)
BEFORE = np.array([ord(sign) for sign in "$€£¥￥"])
AFTER = np.array([ord(sign) for sign in "元圓€£"])
WORD = ALNUM | SPACELESS
LEAST, MOST = 9, 15
"""Digits of a telephone number: E.164 allows 15; 8 with dashes is most often a date."""
COLON, SLASH, SPACE, W, FULL_STOP, COMMA = ord(":"), ord("/"), ord(" "), ord("w"), ord("."), ord(",")
PLUS, DASH, OPEN, CLOSE = ord("+"), ord("-"), ord("("), ord(")")
ZERO, ONE, THREE = ord("0"), ord("1"), ord("3")


@njit(cache=True, nogil=True)
def contacts(points_C: np.ndarray, starts: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """int64 [N, 3]: links (`://`, or `www.` alone), telephone numbers, prices."""
    found = np.zeros((len(starts) - 1, 3), np.int64)
    for document in range(len(starts) - 1):
        start, end = starts[document], starts[document + 1]
        place = start
        while place < end:
            point = points_C[place]
            if point == COLON and place + 2 < end and points_C[place + 1] == SLASH and points_C[place + 2] == SLASH:
                found[document, LINKS] += 1
                place += 3
            elif point == W and _is_www(points_C, start, place, end):
                found[document, LINKS] += 1
                place += 4
            elif classes[point] & DIGIT and (place == start or classes[points_C[place - 1]] & WORD != ALNUM):
                place = _number(points_C, start, place, end, classes, found[document])
            else:
                place += 1
    return found


@njit(cache=True, nogil=True)
def _is_www(points_C: np.ndarray, start: int, place: int, end: int) -> bool:
    """`www.` that no `://` stands before."""
    if place + 3 >= end or points_C[place + 1] != W or points_C[place + 2] != W or points_C[place + 3] != FULL_STOP:
        return False
    return place == start or points_C[place - 1] != SLASH


@njit(cache=True, nogil=True)
def _number(points_C: np.ndarray, start: int, place: int, end: int, classes: np.ndarray, row: np.ndarray) -> int:
    """Count the number that begins here as a price, a telephone number or neither; returns the place after it."""
    first = place
    digits, marks = 1, 0
    before = first - 1
    if before > start and points_C[before] == SPACE:
        before -= 1
    amount_end = place + 1  # of the first stretch of digits, commas and full stops
    whole = True
    place += 1
    while place < end:
        point = points_C[place]
        if classes[point] & DIGIT:
            digits += 1
        elif point in (SPACE, DASH, OPEN, CLOSE):
            marks += point != SPACE
            whole = False
        elif point not in (COMMA, FULL_STOP):
            break
        place += 1
        if whole:
            amount_end = place
    if before >= start and _is_one_of(points_C[before], BEFORE):
        row[PRICES] += 1
        return amount_end
    after = amount_end + 1 if amount_end < end and points_C[amount_end] == SPACE else amount_end
    if after < end and _is_one_of(points_C[after], AFTER):
        row[PRICES] += 1
        return after + 1
    if first > start and (points_C[first - 1] == PLUS or points_C[first - 1] == OPEN):
        marks += 1
    mobile = digits == 11 and points_C[first] == ONE and points_C[first + 1] >= THREE
    row[PHONES] += LEAST <= digits <= MOST and (marks > 0 or mobile)
    return place


@njit(cache=True, nogil=True)
def _is_one_of(point: int, signs: np.ndarray) -> bool:
    return bool((signs == point).any())
