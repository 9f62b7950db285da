"""Which rules of quality does a recipe ask for? In: the config. Out: a list of bounds on attributes, in the order of judging."""

from __future__ import annotations

from dataclasses import dataclass

from headwater.corpus.quality.config import Bounds, Limits, Quality, WordRules

HEADWATER = tuple(WordRules.model_fields)
"""The attributes of the set `headwater`, which carry no prefix."""
DOMAIN = "denied_domain"


@dataclass(frozen=True)
class Rule:
    """A bound on an attribute; another one for text in characters than for text in words."""

    step: str
    name: str
    attribute: str
    words: Bounds
    characters: Bounds

    @property
    def key(self) -> str:
        """Where the recipe sets it, below `corpus.`."""
        if self.step != "quality":
            return f"{self.step}.{self.name}" if "." in self.name else self.step
        if self.name == "domain":
            return "quality.domains"
        return f"quality.{self.name}" if "." in self.name else f"quality.words.{self.name} / quality.characters.{self.name}"


def rules_of(config: Quality) -> list[Rule]:
    """The rules of the chosen sets, each set's in the order of its fields."""
    rules: list[Rule] = []
    if config.domains is not None:
        rules.append(Rule("quality", "domain", DOMAIN, Bounds(max=0), Bounds(max=0)))
    for chosen in dict.fromkeys(config.rules):
        if chosen == "headwater":
            rules += [Rule("quality", name, name, getattr(config.words, name), getattr(config.characters, name)) for name in HEADWATER]
            continue
        part = getattr(config, chosen)
        for name in type(part).model_fields:
            limits = getattr(part, name)
            if isinstance(limits, Limits):
                rules.append(Rule("quality", f"{chosen}.{name}", f"{chosen}.{name}", limits.words, limits.characters))
    return rules
