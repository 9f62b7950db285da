"""headwater/corpus/augment/synonyms.py"""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.core.errors import HeadwaterError
from headwater.core.random import stream
from headwater.corpus.augment.config import Synonyms
from headwater.corpus.augment.synonyms import replacer


@pytest.fixture
def dictionary(tmp_path: Path) -> str:
    (tmp_path / "s.tsv").write_text("river\tstream\nwide\tbroad\tample\n天下\t世间\n天下大势\t时局\n\n", encoding="utf-8")
    return str(tmp_path / "s.tsv")


def test_words_and_the_longest_entries_without_spaces(dictionary: str) -> None:
    replace = replacer(Synonyms(dictionary=dictionary, share=1.0))
    assert replace("The River, the RIVER and rivers", stream(1, "a")) == "The Stream, the STREAM and rivers"
    assert replace("话说天下大势，天下人", stream(1, "a")) == "话说时局，世间人"
    assert {replace("wide", stream(1, n)) for n in range(20)} == {"broad", "ample"}


def test_as_often_as_asked(dictionary: str) -> None:
    found = replacer(Synonyms(dictionary=dictionary, share=0.2))("river " * 2000, stream(1, "a"))
    assert 340 < found.count("stream") < 460


def test_a_line_without_a_synonym(tmp_path: Path) -> None:
    (tmp_path / "s.tsv").write_text("river\tstream\nalone\n", encoding="utf-8")
    with pytest.raises(HeadwaterError, match=r"s\.tsv:2: is no line"):
        replacer(Synonyms(dictionary=str(tmp_path / "s.tsv")))
