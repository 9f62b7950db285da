"""Planted Zipf and Heaps laws are found again in text; real text is counted as Counter counts it."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from headwater.core.progress import Reporter
from headwater.corpus.statistics.sample import take
from headwater.corpus.statistics.vocabulary import vocabulary


def name(number: int) -> str:
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


def test_a_planted_zipf_exponent(write: Callable[..., Path]) -> None:
    """Word r stands 30,000 / r^1.2 times."""
    counts = (30_000 / np.arange(1, 3000) ** 1.2).astype(int)
    words = np.repeat(np.arange(1, 3000), counts)
    np.random.default_rng(2).shuffle(words)
    texts = [" ".join(map(name, part)) for part in np.array_split(words, 300)]
    facts = vocabulary(take([write([{"text": text} for text in texts])], 1, Reporter()))["words"]
    assert facts["total"] == len(words) and facts["different"] == (counts > 0).sum()
    assert facts["frequencies"]["zipf"]["exponent"] == pytest.approx(-1.2, abs=0.03)
    assert facts["most_frequent"][0] == {"unit": name(1), "count": 30_000}
    assert facts["growth"]["units"][-1] == len(words) and facts["growth"]["different"][-1] == facts["different"]


def test_a_planted_heaps_exponent(write: Callable[..., Path]) -> None:
    """The n-th word is new whenever floor(n^0.6) rises, else one of before: V(n) = n^0.6 by construction."""
    draw = np.random.default_rng(3)
    words, new = [], 0
    for n in range(1, 60_000):
        if int(n**0.6) > new:
            new += 1
            words.append(new)
        else:
            words.append(int(draw.integers(1, new + 1)))
    facts = vocabulary(take([write([{"text": " ".join(map(name, words))}])], 1, Reporter()))["words"]
    assert facts["growth"]["heaps"]["exponent"] == pytest.approx(0.6, abs=0.01)
    assert facts["growth"]["heaps"]["factor"] == pytest.approx(1, abs=0.1)


def test_chinese_is_counted_in_characters_beside_english_words(write: Callable[..., Path]) -> None:
    text = "话说天下大势，分久必合，合久必分。The long divided, must unite; long united, must divide."
    facts = vocabulary(take([write([{"text": text}])], 1, Reporter()))
    characters = Counter("话说天下大势分久必合合久必分")
    assert facts["characters"]["total"] == 14 and facts["characters"]["different"] == len(characters)
    assert {row["unit"]: row["count"] for row in facts["characters"]["most_frequent"]} == characters
    assert {row["unit"] for row in facts["words"]["most_frequent"]} == {"the", "long", "divided", "must", "unite", "united", "divide"}
    assert facts["words"]["once"] == 5


def test_what_a_corpus_has_not_is_none(write: Callable[..., Path]) -> None:
    assert vocabulary(take([write([{"text": "1234 !?"}])], 1, Reporter()))["words"] is None
