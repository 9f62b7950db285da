"""headwater/corpus/quality/unicode.py: the flags of every code point are what Python itself says."""

from __future__ import annotations

import re
import sys

from headwater.corpus.quality import unicode as u


def test_every_code_point() -> None:
    table = u.classes()
    letter, alnum = re.compile(r"[^\W\d_]"), re.compile(r"[^\W_]")
    points = [point for point in range(0, sys.maxunicode + 1, 7) if not 0xD800 <= point < 0xE000]
    for point in [*range(0x3100), *points]:
        character, flags = chr(point), int(table[point])
        assert bool(flags & u.SPACE) == character.isspace(), point
        assert bool(flags & u.LETTER) == bool(letter.match(character)), point
        assert bool(flags & u.ALNUM) == bool(alnum.match(character)), point
        assert bool(flags & u.ALPHA) == character.isalpha(), point
        assert bool(flags & u.DIGIT) == character.isdecimal(), point
        assert bool(flags & u.BREAK) == (len(f"a{character}b".splitlines()) == 2), point


def test_scripts_and_marks() -> None:
    def flag(character: str) -> int:
        return int(u.classes()[ord(character)])

    assert all(flag(character) & u.SPACELESS for character in "天㐀\U00020000のカกက")
    assert not any(flag(character) & u.SPACELESS for character in "a한1。")
    assert all(flag(character) & u.TERMINAL for character in ".?!。！？")
    assert not any(flag(character) & u.SOLID for character in "-#$。、·\x00 \n")
    assert all(flag(character) & u.SOLID for character in "a1天é")
    assert flag("A") & u.UPPER and not flag("a") & u.UPPER
