"""headwater/corpus/normalise/reduce.py"""

from __future__ import annotations

from headwater.corpus.normalise.reduce import lower, without_stop_words


def test_lower() -> None:
    assert lower("The RIVER, Ärger, 中文") == ("the river, ärger, 中文", 7)


def test_stop_words() -> None:
    assert without_stop_words("The river and the stone")[0] == "river stone"
    assert without_stop_words("Theory of another thing")[0] == "Theory another thing"
    assert without_stop_words("我们的目的的确是什么吗")[0] == "目的的确是"
    assert without_stop_words("stone") == ("stone", 0)
