"""What kind of character is this? Out: one table of flags for every code point, uint16 [0x110000], for the kernels of this room.

Made once (core.kept) from Python's own Unicode database (`unicodedata`, `str.isspace`, `re`), so that a kernel and the
plain Python rule that it replaces can never disagree about a character.
"""

from __future__ import annotations

import re
import sys
import unicodedata

import numpy as np

from headwater.core.kept import kept

SPACE = 1
"""`str.isspace`: where `str.split` divides words."""
LETTER = 2
"""`[^\\W\\d_]`: letters and the numbers that are no digits."""
ALNUM = 4
"""`[^\\W_]`: letters and all numbers."""
ALPHA = 8
"""`str.isalpha`."""
SPACELESS = 16
"""A letter of a script that puts no spaces between words."""
SOLID = 32
"""Neither white space nor of the categories P, S and Cc: a word without any such character is a symbol, not a word."""
UPPER = 64
"""`str.isupper`."""
DIGIT = 128
"""`str.isdecimal`."""
BREAK = 256
"""Where `str.splitlines` ends a line."""
TERMINAL = 512
"""Ends a sentence, in any script (Unicode's Sentence_Terminal, for the scripts in use)."""
BULLET = 1024
"""Begins an item of a list."""
SPECIAL = 4096
"""Counted by itself: `#`, `{`, full stops and ellipses; line breaks other than the newline."""
CLOSER = 2048
"""May stand between the end of a sentence and the end of its line: quotes and brackets."""

SPACELESS_SCRIPTS = re.compile(
    "[\u3040-\u30ff\uff66-\uff9f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # kana, Han
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff]+"  # Thai, Lao, Tibetan, Burmese, Khmer
)
BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
BULLETS = "-*•●‣▪◦·–"
CLOSERS = "\"'”’」』)）"
SPECIALS = "#{.…" + BREAKS.replace("\n", "")
TERMINALS = ".?!。．？！｡‼⁇⁈⁉‽﹒﹖﹗։؟۔।॥၊။።፧፨។៕᙮᠃᠉܀܁܂"


@kept
def classes() -> np.ndarray:
    """uint16 [0x110000]: the flags of every code point."""
    table = np.zeros(sys.maxunicode + 1, np.uint16)
    everything = "".join(map(chr, (*range(0xD800), *range(0xE000, sys.maxunicode + 1))))
    _flag(table, everything, re.compile(r"\s+"), SPACE)
    _flag(table, everything, re.compile(r"[^\W_]+"), ALNUM)
    _flag(table, everything, re.compile(r"[^\W\d_]+"), LETTER)
    _flag(table, everything, re.compile(r"\d+"), DIGIT)
    _flag(table, everything, SPACELESS_SCRIPTS, SPACELESS)
    for point in np.flatnonzero(table & LETTER).tolist():
        letter = chr(point)
        table[point] |= ALPHA * letter.isalpha() | UPPER * letter.isupper()
    table[(table & SPACE) == 0] |= SOLID
    for point in np.flatnonzero((table[:0x20000] & (ALNUM | SPACE)) == 0).tolist():
        category = unicodedata.category(chr(point))
        if category[0] in "PS" or category == "Cc":
            table[point] &= ~np.uint16(SOLID)
    named = ((BREAKS, BREAK), (BULLETS, BULLET), (CLOSERS, CLOSER), (TERMINALS, TERMINAL), (SPECIALS, SPECIAL))
    for characters, flag in named:
        table[[ord(character) for character in characters]] |= flag
    return table


def _flag(table: np.ndarray, everything: str, pattern: re.Pattern[str], flag: int) -> None:
    """Raise a flag for every stretch of code points that the pattern matches (surrogates are not among them)."""
    for match in pattern.finditer(everything):
        start, end = (index if index < 0xD800 else index + 0x800 for index in match.span())
        table[start:end] |= flag
