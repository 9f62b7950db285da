"""Which rule takes which document out? In: attributes of a batch. Out: for each document the first rule that fails, if any.

Rules stand in one order: extract, language, quality (in the order of the config's fields). Nothing is deleted here: the
stage cuts, and writes every removal with its rule, value and threshold into the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from headwater.corpus.config import Corpus
from headwater.corpus.document import scores_of
from headwater.corpus.quality.config import Bounds
from headwater.corpus.quality.measure import NAMES

KEPT = -1


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
        return self.step if self.step != "quality" else f"quality.words.{self.name} / quality.characters.{self.name}"


@dataclass(frozen=True)
class Verdicts:
    """Per document: index of the rule that takes it (KEPT: none), the attribute's value and the bound that it crossed."""

    rule: np.ndarray
    value: np.ndarray
    threshold: np.ndarray


def rules_of(config: Corpus) -> list[Rule]:
    wanted = Bounds(min=config.language.confidence if config.language.keep else None)
    quality = [Rule("quality", name, name, getattr(config.quality.words, name), getattr(config.quality.characters, name)) for name in NAMES]
    empty = Rule("extract", "empty", "empty", Bounds(max=0), Bounds(max=0))
    return [empty, Rule("language", "language", "wanted_language", wanted, wanted), *quality]


def judge(batch: pa.RecordBatch, rules: list[Rule]) -> Verdicts:
    """The first failing rule of every document."""
    count = batch.num_rows
    verdicts = Verdicts(np.full(count, KEPT, np.int16), np.full(count, np.nan), np.full(count, np.nan))
    by_characters = scores_of(batch, "spaceless") > 0.5
    for index, rule in enumerate(rules):
        values = scores_of(batch, rule.attribute)
        low = np.where(by_characters, _or(rule.characters.min, -np.inf), _or(rule.words.min, -np.inf))
        high = np.where(by_characters, _or(rule.characters.max, np.inf), _or(rule.words.max, np.inf))
        fails = ((values < low) | (values > high)) & (verdicts.rule == KEPT)
        verdicts.rule[fails] = index
        verdicts.value[fails] = values[fails]
        verdicts.threshold[fails] = np.where(values < low, low, high)[fails]
    return verdicts


def _or(bound: float | None, otherwise: float) -> float:
    return otherwise if bound is None else bound
