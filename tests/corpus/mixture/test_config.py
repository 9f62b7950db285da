"""What contradicts itself is refused in a sentence that names it."""

from typing import Any

import pytest

from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.corpus.mixture.config import Mixture, Subtract

GPT3 = {"common_crawl": "web", "webtext2": ["links", "votes"], "books1": "novels", "books2": "papers", "wikipedia": "wiki"}


def test_a_published_mixture_with_all_its_categories() -> None:
    config = validate(Mixture, {"like": "gpt3", "map": GPT3, "max_epochs": "like"})
    assert config.map is not None and config.map["common_crawl"] == ["web"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"like": "gpt3"}, "does not say what stands for common_crawl, webtext2, books1, books2, wikipedia of gpt3"),
        ({"like": "gpt3", "map": {k: v for k, v in GPT3.items() if k not in ("books2", "webtext2")}}, "webtext2, books2 of gpt3"),
        ({"like": "gpt3", "map": {**GPT3, "books3": "x"}}, "'books3', which gpt3 has not"),
        ({"like": "gpt3", "map": {**GPT3, "books2": "web"}}, "'web' twice"),
        ({"like": "palm", "map": dict.fromkeys(("social_media", "web"), "a"), "max_epochs": "like"}, "books, github, wikipedia, news"),
        ({"map": GPT3}, "'map' is for 'like'"),
        ({"max_epochs": "like"}, "needs a 'like'"),
        ({"weights": {"a": 1}, "temperature": 2}, "'weights' and 'temperature'"),
        ({"weights": {"a": 0}}, "all weights are 0"),
        ({"weights": {"a": -1}}, "greater than or equal to 0"),
        ({"size": {"bytes": 10, "documents": 3}}, "keep one of them"),
        ({"size": {}}, "keep one of them"),
        ({"size": {"documents": 3}}, "add 'unit: documents'"),
        ({"size": {"bytes": 3}, "unit": "documents"}, "add 'unit: bytes'"),
        ({"max_epochs": -1}, "max_epochs: is a number above 0"),
        ({"max_epochs": "liek"}, "or 'like'"),
        ({"max_epochs": {"a": 0}}, "such numbers by stratum"),
        ({"size": "hwole"}, "size: is 'there', 'whole', 'once'"),
        ({"size": 5}, "{bytes: …}"),
        ({"like": "gpt4"}, "'gpt3', 'pile', 'llama' or 'palm'"),
    ],
)
def test_contradictions(config: dict[str, Any], said: str) -> None:
    with pytest.raises(HeadwaterError) as caught:
        validate(Mixture, config)
    assert said in str(caught.value)


def test_palm_has_no_epochs_to_be_capped_by() -> None:
    names = ("social_media", "web", "books", "github", "wikipedia", "news")
    with pytest.raises(HeadwaterError, match="no epochs are published for palm"):
        validate(Mixture, {"like": "palm", "map": {name: [name] for name in names}, "max_epochs": "like"})


def test_a_source_minus_itself() -> None:
    with pytest.raises(HeadwaterError, match="'b' cannot be taken from itself"):
        validate(Subtract, {"of": ["a", "b"], "minus": "b"})
