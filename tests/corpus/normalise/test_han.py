"""headwater/corpus/normalise/han.py"""

from __future__ import annotations

import sys

import pytest

from headwater.core.errors import HeadwaterError
from headwater.corpus.document import Document, batch_of, scores_of, texts_of
from headwater.corpus.normalise.config import Normalise
from headwater.corpus.normalise.han import converter
from headwater.corpus.normalise.normal import normaliser


def test_scripts() -> None:
    pytest.importorskip("opencc")
    assert converter("simplified")("話說天下大勢") == ("话说天下大势", 3)
    assert converter("traditional")("皇后在后面") == ("皇后在後面", 1)
    assert converter("simplified")("plain") == ("plain", 0)
    found = normaliser(Normalise(han="simplified"))(batch_of([Document("a", "漢字", "s"), Document("b", "words", "s")]))
    assert texts_of(found) == ["汉字", "words"]
    assert scores_of(found, "normalise.han").tolist() == [1, 0]


def test_without_the_extra_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opencc", None)
    with pytest.raises(HeadwaterError, match=r"needs OpenCC.*pip install 'headwater\[opencc\]'"):
        normaliser(Normalise(han="traditional"))
