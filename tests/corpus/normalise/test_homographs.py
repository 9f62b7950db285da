"""headwater/corpus/normalise/homographs.py"""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.core.errors import HeadwaterError
from headwater.corpus.normalise.config import Homographs
from headwater.corpus.normalise.homographs import marker_of


def test_the_documents_other_words_decide(tmp_path: Path) -> None:
    (tmp_path / "s.tsv").write_text(
        "bank\tmoney\tloan account\nbank\triver\twater shore\n苹果\t公司\t手机 股票\n苹果\t水果\t好吃\n", encoding="utf-8"
    )
    mark = marker_of(Homographs(senses=str(tmp_path / "s.tsv")))
    assert mark("The bank gave a loan; the Bank has an account by the water.") == [(4, 8, "homograph:money"), (26, 30, "homograph:money")]
    assert mark("苹果的手机") == [(0, 2, "homograph:公司")]
    assert mark("a bank; a loan on the shore") == []
    assert mark("banking on loans") == []


def test_a_line_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "s.tsv").write_text("bank\tmoney\n", encoding="utf-8")
    with pytest.raises(HeadwaterError, match=r"s\.tsv:1"):
        marker_of(Homographs(senses=str(tmp_path / "s.tsv")))
