"""headwater/corpus/quality/config.py: a key that is given changes only itself; mistakes are one sentence."""

from __future__ import annotations

import pytest

from headwater.core.config import as_of, validate
from headwater.core.errors import HeadwaterError
from headwater.corpus.quality.config import Bounds, Gopher, Limits, Quality


def test_defaults_are_the_ten_rules_of_the_demo() -> None:
    config = Quality()
    assert config.rules == ["headwater"]
    assert (config.words.length, config.characters.length) == (Bounds(min=20), Bounds(min=30))


def test_thresholds_are_the_published_ones() -> None:
    """Rae et al. 2021, table A1."""
    gopher = Gopher()
    tops = [getattr(gopher, f"top_{n}_gram").words.max for n in (2, 3, 4)]
    repeats = [getattr(gopher, f"repeated_{n}_gram").words.max for n in range(5, 11)]
    assert tops == [0.2, 0.18, 0.16]
    assert repeats == [0.15, 0.14, 0.13, 0.12, 0.11, 0.10]
    assert (gopher.duplicate_lines.words.max, gopher.duplicate_line_characters.words.max) == (0.3, 0.2)


def test_a_key_changes_only_itself() -> None:
    found = validate(Quality, {"gopher": {"length": {"words": {"min": 30}}}, "words": {"word_length": {"min": 2}}})
    assert found.gopher.length.words == Bounds(min=30, max=100_000)
    assert found.gopher.length.characters == Gopher().length.characters
    assert found.gopher.top_2_gram == Gopher().top_2_gram
    assert found.words.word_length == Bounds(min=2, max=10)
    assert validate(Quality, {"gopher": {"length": {"words": {"max": None}}}}).gopher.length.words == Bounds(min=50)


def test_what_it_dumps_it_reads() -> None:
    config = validate(Quality, {"rules": ["gopher", "c4"], "c4": {"lines": {"words": 5}}, "domains": {"deny": ["a.example"]}})
    assert Quality.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"rules": ["gofer"]}, "rules[0]"),
        ({"gopher": {"lenght": {}}}, "did you mean 'length'?"),
        ({"gopher": {"length": {"words": {"minimum": 3}}}}, "unknown key"),
        ({"refinedweb": {"lines": {"uppercase": 2}}}, "refinedweb.lines.uppercase"),
        ({"c4": 5}, "c4"),
    ],
)
def test_mistakes_are_named(data: dict[str, object], message: str) -> None:
    with pytest.raises(HeadwaterError, match=message.replace("[", r"\[").replace("?", r"\?")):
        validate(Quality, data)


def test_a_threshold_is_read_by_the_last_stage_only() -> None:
    """So that changing one does not measure anew; a rule on lines does."""
    stages = ["annotate", "relate", "corpus"]
    strict = validate(Quality, {"rules": ["gopher"], "gopher": {"length": {"words": {"min": 500}}}, "words": {"length": {"min": 500}}})
    assert as_of(strict, "annotate", stages) == as_of(Quality(rules=["gopher"]), "annotate", stages)
    assert as_of(strict, "corpus", stages) == strict
    lines = validate(Quality, {"c4": {"lines": {"words": 9}}})
    assert as_of(lines, "annotate", stages).c4.lines.words == 9


def test_limits_without_bounds_are_off() -> None:
    assert Limits() == Limits(words=Bounds(min=None, max=None), characters=Bounds())
