"""Which scripts does a text use, in all and line by line? In: texts as UTF-8 in Arrow's memory. Out: counts of letters.

    counts int64 [N, KINDS]   characters of each script, letters of any, Han written in one of the two scripts only, Cantonese
    lines  int64 [L, 5]       document, first character, the one after the last, script of most letters (0: none), letters

Lines with fewer than `least` letters are in no row of `lines`. One pass, some hundred megabytes a second.
"""

from __future__ import annotations

import numpy as np

from headwater.core.compiled import njit
from headwater.core.kept import kept
from headwater.corpus.language.han import ONLY_SIMPLIFIED, ONLY_TRADITIONAL

NONE, LATIN, HAN, KANA, HANGUL, THAI, CYRILLIC, GREEK, ARABIC, HEBREW, INDIC = range(11)
RANGES = {
    LATIN: ((0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x24F), (0x1E00, 0x1EFF)),
    HAN: ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2FFFF)),
    KANA: ((0x3040, 0x30FF), (0xFF66, 0xFF9F)),
    HANGUL: ((0x1100, 0x11FF), (0xAC00, 0xD7AF)),
    THAI: ((0xE00, 0xE7F),),
    CYRILLIC: ((0x400, 0x52F),),
    GREEK: ((0x370, 0x3FF), (0x1F00, 0x1FFF)),
    ARABIC: ((0x600, 0x6FF), (0x750, 0x77F), (0xFB50, 0xFDFF), (0xFE70, 0xFEFC)),
    HEBREW: ((0x590, 0x5FF),),
    INDIC: ((0x900, 0xDFF),),
}
SCRIPT_COUNT = 11
LETTER, SIMPLIFIED, TRADITIONAL, CANTONESE = 16, 32, 64, 128
LETTERS, SIMPLIFIEDS, TRADITIONALS, CANTONESES = range(SCRIPT_COUNT, SCRIPT_COUNT + 4)
KINDS = SCRIPT_COUNT + 4
END = 0x30000
"""Beyond: CJK extensions G and H, counted as letters without a script."""
ONLY_CANTONESE = "嘅咗喺哋唔冇佢啲嚟咁嗰嘢啱攞瞓"
"""Characters of written Cantonese that written Mandarin hardly ever has."""


@kept
def table() -> np.ndarray:
    """uint8 [END]: the script of every character, and whether it is a letter ([^\\W\\d_])."""
    kinds = np.zeros(END, np.uint8)
    for script, ranges in RANGES.items():
        for first, last in ranges:
            kinds[first : last + 1] = script
    letters = [point for point in range(END) if chr(point).isalnum() and not chr(point).isdecimal()]
    kinds[letters] |= np.uint8(LETTER)
    for flag, characters in ((SIMPLIFIED, ONLY_SIMPLIFIED), (TRADITIONAL, ONLY_TRADITIONAL), (CANTONESE, ONLY_CANTONESE)):
        kinds[[ord(character) for character in characters]] |= np.uint8(flag)
    return kinds


def count_scripts(text: str) -> np.ndarray:
    """int64 [KINDS] of one text."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    kinds = table()[np.minimum(points, END - 1)]
    counts = np.zeros(KINDS, np.int64)
    counts[:SCRIPT_COUNT] = np.bincount(kinds & 15, minlength=SCRIPT_COUNT)
    for place, flag in ((LETTERS, LETTER), (SIMPLIFIEDS, SIMPLIFIED), (TRADITIONALS, TRADITIONAL), (CANTONESES, CANTONESE)):
        counts[place] = np.count_nonzero(kinds & flag)
    return counts


def scan(data: np.ndarray, offsets: np.ndarray, least: int) -> tuple[np.ndarray, np.ndarray]:
    """`(counts, lines)` as above."""
    counts, lines = _scan(data, offsets, table(), least)
    return counts, lines


def leading(counts: np.ndarray) -> int:
    """The script that most letters of a text are in; a text that has kana is Japanese, whatever its Han. NONE if no script has half."""
    return int(_leading(np.asarray(counts[:SCRIPT_COUNT], np.int64), int(counts[LETTERS])))


@njit(cache=True, nogil=True)
def _leading(counts: np.ndarray, letters: int) -> int:
    asian = counts[HAN] + counts[KANA]
    if 2 * asian > letters:
        return KANA if 20 * counts[KANA] > asian else HAN
    for script in range(1, SCRIPT_COUNT):
        if 2 * counts[script] > letters:
            return script
    return NONE


@njit(cache=True, nogil=True)
def _scan(data: np.ndarray, offsets: np.ndarray, kinds: np.ndarray, least: int) -> tuple[np.ndarray, np.ndarray]:
    total = len(offsets) - 1
    newlines = 0
    if total > 0:
        for at in range(offsets[0], offsets[total]):
            newlines += data[at] == 10
    counts = np.zeros((total, KINDS), np.int64)
    lines = np.empty((newlines + total, 5), np.int64)
    rows = 0
    line = np.zeros(SCRIPT_COUNT, np.int64)
    for document in range(total):
        at, end = offsets[document], offsets[document + 1]
        character = first = letters = 0
        line[:] = 0
        while at <= end:
            byte = data[at] if at < end else np.uint8(10)
            if byte == 10:
                if letters >= least:
                    lines[rows, 0], lines[rows, 1], lines[rows, 2] = document, first, character
                    lines[rows, 3], lines[rows, 4] = _leading(line, letters), letters
                    rows += 1
                counts[document, LETTERS] += letters
                for script in range(SCRIPT_COUNT):
                    counts[document, script] += line[script]
                    line[script] = 0
                letters = 0
                first = character + 1
                point, at = np.int64(10), at + 1
            elif byte < 0x80:
                point, at = np.int64(byte), at + 1
            elif byte < 0xE0:
                point, at = (np.int64(byte & 0x1F) << 6) | (data[at + 1] & 0x3F), at + 2
            elif byte < 0xF0:
                point, at = (np.int64(byte & 0x0F) << 12) | (np.int64(data[at + 1] & 0x3F) << 6) | (data[at + 2] & 0x3F), at + 3
            else:
                point = (np.int64(byte & 0x07) << 18) | (np.int64(data[at + 1] & 0x3F) << 12)
                point, at = point | (np.int64(data[at + 2] & 0x3F) << 6) | (data[at + 3] & 0x3F), at + 4
            character += 1
            kind = kinds[point if point < END else END - 1]
            if kind:
                line[kind & 15] += 1
                letters += (kind & LETTER) != 0
                if kind & (SIMPLIFIED | TRADITIONAL | CANTONESE):
                    counts[document, SIMPLIFIEDS] += (kind & SIMPLIFIED) != 0
                    counts[document, TRADITIONALS] += (kind & TRADITIONAL) != 0
                    counts[document, CANTONESES] += (kind & CANTONESE) != 0
    return counts, lines[:rows].copy()
