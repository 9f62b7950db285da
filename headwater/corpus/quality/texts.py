"""What do the rules need to know of a batch? In: its buffers. Out: `Texts`, whose parts are computed when a rule first asks for them."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from headwater.corpus.quality import characters, cut, lines, units
from headwater.corpus.quality.boilerplate import boilerplate, placeholders
from headwater.corpus.quality.config import C4, Quality, RefinedWeb
from headwater.corpus.quality.phrases import Automaton, Matches
from headwater.corpus.quality.unicode import classes
from headwater.corpus.quality.word_lists import WordList

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""Rae et al. 2021, appendix A1.1."""
STOP_CHARACTERS = tuple("的了是在不我有他这這个個们們来來到人一之其而以曰也中上大為無日" + "のはをた" + "านร" + "ານ" + "ារន" + "ား" + "་ག")
"""The most frequent of Chinese (modern and classical), Japanese, Thai, Lao, Khmer, Burmese and Tibetan."""
OFF = 2.0
"""No line has more than twice as many capitals as characters."""


class Tables:
    """What the kernels look things up in; built once from a config."""

    def __init__(self, config: Quality) -> None:
        self.classes = classes()
        self.phrases = Automaton(boilerplate() if {"c4", "refinedweb"} & set(config.rules) else placeholders())
        self.stops = units.stop_table(STOP_WORDS, STOP_CHARACTERS)
        self.short = np.array(config.fineweb.short, np.int64)
        self.c4 = _c4(config.c4, "c4" in config.rules)
        self.refinedweb = _refinedweb(config.refinedweb, "refinedweb" in config.rules)
        self.lists = {name: WordList(name) for name in ("toxicity", "adverts") if name in config.rules}


def _c4(config: C4, on: bool) -> np.ndarray:
    """As the kernel in cut.py takes it."""
    rule = config.lines
    return np.array([on, rule.punctuation, rule.words, rule.characters, rule.longest, rule.phrases], np.float64)


def _refinedweb(config: RefinedWeb, on: bool) -> np.ndarray:
    rule = config.lines
    uppercase = OFF if rule.uppercase is None else rule.uppercase
    return np.array([on, uppercase, rule.numeric, rule.counters, rule.words, rule.characters, rule.phrases], np.float64)


@dataclass(frozen=True)
class Units:
    """Words, or characters where there are no spaces: `hashes` uint64 [U], `lengths` int32 [U], `starts` int64 [N + 1]."""

    hashes: np.ndarray
    lengths: np.ndarray
    starts: np.ndarray


class Texts:
    """A batch of N texts."""

    def __init__(self, data: np.ndarray, offsets: np.ndarray, tables: Tables) -> None:
        self.tables = tables
        self.points, self.starts = characters.decode(data, offsets)
        self.tallies, *words = characters.tally(self.points, self.starts, tables.classes)
        self._words = Units(*words)
        self.spaceless = np.minimum(1.0, self.tally(characters.SPACELESS_LETTERS) / np.maximum(1, self.tally(characters.LETTERS)))
        """Share of the letters from scripts without spaces, float64 [N]."""
        self.by_characters = self.spaceless > 0.5
        self.count = self.either(characters.WORDS, characters.CHARACTERS)
        """Units, int64 [N]."""

    def tally(self, column: int) -> np.ndarray:
        """A column of the tallies, int64 [N]."""
        return np.ascontiguousarray(self.tallies[:, column])

    def either(self, words: int, characters: int) -> np.ndarray:
        """One column for texts in words, another for texts in characters."""
        return np.where(self.by_characters, self.tallies[:, characters], self.tallies[:, words])

    def line(self, column: int) -> np.ndarray:
        """A column of the line counts, int64 [N]."""
        return self._lines[:, column]

    def either_line(self, words: int, characters: int) -> np.ndarray:
        return np.where(self.by_characters, self._lines[:, characters], self._lines[:, words])

    @functools.cached_property
    def units(self) -> Units:
        if not self.by_characters.any():
            return self._words
        words, total = self._words, int(self.count.sum())
        return Units(
            *units.with_characters(
                self.points, self.starts, self.tables.classes, self.by_characters, words.hashes, words.lengths, words.starts, total
            )
        )

    @functools.cached_property
    def _lines(self) -> np.ndarray:
        newlines, odd = self.tally(characters.NEWLINES), self.tally(characters.ODD_BREAKS)
        counts: np.ndarray = lines.line_counts(
            self.points, self.starts, self.tables.classes, self.by_characters, newlines, odd, self.tables.short
        )
        return counts

    @functools.cached_property
    def matches(self) -> Matches:
        """Where the phrases of C4 and RefinedWeb stand."""
        return self.tables.phrases(self.points, self.starts)

    @functools.cached_property
    def cut(self) -> tuple[np.ndarray, np.ndarray]:
        """`(spans int64 [S, 4]: document, start, end, reason; counts int64 [N, 3])` of the lines that are to be cut."""
        found = self.matches
        spans, counts = cut.cut_lines(
            self.points,
            self.starts,
            self.tables.classes,
            self.by_characters,
            found.place,
            found.end,
            found.group,
            found.starts,
            self.tables.c4,
            self.tables.refinedweb,
        )
        return spans, counts
