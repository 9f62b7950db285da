"""headwater/corpus/normalise/signs.py"""

from __future__ import annotations

import unicodedata

import pytest

from headwater.corpus.normalise.signs import narrower, straighten


@pytest.mark.parametrize(
    ("text", "expected", "count"),
    [
        ("“Don’t” – she said… twice—no", '"Don\'t" - she said... twice--no', 6),
        ("他说“好”……——", "他说“好”……——", 0),
        ("他说“好”\n‘yes’", "他说“好”\n'yes'", 2),
        ("5′ 3″ well‐known", "5' 3\" well-known", 3),
        ("plain", "plain", 0),
    ],
)
def test_straight(text: str, expected: str, count: int) -> None:
    assert straighten(text) == (expected, count)
    assert straighten(expected)[1] == 0


def test_widths_agree_with_unicode() -> None:
    wide = "".join(map(chr, range(0xFF01, 0xFF5F))) + "\u3000"
    assert narrower("all")(wide) == (unicodedata.normalize("NFKC", wide), len(wide))
    assert narrower("letters")("ＡＢＣ１２３，你好！（ａ）") == ("ABC123，你好！（a）", 7)
    assert narrower("letters")("，。") == ("，。", 0)
