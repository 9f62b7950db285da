"""How do counts become the attributes of each set of rules? In: `Texts`. Out: name -> float64 [N], as config.py names and explains them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from headwater.corpus.quality import characters as c
from headwater.corpus.quality import lines as l
from headwater.corpus.quality.contacts import LINKS, PHONES, PRICES, contacts
from headwater.corpus.quality.cut import C4_LOST, PLACEHOLDERS, REFINEDWEB_LOST, SENTENCES
from headwater.corpus.quality.texts import Texts
from headwater.corpus.quality.units import gopher_ngrams, plain_ngrams, stop_counts

Attributes = dict[str, np.ndarray]
TOP_NGRAM = np.array([3, 4])
"""Of the set `headwater`: words, characters."""
REPEATED_NGRAM = np.array([10, 16])
TOP_SIZES = np.array([[2, 3, 4], [3, 5, 6]])
"""Gopher's: words, characters."""
REPEATED_SIZES = np.array([[5, 6, 7, 8, 9, 10], [8, 10, 11, 13, 14, 16]])


def headwater(texts: Texts) -> Attributes:
    units = texts.units
    covered, grams, repeats = plain_ngrams(units.hashes, units.lengths, units.starts, texts.by_characters, TOP_NGRAM, REPEATED_NGRAM).T
    return {
        "length": texts.count.astype(np.float64),
        "word_length": texts.tally(c.ALNUMS) / _some(texts.either(c.WORDS, c.RUNS)),
        "symbols": texts.tally(c.SYMBOLS) / _some(texts.count),
        "letters": texts.either(c.WORDS_WITH_LETTER, c.LETTERS) / _some(texts.count),
        "bullets": texts.line(l.BULLETS) / _some(texts.line(l.LINES)),
        "ellipses": texts.line(l.ELLIPSES) / _some(texts.line(l.LINES)),
        "duplicate_lines": texts.line(l.REPEATED_TRIMMED_CHARACTERS) / _some(texts.line(l.TRIMMED_CHARACTERS)),
        "top_ngram": np.minimum(1.0, covered / _some(texts.tally(c.CHARACTERS))),
        "repeated_ngrams": np.where(grams > 0, 1 - (grams - repeats) / _some(grams), 0.0),
        "placeholders": _placeholders(texts),
    }


def gopher(texts: Texts) -> Attributes:
    points, units = _some(texts.tally(c.POINTS)), texts.units
    ngrams = gopher_ngrams(units.hashes, units.lengths, units.starts, texts.by_characters, TOP_SIZES, REPEATED_SIZES).T
    marks = np.where(texts.by_characters, texts.tally(c.SYMBOLS) - texts.tally(c.HASHES), texts.tally(c.ELLIPSES))
    words = texts.tally(c.SOLID_WORD_CHARACTERS) / _some(texts.tally(c.SOLID_WORDS))
    return {
        "length": texts.either(c.SOLID_WORDS, c.SOLID_CHARACTERS).astype(np.float64),
        "word_length": np.where(texts.by_characters, texts.tally(c.ALNUMS) / _some(texts.tally(c.RUNS)), words),
        "hashes": texts.tally(c.HASHES) / _some(texts.count),
        "ellipses": marks / _some(texts.count),
        "bullets": texts.line(l.BROKEN_BULLETS) / _some(texts.line(l.BROKEN)),
        "ellipsis_lines": texts.line(l.BROKEN_ELLIPSES) / _some(texts.line(l.BROKEN)),
        "letters": texts.either(c.WORDS_WITH_ALPHA, c.ALPHAS) / _some(texts.count),
        "stop_words": stop_counts(units.hashes, units.starts, texts.by_characters, *texts.tables.stops).astype(np.float64),
        "duplicate_paragraphs": texts.line(l.REPEATED_PARAGRAPHS) / _some(texts.line(l.PARAGRAPHS)),
        "duplicate_paragraph_characters": texts.line(l.REPEATED_PARAGRAPH_CHARACTERS) / points,
        "duplicate_lines": texts.either_line(l.REPEATED_PIECES, l.REPEATED_LINES) / _some(texts.either_line(l.PIECES, l.LINES)),
        "duplicate_line_characters": texts.line(l.REPEATED_PIECE_CHARACTERS) / points,
        **{f"top_{n}_gram": ngrams[index] / points for index, n in enumerate(TOP_SIZES[0])},
        **{f"repeated_{n}_gram": ngrams[index] / points for index, n in enumerate(REPEATED_SIZES[0], len(TOP_SIZES[0]))},
    }


def c4(texts: Texts) -> Attributes:
    _, counts = texts.cut
    return {
        "placeholders": _placeholders(texts),
        "curly_brackets": texts.tally(c.BRACES).astype(np.float64),
        "sentences": counts[:, SENTENCES].astype(np.float64),
        "removed": counts[:, C4_LOST] / _some(texts.count),
    }


def fineweb(texts: Texts) -> Attributes:
    lines = _some(texts.line(l.LINES))
    ended = texts.either_line(l.PUNCTUATED, l.PUNCTUATED_LOOSELY)
    return {
        "punctuated_lines": ended / lines,
        "short_lines": texts.line(l.SHORT) / lines,
        "duplicate_line_characters": texts.line(l.REPEATED_CHARACTERS) / _some(texts.tally(c.POINTS) - texts.tally(c.NEWLINES)),
        "newlines": texts.tally(c.NEWLINES) / _some(texts.count),
    }


def refinedweb(texts: Texts) -> Attributes:
    _, counts = texts.cut
    return {"removed": counts[:, REFINEDWEB_LOST] / _some(texts.count)}


def toxicity(texts: Texts) -> Attributes:
    words = texts.tables.lists["toxicity"]
    hits = words.hits(texts.points, texts.starts)
    return {group: _per_thousand(hits[:, index], texts) for index, group in enumerate(words.groups)}


def adverts(texts: Texts) -> Attributes:
    phrases = texts.tables.lists["adverts"].hits(texts.points, texts.starts)[:, 0]
    found = contacts(texts.points, texts.starts, texts.tables.classes)
    signs = {"phrases": phrases, "contacts": found[:, LINKS] + found[:, PHONES], "prices": found[:, PRICES]}
    signs["signals"] = signs["phrases"] + signs["contacts"] + signs["prices"]
    return {name: _per_thousand(values, texts) for name, values in signs.items()}


SETS: dict[str, Callable[[Texts], Attributes]] = {
    "headwater": headwater,
    "gopher": gopher,
    "c4": c4,
    "fineweb": fineweb,
    "refinedweb": refinedweb,
    "toxicity": toxicity,
    "adverts": adverts,
}


def _some(counts: np.ndarray) -> np.ndarray:
    """To divide by."""
    some: np.ndarray = np.maximum(1, counts)
    return some


def _per_thousand(counts: np.ndarray, texts: Texts) -> np.ndarray:
    share: np.ndarray = 1000 * counts / _some(texts.count)
    return share


def _placeholders(texts: Texts) -> np.ndarray:
    found = texts.matches
    documents = np.repeat(np.arange(len(texts.starts) - 1), np.diff(found.starts))
    return np.bincount(documents[found.group == PLACEHOLDERS], minlength=len(texts.starts) - 1).astype(np.float64)
