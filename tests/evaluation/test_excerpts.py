from __future__ import annotations

import itertools

import pytest

from headwater.core.random import stream
from headwater.evaluation.excerpts import excerpt, sentence_ends, to_sentence
from headwater.evaluation.texts import Text

ENGLISH = (
    'ROMEO. But soft! What light through yonder window breaks?\nIt is the east ("the sun.") he said,\n\nand Juliet is 3.5 suns.\nArise.'
)
CHINESE = "却说曹操大喜，曰：“此天助我也！”遂引兵而进。玄德曰：“吾弟何在？”关公曰：“弟在此。”……众皆大惊。"


def pieces(text: str) -> list[str]:
    cuts = [0, *sentence_ends(text), len(text)]
    return [text[start:stop].strip() for start, stop in itertools.pairwise(cuts)]


def test_sentences_end_at_punctuation_quotes_and_lines() -> None:
    assert pieces(ENGLISH) == [
        "ROMEO.",
        "But soft!",
        "What light through yonder window breaks?",
        'It is the east ("the sun.")',
        "he said,",
        "and Juliet is 3.5 suns.",
        "Arise.",
    ]
    assert pieces(CHINESE) == [
        "却说曹操大喜，曰：“此天助我也！”",
        "遂引兵而进。",
        "玄德曰：“吾弟何在？”",
        "关公曰：“弟在此。”",
        "……",
        "众皆大惊。",
    ]


@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
@pytest.mark.parametrize("whole", [True, False])
def test_an_excerpt_stands_in_its_document_and_keeps_its_bounds(text: str, whole: bool) -> None:
    for seed in range(20):
        found = excerpt(Text("d", "en", text), 40, 20, stream(seed, "cut"), whole_sentences=whole)
        if found is None:
            continue
        assert found.whole in text
        assert text.find(found.whole) + len(found.context) in sentence_ends(text)
        assert 16 <= len(found.context) <= 40
        assert 4 <= len(found.answer) <= 20
        assert found.gap.strip() == ""
        assert found.context == found.context.strip()


def test_different_draws_cut_in_different_places() -> None:
    cuts = {excerpt(Text("d", "zh", CHINESE), 60, 40, stream(seed, "cut")) for seed in range(20)}
    assert len(cuts) == 5


@pytest.mark.parametrize("text", ["", "Short.", "One sentence that goes on and on and never comes to any kind of end", "\n\n\n"])
def test_what_cannot_be_cut_is_passed_over(text: str) -> None:
    assert excerpt(Text("d", "en", text), 60, 40, stream(0, "cut")) is None


def test_a_beginning_ends_after_a_sentence_or_else_a_word() -> None:
    assert to_sentence("It is so. And more of it follows here", 20) == "It is so."
    assert to_sentence("a sentence without an end in sight", 20) == "a sentence without"
    assert to_sentence("没有标点的一段很长的文字在这里", 6) == "没有标点的一"
    assert to_sentence("short ", 20) == "short"
