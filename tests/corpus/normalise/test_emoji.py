"""headwater/corpus/normalise/emoji.py"""

from __future__ import annotations

import pytest

from headwater.corpus.normalise.emoji import name_emoji


@pytest.mark.parametrize(
    ("text", "expected", "count"),
    [
        ("good 👍!", "good :thumbs up sign:!", 1),
        ("👍🏽", ":thumbs up sign, medium skin tone:", 2),
        ("👩\u200d🚀 fly", ":woman, rocket: fly", 3),
        ("🇨🇳🇫🇷", ":flag CN::flag FR:", 4),
        ("❤\ufe0f", ":heavy black heart:", 2),
        ("☀☁", ":black sun with rays::cloud:", 2),
        ("no ones: → ½ © 中", "no ones: → ½ © 中", 0),
    ],
)
def test_names(text: str, expected: str, count: int) -> None:
    assert name_emoji(text) == (expected, count)
