"""The unigram trainer against enumeration by hand, known values, and a likelihood that only grows."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest

from headwater.tokens.unigram import _best_counts, _digamma, _expected, _maximised, _prune, _seed, learn

WORDS = {"abab": 5, "abc": 3, "bcbc": 2, "cab": 4, "aab": 2}


def cuts(word: str, known: dict[str, float]) -> list[list[str]]:
    """All ways to cut a word into known pieces."""
    ways = []
    for number in range(len(word)):
        for places in combinations(range(1, len(word)), number):
            edges = [0, *places, len(word)]
            parts = [word[a:b] for a, b in pairwise(edges)]
            if all(part in known for part in parts):
                ways.append(parts)
    return ways


def seeded(words: dict[str, int]) -> tuple:  # type: ignore[type-arg]
    ordered = sorted(words)
    joined = "".join(ordered)
    lattice, score = _seed(ordered, joined, np.array([words[word] for word in ordered], np.float64), 16)
    names = [joined[place : place + length] for place, length in zip(lattice.place_P.tolist(), lattice.length_P.tolist(), strict=True)]
    return lattice, score, names


def test_seeds_are_the_repeated_strings_that_end_freely() -> None:
    _, score, names = seeded({"abcabd": 1, "abc": 1, "xyz": 1, "pq": 3})
    # ab stands three times, abc twice; bc twice; pq thrice in one word. xyz stands once, x is always followed by y.
    assert set(names) == {*"abcdxyzpq", "ab", "abc", "bc", "pq"}
    frequency = dict(zip(names, np.exp(score) / np.exp(score).min(), strict=True))
    assert frequency["ab"] == pytest.approx(3) and frequency["abc"] == pytest.approx(2) and frequency["pq"] == pytest.approx(3)


def test_a_string_always_followed_by_the_same_character_is_no_seed() -> None:
    _, _, names = seeded({"river": 3, "rivet": 2})
    assert set(names) == {*"rivet", "rive", "ive", "ve", "river", "rivet", "iver", "ivet", "ver", "vet", "er", "et"}


def test_expected_counts_are_those_of_all_cuts() -> None:
    lattice, score, names = seeded(WORDS)
    known = dict(zip(names, score.tolist(), strict=True))
    expected: Counter[str] = Counter()
    best: Counter[str] = Counter()
    for word, count in WORDS.items():
        ways = cuts(word, known)
        chances = [math.exp(sum(known[part] for part in way)) for way in ways]
        for way, chance in zip(ways, chances, strict=True):
            for part in way:
                expected[part] += count * chance / sum(chances)
        for part in ways[int(np.argmax(chances))]:
            best[part] += count
    found = dict(zip(names, _expected(*lattice[:5], score).tolist(), strict=True))
    assert found == pytest.approx({name: expected[name] for name in names}, rel=1e-9)
    assert dict(zip(names, _best_counts(*lattice[:5], score).tolist(), strict=True)) == {name: best[name] for name in names}


def test_pruning_drops_what_costs_least() -> None:
    lattice, score, names = seeded(WORDS)
    score = _maximised(_expected(*lattice[:5], score), lattice.characters)
    known = {name: value for name, value in zip(names, score.tolist(), strict=True) if math.isfinite(value)}
    frequency = dict(zip(names, _best_counts(*lattice[:5], score).tolist(), strict=True))
    total = sum(frequency.values())
    losses = {}
    for name in known:
        others = [way for way in cuts(name, known) if len(way) > 1]
        if len(name) == 1 or not frequency[name]:
            continue
        parts = max(others, key=lambda way: sum(known[part] for part in way))
        if sum(known[part] for part in parts) > known[name]:
            continue
        alone = sum(math.log(frequency[part] + frequency[name]) - math.log(total + frequency[name] * (len(parts) - 1)) for part in parts)
        losses[name] = frequency[name] / total * (math.log(frequency[name] / total) - alone)
    assert len(losses) > 2
    for keep in range(len(losses)):
        pruned = score.copy()
        _prune(lattice, pruned, keep + lattice.characters)
        kept = {name for name, value in zip(names, pruned.tolist(), strict=True) if math.isfinite(value) and len(name) > 1}
        assert kept == set(sorted(losses, key=lambda name: -losses[name])[:keep])


def test_the_text_becomes_likelier() -> None:
    words = {"the": 5, "river": 3, "runs": 2, "over": 2, "rivers": 1, "and": 4, "runners": 1, "run": 3, "running": 2, "runes": 1}
    lattice, score, _ = seeded(words)

    def likelihood(score: np.ndarray) -> float:  # type: ignore[type-arg]
        frequency = _expected(*lattice[:5], score)
        return float((frequency * np.where(frequency > 0, score, 0)).sum())

    plain = [score]
    for _ in range(5):  # expectation maximisation without the digamma and its threshold never falls
        counts = _expected(*lattice[:5], plain[-1])
        plain.append(np.log(np.maximum(counts, 1e-300) / counts.sum()))
    assert likelihood(plain[5]) > likelihood(plain[1]) > likelihood(plain[0])


def test_digamma() -> None:
    gamma = 0.5772156649015329
    known = {1: -gamma, 0.5: -gamma - 2 * math.log(2), 2: 1 - gamma, 10: sum(1 / n for n in range(1, 10)) - gamma}
    assert _digamma(np.array(list(known))) == pytest.approx(list(known.values()), abs=1e-9)


def test_what_is_learned() -> None:
    words = {" river": 50, " rivers": 20, " over": 30, " overs": 10, "江水": 25, "江": 3, " é": 1}
    characters = {c for word in words for c in word}
    names = [name for name, _ in learn(words, len(characters) + 3)]
    assert len(names) == len(set(names)) == len(characters) + 3
    assert set(names) == characters | {" river", "江水", " over"}, "every character, and what saves most"
    assert len(learn(words, 5)) == len(characters)


def test_as_many_as_asked_likeliest_first() -> None:
    text = (Path(__file__).parents[2] / "LICENSE").read_text()
    words = Counter(" " + word for word in text.split())
    pieces = learn(words, 400)
    assert len(pieces) == 400
    assert [score for _, score in pieces] == sorted((score for _, score in pieces), reverse=True)
    assert sum(math.exp(score) for _, score in pieces) == pytest.approx(1, abs=0.1)
    assert learn(dict(reversed(words.items())), 400) == pieces


def test_nothing_gives_nothing() -> None:
    assert learn({}, 100) == []
    assert [name for name, _ in learn({"a": 1}, 100)] == ["a"]
