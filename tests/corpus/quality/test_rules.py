"""headwater/corpus/quality/rules.py: the chosen rules, in order, each with an attribute that the step really makes."""

from __future__ import annotations

import pytest

from headwater.corpus.document import SCORE, Document, batch_of
from headwater.corpus.quality.config import Bounds, Domains, Quality, RuleSet
from headwater.corpus.quality.measure import measurer
from headwater.corpus.quality.rules import HEADWATER, Rule, rules_of


def test_todays_ten_keep_their_names_and_keys() -> None:
    rules = rules_of(Quality())
    assert [rule.name for rule in rules] == [rule.attribute for rule in rules] == list(HEADWATER)
    assert rules[0] == Rule("quality", "length", "length", Bounds(min=20), Bounds(min=30))
    assert rules[0].key == "quality.words.length / quality.characters.length"


def test_sets_stand_in_the_order_of_the_recipe_and_once() -> None:
    rules = rules_of(Quality(rules=["c4", "gopher", "c4"], domains=Domains(deny=["a.example"])))
    assert [rule.name.partition(".")[0] for rule in rules] == ["domain"] + ["c4"] * 4 + ["gopher"] * 21
    assert [rule.key for rule in rules[:2]] == ["quality.domains", "quality.c4.placeholders"]


@pytest.mark.parametrize("chosen", RuleSet.__args__)
def test_every_rule_has_its_attribute_and_every_attribute_its_rule(chosen: RuleSet) -> None:
    config = Quality(rules=[chosen])
    made = measurer(config)(batch_of([Document("a", "Some text to be measured.", "s")])).schema.names
    attributes = [name.removeprefix(SCORE) for name in made if name.startswith(SCORE)]
    assert sorted(attributes) == sorted(["spaceless", *(rule.attribute for rule in rules_of(config))])


def test_a_rule_of_another_step_names_its_block() -> None:
    assert Rule("language", "language", "wanted_language", Bounds(), Bounds()).key == "language"
