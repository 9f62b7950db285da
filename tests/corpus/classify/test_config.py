"""headwater/corpus/classify/config.py"""

from __future__ import annotations

import pytest

from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.corpus.classify.config import FastText, Pareto, QualityModel, Topics


def test_defaults_and_kinds() -> None:
    config = validate(QualityModel, {"good": ["books"], "raw": ["web"], "model": {"kind": "fasttext"}})
    assert isinstance(config.model, FastText) and isinstance(config.choose, Pareto) and config.choose.alpha == 9
    assert [config.judges(source) for source in ("books", "web", "code")] == [False, True, True]
    assert config.model_copy(update={"judged": ["code"]}).judges("web") is False


@pytest.mark.parametrize(
    ("schema", "config", "message"),
    [
        (QualityModel, {"good": ["a"], "raw": ["a"]}, "'a' is both good and raw"),
        (Topics, {}, "either from 'sources' or from 'seeds'"),
        (Topics, {"sources": {"a": "x", "b": "x"}}, "name two or more"),
        (Topics, {"seeds": {"a": ["x"], "b": []}}, "'b' has no words"),
    ],
)
def test_mistakes(schema: type[QualityModel] | type[Topics], config: dict[str, object], message: str) -> None:
    with pytest.raises(HeadwaterError, match=message):
        validate(schema, config)
