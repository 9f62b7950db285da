"""headwater/corpus/quality/phrases.py: every match that Python's re finds, and no other."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headwater.corpus.quality.phrases import Automaton, Phrase


def stands(phrases: list[Phrase], *texts: str) -> list[tuple[int, int, int, int]]:
    """`(document, start, end, number of the phrase)`, offsets in the document."""
    starts = np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(np.int64)
    points = np.array([ord(character) for text in texts for character in text], np.int32)
    found = Automaton(phrases)(points, starts)
    rows = []
    for document in range(len(texts)):
        for match in range(found.starts[document], found.starts[document + 1]):
            place = starts[document]
            rows.append((document, int(found.place[match] - place), int(found.end[match] - place), int(found.phrase[match])))
    return sorted(rows)


WORDS = ["a", "ab", "aba", "bab", "天", "天下", "下天", "a b", "Kk", "ſs"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS), unique=True, max_size=6), st.text("abAB 天下kKKſsSİı", max_size=30))
@example(["aba", "bab"], "ababab")
def test_finds_what_re_finds(words: list[str], text: str) -> None:
    expected = sorted(
        (0, match.start(), match.start() + len(word), number)
        for number, word in enumerate(words)
        for match in re.finditer(f"(?=({re.escape(word)}))", text, re.IGNORECASE)
    )
    assert stands([Phrase(word, 0, bounded=False) for word in words], text) == expected


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("cat", "cat, Cat! concat cats cat", 3),
        ("cat*", "cat, Cat! concat cats cat", 4),
        ("% off", "50% off now", 1),
        ("天", "好天气", 1),
        ("x片", "看x片 ax片", 1),
        ("read more", "Read  more read more", 1),
    ],
)
def test_bounds_of_words(phrase: str, text: str, found: int) -> None:
    assert len(stands([Phrase(phrase, 0)], text)) == found


def test_a_phrase_does_not_run_over_into_the_next_document() -> None:
    assert stands([Phrase("ab", 0), Phrase("b", 0)], "xa", "b", "") == [(1, 0, 1, 1)]


def test_many_matches_and_none() -> None:
    assert len(stands([Phrase("a", 0, bounded=False)], "a" * 5000)) == 5000
    assert stands([], "text") == []
