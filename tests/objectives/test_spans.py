"""Spans against the papers' numbers and against a literal transcription of T5's rule."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from headwater.core.random import stream
from headwater.objectives.spans import broken, corrupted, infilled, noise_spans, poisson_lengths, scattered, tail_span


@pytest.mark.parametrize(
    ("tokens", "density", "mean"), [(568, 0.15, 3.0), (512, 0.15, 8.0), (382, 0.5, 3.0), (512, 0.5, 64.0), (10, 0.9, 3.0)]
)
def test_t5_spans(tokens: int, density: float, mean: float) -> None:
    rng = stream(0, "test")
    for _ in range(50):
        spans = noise_spans(tokens, density, mean, rng)
        noise = min(max(round(tokens * density), 1), tokens - 1)
        assert sum(length for _, length in spans) == noise
        assert len(spans) == min(max(round(noise / mean), 1), tokens - noise)
        assert spans[0][0] >= 1 and sum(spans[-1]) == tokens, "the text begins with what stays and ends with noise"
        assert all(start > before + length for (before, length), (start, _) in pairwise(spans))


def test_every_way_to_break_is_as_likely() -> None:
    """5 into 3 parts: 6 ways; the first part is 1, 2 or 3 in 3, 2 and 1 of them."""
    rng = stream(1, "test")
    found: dict[tuple[int, ...], int] = {}
    for _ in range(6000):
        key = tuple(int(length) for length in broken(5, 3, rng))
        found[key] = found.get(key, 0) + 1
    assert set(found) == {(1, 1, 3), (1, 3, 1), (3, 1, 1), (1, 2, 2), (2, 1, 2), (2, 2, 1)}
    assert sum((count - 1000) ** 2 / 1000 for count in found.values()) < 20.5


def test_the_tail_is_a_quarter_in_the_mean() -> None:
    rng = stream(2, "test")
    lengths = [tail_span(512, 0.25, rng)[0][1] for _ in range(4000)]
    assert min(lengths) >= 1 and max(lengths) <= 255
    assert abs(np.mean(lengths) - 128) < 5 * 74 / math.sqrt(4000)


@pytest.mark.parametrize("empty", [True, False])
def test_poisson_lengths(empty: bool) -> None:
    """BART keeps empty spans (mean 3); GLM has none (mean 3 / (1 - e^-3) = 3.157)."""
    rng = stream(3, "test")
    lengths = np.concatenate([poisson_lengths(10_000, 3.0, 10_000, rng, empty=empty) for _ in range(5)])
    assert lengths.sum() == 50_000
    expected = 3.0 if empty else 3 / (1 - math.exp(-3))
    assert abs(lengths.mean() - expected) < 5 * 1.75 / math.sqrt(len(lengths))
    share = (lengths == 0).mean()
    assert abs(share - (math.exp(-3) if empty else 0)) < 0.01
    assert len(poisson_lengths(100, 3.0, 4, rng, empty=empty)) == 4


def test_scattered_spans_do_not_touch() -> None:
    rng = stream(4, "test")
    starts = np.zeros(20)
    for _ in range(4000):
        spans = scattered(20, np.array([3, 0, 2, 5]), rng)
        assert [length for _, length in spans] == [3, 0, 2, 5]
        assert all(start > before + length for (before, length), (start, _) in pairwise(spans))
        assert spans[0][0] >= 0 and sum(spans[-1]) <= 20
        starts[spans[0][0]] += 1
    assert starts[0] / 4000 == pytest.approx(4 / 11, abs=0.04), "4 of 11 gaps are taken, the first as often as any"


def test_corrupted_and_infilled() -> None:
    ids = np.arange(100, 110)
    spans = [(1, 2), (5, 3)]
    source, target = corrupted(ids, spans, np.array([7, 8, 9]), end=0)
    assert source.tolist() == [100, 7, 103, 104, 8, 108, 109, 0]
    assert target.tolist() == [7, 101, 102, 8, 105, 106, 107, 0]
    assert infilled(ids, [(0, 0), *spans], mask=1).tolist() == [1, 100, 1, 103, 104, 1, 108, 109]
