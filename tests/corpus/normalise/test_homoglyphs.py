"""headwater/corpus/normalise/homoglyphs.py: what is really mixed is mended, what is really foreign stays."""

from __future__ import annotations

import pytest

from headwater.corpus.normalise.homoglyphs import LATIN_OF_CYRILLIC, LATIN_OF_GREEK, fold


@pytest.mark.parametrize(
    ("text", "expected", "count"),
    [
        ("log in to pаypаl now", "log in to paypal now", 2),  # Cyrillic а, twice
        ("Мoсква", "Москва", 1),  # Latin o
        ("Miсrosоft Offiсe", "Microsoft Office", 3),
        ("ελληνiκά", "ελληνiκά", 0),  # i has no lookalike in lower-case Greek
        ("ΑΘΗΝAΙ", "ΑΘΗΝΑΙ", 1),  # Latin A
        ("Hellο", "Hello", 1),  # Greek omicron
    ],
)
def test_lookalikes_are_folded(text: str, expected: str, count: int) -> None:
    assert fold(text) == (expected, count)
    assert fold(expected) == (expected, 0)


@pytest.mark.parametrize(
    "text",
    ["Все счастливые семьи похожи друг на друга", "Το ποτάμι ήταν πλατύ", "10 kΩ", "Aβ42", "Tμν", "IT-отдел", "μm", "Δx", "USBшный",
     "COVIDом", "Сo", "hν = E", "naïve café", "", "话说"],
)  # fmt: skip
def test_what_is_meant_stays(text: str) -> None:
    assert fold(text) == (text, 0)


def test_every_lookalike_is_a_letter_of_its_script() -> None:
    import unicodedata

    for table, script in ((LATIN_OF_CYRILLIC, "CYRILLIC"), (LATIN_OF_GREEK, "GREEK")):
        for foreign, latin in table.items():
            assert unicodedata.name(foreign).startswith(script) and latin.isascii()
            assert foreign.isupper() == latin.isupper()
