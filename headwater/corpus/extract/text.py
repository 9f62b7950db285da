"""What stands between two tags? In: bytes of a page in normal form. Out: the same as a browser would show it, and counts of it.

White space becomes one space, or stays where it is preformatted; the four entities that a serializer writes become their characters.
Compiled; called by scan.py for every run of text.
"""

from __future__ import annotations

import numpy as np

from headwater.core.compiled import njit
from headwater.corpus.extract.attributes import same
from headwater.corpus.extract.blocks import (
    BARS,
    BREAKS,
    CAPITALS,
    CHARS,
    COMMAS,
    DIGITS,
    LAST,
    LINK_CHARS,
    STOPS,
    STRONG_CHARS,
    WIDE,
    WORDS,
    begin,
)

LT, GT, AMP, SPACE = 60, 62, 38, 32
STARTED, GAP, PENDING, IN_WORD = range(4)
STATE = 4
"""What the scanner remembers from one run of text to the next: whether a block has begun, whether white space is due, how many `<br>`,
whether a word goes on."""


@njit(inline="never")
def read_text(
    data: np.ndarray, place: int, end: int, text: np.ndarray, out: int, row: np.ndarray, state: np.ndarray,
    element: int, lists: int, pre: int, links: int, strong: int,
) -> int:  # fmt: skip
    """The new end of `text`; `row` (the block's) and `state` are changed."""
    started, gap, breaks, word = state[STARTED] > 0, state[GAP] > 0, state[PENDING], state[IN_WORD] > 0
    while place < end:
        byte = data[place]
        width = 1
        if byte == AMP:
            if same(data, place, min(place + 5, end), b"&amp;"):
                width = 5
            elif same(data, place, min(place + 4, end), b"&lt;"):
                byte, width = np.uint8(LT), 4
            elif same(data, place, min(place + 4, end), b"&gt;"):
                byte, width = np.uint8(GT), 4
            elif same(data, place, min(place + 6, end), b"&nbsp;"):
                byte, width = np.uint8(SPACE), 6
        space = byte <= SPACE
        if byte == 0xC2 and place + 1 < end and data[place + 1] == 0xA0:
            byte, width, space = np.uint8(SPACE), 2, True
        if space and pre == 0:
            gap = True
            word = False
            place += width
            continue
        if not started:
            begin(row, element, out, lists, pre, links, place)
            started = True
            gap = False
            breaks = 0
            word = False
        if breaks == 1:
            text[out] = 10
            out += 1
            row[BREAKS] += 1
        elif gap:
            text[out] = SPACE
            out += 1
        gap = False
        breaks = 0
        text[out] = byte
        out += 1
        place += width
        if space:
            word = False
            continue
        if (byte & 0xC0) == 0x80:
            continue
        row[CHARS] += 1
        row[LINK_CHARS] += links > 0
        row[STRONG_CHARS] += strong > 0
        if not word:
            row[WORDS] += 1
            row[CAPITALS] += 65 <= byte <= 90 or byte == 0xC3
            word = True
        last = 0
        if byte < 128:
            if 48 <= byte <= 57:
                row[DIGITS] += 1
                last = 2
            elif byte == 44 or byte == 59:
                row[COMMAS] += 1
            elif byte == 46 or byte == 33 or byte == 63:
                row[STOPS] += 1
                last = 1
            elif byte == 58:
                last = 3
            elif byte == 124:
                row[BARS] += 1
                last = 4
            elif byte == 34 or byte == 39 or byte == 41:
                last = 5
        elif 0xE3 <= byte <= 0xE9 and place + 1 < end:
            second, third = data[place], data[place + 1]
            if byte == 0xE3 and second == 0x80 and (third == 0x82 or third == 0x81):
                row[STOPS] += third == 0x82
                row[COMMAS] += third == 0x81
                last = 1 if third == 0x82 else 0
            else:
                row[WIDE] += 1
        elif byte == 0xEF and place + 1 < end and data[place] == 0xBC:
            third = data[place + 1]
            row[COMMAS] += third == 0x8C or third == 0x9B
            if third == 0x81 or third == 0x9F:
                row[STOPS] += 1
                last = 1
        elif byte == 0xC2 and place < end and (data[place] == 0xA9 or data[place] == 0xBB or data[place] == 0xB7):
            row[BARS] += 1
            last = 4
        elif byte == 0xE2 and place + 1 < end and data[place] == 0x80 and 0x98 <= data[place + 1] <= 0xA6:
            row[BARS] += data[place + 1] == 0xA2
            last = 4 if data[place + 1] == 0xA2 else 5
        row[LAST] = last
    state[STARTED], state[GAP], state[PENDING], state[IN_WORD] = started, gap, breaks, word
    return out


@njit(inline="never")
def put(
    text: np.ndarray, out: int, byte: int, row: np.ndarray, state: np.ndarray, element: int, lists: int, pre: int, links: int, place: int
) -> int:
    """Write a sign that is not the page's own (`$`, a backtick); it may begin a block."""
    if state[STARTED] == 0:
        state[STARTED] = 1
        begin(row, element, out, lists, pre, links, place)
    elif state[GAP] > 0:
        text[out] = SPACE
        out += 1
    state[GAP] = 0
    text[out] = byte
    return out + 1
