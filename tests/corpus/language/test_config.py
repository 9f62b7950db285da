"""headwater/corpus/language/config.py"""

from __future__ import annotations

import pytest

from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.corpus.language.config import Language, is_wanted, rules_of


@pytest.mark.parametrize(
    ("keep", "language", "traditional", "wanted"),
    [
        ([], "sw", 0.0, True),
        (["en"], "en", 0.0, True),
        (["en"], "zh", 0.0, False),
        (["zh"], "zh", 1.0, True),
        (["zh"], "yue", 1.0, False),
        (["zh-Hans"], "zh", 0.1, True),
        (["zh-Hans"], "zh", 0.9, False),
        (["zh-Hant"], "zh", 0.9, True),
        (["zh-Hant"], "zh", 0.5, True),
        (["zh-Hans"], "zh", 0.5, True),
        (["zh-Hans"], "ja", 0.0, False),
    ],
)
def test_wanted(keep: list[str], language: str, traditional: float, wanted: bool) -> None:
    assert is_wanted(keep, language, traditional) == wanted


def test_rules() -> None:
    (rule,) = rules_of(Language(keep=["en"], confidence=0.3))
    assert (rule.attribute, rule.words.min, rule.characters.min) == ("wanted_language", 0.3, 0.3)
    assert rules_of(Language())[0].words.min is None


@pytest.mark.parametrize(
    ("config", "message"),
    [({"keep": ["zh-CN"]}, "'zh-CN' is no code"), ({"keep": ["English"]}, "no code"), ({"paragraphs": "cut"}, "name the wanted languages")],
)
def test_mistakes(config: dict[str, object], message: str) -> None:
    with pytest.raises(HeadwaterError, match=message):
        validate(Language, config)
