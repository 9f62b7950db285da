"""Punctuation and widths, by the recipe's choice. In: a text. Out: the text, and how many characters changed."""

from __future__ import annotations

import re
from collections.abc import Callable

from headwater.corpus.normalise.gate import SIGNS, characters

_PLAIN = ["'"] * 4 + ['"'] * 4 + ["'", '"'] + ["-"] * 6 + ["..."]
STRAIGHT = dict(zip(characters(SIGNS), _PLAIN, strict=True))
# An em dash parts clauses: `word—word` must not become one word.
STRAIGHT[ord("—")] = STRAIGHT[ord("―")] = "--"
STRAIGHTENED = re.compile(f"[{SIGNS}]")
CJK = re.compile("[\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0002fa1f]")

_SIGNS = {ord(sign): ord(sign) - 0xFEE0 for sign in map(chr, range(0xFF01, 0xFF5F))}
NARROW = {
    "letters": {wide: plain for wide, plain in _SIGNS.items() if chr(plain).isalnum()},
    "all": {**_SIGNS, 0x3000: ord(" ")},
}


def straighten(text: str) -> tuple[str, int]:
    """Curly quotes, dashes and ellipses as ASCII, in lines without Chinese or Japanese."""
    lines, count = text.split("\n"), 0
    for index, line in enumerate(lines):
        signs = len(STRAIGHTENED.findall(line))
        if signs and CJK.search(line) is None:
            lines[index] = line.translate(STRAIGHT)
            count += signs
    return ("\n".join(lines), count) if count else (text, 0)


def narrower(which: str) -> Callable[[str], tuple[str, int]]:
    """Fullwidth letters and digits, or all fullwidth forms, as ASCII."""
    table = NARROW[which]
    pattern = re.compile(f"[{re.escape(''.join(map(chr, table)))}]")

    def narrow(text: str) -> tuple[str, int]:
        count = len(pattern.findall(text))
        return (text.translate(table), count) if count else (text, 0)

    return narrow
