"""Which documents need any work at all? In: the texts as UTF-8 in Arrow's memory. Out: uint16 [N], bits of what each shows.

One scan for all questions, so that clean text (nearly all of it) costs a few ns a character and no Python object. A bit may
be set where nothing needs to change (COMPOSE and MOJIBAKE are suspicions), but never missing where something does.
"""

from __future__ import annotations

import sys
import unicodedata

import numpy as np

from headwater.core.compiled import njit
from headwater.core.kept import kept

NEWLINE, INVISIBLE, COMPOSE, SPACE, MOJIBAKE, PUNCTUATION, WIDE, MIXED, EMOJI, HAN = (1 << bit for bit in range(10))
FORM = NEWLINE | INVISIBLE | COMPOSE | SPACE
SHOWN = 0x3FF
# What only the kernel needs to know of a character.
WHITE, LEAD, TRAIL, LATIN, GREEK, CYRILLIC = (1 << bit for bit in range(10, 16))
LETTERS = LATIN | GREEK | CYRILLIC
END = 0x30000
"""Beyond: CJK extension G and H, tags, private use; nothing there asks for work."""

NEWLINES = "\r\v\f\x85\u2028\u2029"
INVISIBLES = (  # controls; soft hyphen, zero width, direction
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufff9-\ufffb"
)
JOINERS = "\u200c\u200d"
CONTINUATIONS = "\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
"""What bytes 80 to BF become when they are read as Latin-1 or Windows-1252."""
SIGNS = "‘’‚‛“”„‟′″‐-―…"
"""Punctuation with an ASCII form."""
HAN_RANGES = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f"
EMOJI_RANGES = "\u203c\u2049\u2139\u231a-\u231b\u23e9-\u23f3\u2600-\u27bf\u2b1b-\u2b1c\u2b50\u2b55\U0001f000-\U0001faff"


def characters(ranges: str) -> list[int]:
    """The code points of `a-z…`, as in the brackets of a regular expression."""
    found: list[int] = []
    index = 0
    while index < len(ranges):
        if ranges[index + 1 : index + 2] == "-" and index + 2 < len(ranges):
            found += range(ord(ranges[index]), ord(ranges[index + 2]) + 1)
            index += 3
        else:
            found.append(ord(ranges[index]))
            index += 1
    return found


@kept
def table() -> np.ndarray:
    """uint16 [END]: the bits of every character."""
    flags = np.zeros(END, np.uint16)
    for bit, ranges in ((NEWLINE, NEWLINES), (INVISIBLE, INVISIBLES + JOINERS), (PUNCTUATION, SIGNS), (WIDE, "\u3000\uff01-\uff5e"),
                        (EMOJI, EMOJI_RANGES), (HAN, HAN_RANGES), (SPACE, "\u00a0"), (LEAD, "\u00c2-\u00f4"), (TRAIL, CONTINUATIONS),
                        (LATIN, "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"), (GREEK, "\u0370-\u03ff\u1f00-\u1fff"),
                        (CYRILLIC, "\u0400-\u052f")):  # fmt: skip
        flags[characters(ranges)] |= np.uint16(bit)
    white = [point for point in range(END) if chr(point).isspace() and chr(point) not in NEWLINES + "\n"]
    flags[white] |= np.uint16(WHITE)
    flags[_composing()] |= np.uint16(COMPOSE)
    return flags


def _composing() -> list[int]:
    """Characters that are not NFC, or that may join what stands before them: Unicode's NFC_Quick_Check of No or Maybe.

    unicodedata does not tell that property; but what may join is the second half of some decomposition, or has a combining class.
    """
    marked = set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))  # Hangul is composed by arithmetic, not by a table
    for point in range(min(END, sys.maxunicode)):
        character = chr(point)
        if unicodedata.combining(character) or not unicodedata.is_normalized("NFC", character):
            marked.add(point)
        decomposition = unicodedata.decomposition(character)
        if decomposition and decomposition[0] != "<":
            marked.update(int(part, 16) for part in decomposition.split()[1:])
    return sorted(marked)


def inspect(data: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """uint16 [N]: the bits that each text shows."""
    found: np.ndarray = _inspect(data, offsets, table())
    return found


def shown(text: str) -> int:
    """The bits of one text."""
    data = np.frombuffer(text.encode(), np.uint8)
    return int(inspect(data, np.asarray([0, len(data)], np.int64))[0])


@njit(cache=True, nogil=True)
def _inspect(data: np.ndarray, offsets: np.ndarray, flags_of: np.ndarray) -> np.ndarray:
    shown = np.zeros(len(offsets) - 1, np.uint16)
    for document in range(len(offsets) - 1):
        start, end = offsets[document], offsets[document + 1]
        flags = np.uint16(0)
        if end > start and (data[start] == 10 or data[end - 1] == 10):
            flags |= np.uint16(SPACE)
        lead_end = letter_end = white_end = np.int64(-1)  # where the last character of that kind ended
        letter = np.uint16(0)
        at = start
        while at < end:
            byte = data[at]
            if byte >= 0x20 and byte < 0x7F:
                at += 1
                continue
            if byte < 0x80:
                if byte == 10:
                    before = data[at - 1] if at > start else np.uint8(0)
                    blank = at - start >= 3 and before == 10 and data[at - 2] == 10 and data[at - 3] == 10
                    if before == 32 or before == 9 or white_end == at or blank:
                        flags |= np.uint16(SPACE)
                else:
                    flags |= flags_of[byte]
                at += 1
                continue
            if byte < 0xE0:
                point, after = (np.int64(byte & 0x1F) << 6) | (data[at + 1] & 0x3F), at + 2
            elif byte < 0xF0:
                point, after = (np.int64(byte & 0x0F) << 12) | (np.int64(data[at + 1] & 0x3F) << 6) | (data[at + 2] & 0x3F), at + 3
            else:
                point = (np.int64(byte & 0x07) << 18) | (np.int64(data[at + 1] & 0x3F) << 12)
                point, after = point | (np.int64(data[at + 2] & 0x3F) << 6) | (data[at + 3] & 0x3F), at + 4
            kind = flags_of[point] if point < END else np.uint16(0)
            flags |= kind
            if kind & np.uint16(WHITE | LEAD | TRAIL | LETTERS):
                if kind & np.uint16(TRAIL) and lead_end == at:
                    flags |= np.uint16(MOJIBAKE)
                if kind & np.uint16(LEAD):
                    lead_end = after
                if kind & np.uint16(WHITE):
                    white_end = after
                mine = kind & np.uint16(LETTERS)
                if mine:
                    if letter_end == at and letter != mine:
                        flags |= np.uint16(MIXED)
                    if mine != np.uint16(LATIN) and (
                        (at > start and _ascii_letter(data[at - 1])) or (after < end and _ascii_letter(data[after]))
                    ):
                        flags |= np.uint16(MIXED)
                    letter, letter_end = mine, after
            at = after
        if end > start and (data[end - 1] == 32 or data[end - 1] == 9 or white_end == end):
            flags |= np.uint16(SPACE)
        shown[document] = flags & np.uint16(SHOWN)
    return shown


@njit(cache=True, inline="always")
def _ascii_letter(byte: int) -> bool:
    return (byte >= 65 and byte <= 90) or (byte >= 97 and byte <= 122)
