"""headwater/corpus/check.py: a mistake in the recipe costs no reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.corpus.check import check
from headwater.corpus.config import Corpus

SOURCES = [{"path": "nowhere/a.txt", "name": "web"}, {"path": "nowhere/b.txt", "name": "wiki"}]
MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"subtract": [{"of": "web", "minus": "wikki"}]}, r"corpus\.subtract\[0\]\.minus: there is no source 'wikki'; did you mean 'wiki'\?"),
    ({"quality_model": {"good": ["books"], "raw": ["web"]}}, r"corpus\.quality_model\.good: there is no source 'books'"),
    ({"topics": {"sources": {"web": "a", "wike": "b"}}}, r"corpus\.topics\.sources: there is no source 'wike'"),
    ({"mixture": {"weights": {"web": 1, "wikis": 2}}}, r"corpus\.mixture\.weights: there is no source 'wikis'"),
    ({"augment": {"ways": [{"kind": "noise"}], "sources": ["w"]}}, r"corpus\.augment\.sources: there is no source 'w'"),
    ({"keep": "length >"}, r"corpus\.keep: cannot be evaluated"),
    ({"keep": "true; drop table documents"}, r"corpus\.keep: "),
]


@pytest.mark.parametrize(("config", "sentence"), MISTAKES)
def test_mistakes(make_corpus: Callable[..., Corpus], config: dict[str, Any], sentence: str) -> None:
    with pytest.raises(HeadwaterError, match=sentence):
        check(make_corpus(SOURCES, **config), Reporter())


def test_a_right_recipe_passes(make_corpus: Callable[..., Corpus]) -> None:
    config = make_corpus(SOURCES, subtract=[{"of": "web", "minus": "wiki"}], mixture={"weights": {"web": 1, "wiki": 2}}, keep="length > 3")
    check(config, Reporter())
