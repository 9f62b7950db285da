"""headwater/corpus/normalise/spelling.py"""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.core.errors import HeadwaterError
from headwater.corpus.normalise.config import Spelling
from headwater.corpus.normalise.spelling import corrector


def test_one_edit_to_a_frequent_word(tmp_path: Path) -> None:
    (tmp_path / "words.tsv").write_text("river\t5000\nrivet\t20\nletter\t4000\nwindow\t1000\nrivers\t3000\n", encoding="utf-8")
    correct = corrector(Spelling(words=str(tmp_path / "words.tsv"), at_least=1000))
    assert correct("The rivvr, a lettre, the Widnow; rivet") == ("The river, a letter, the Window; rivet", 3)
    # Known, short, coined with capitals, at two edits, of another first letter: left alone.
    text = "river rive wINdow leeeters xindow 中文窗户打开"
    assert correct(text) == (text, 0)


def test_a_list_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "words.tsv").write_text("river\t12\njust a line\n", encoding="utf-8")
    with pytest.raises(HeadwaterError, match=r"words\.tsv:2: is no line of"):
        corrector(Spelling(words=str(tmp_path / "words.tsv")))
