from __future__ import annotations

import math

import numpy as np
import pytest

from headwater.evaluation.statistics import by_language, mean, proportion, ratio


def test_the_error_of_a_mean_is_the_textbook_one() -> None:
    values = [1.0, 4.0, 2.0, 9.0]
    assert mean(values) == pytest.approx((4.0, np.std(values, ddof=1) / 2))


def test_the_error_of_a_ratio_is_the_spread_of_its_replicates() -> None:
    rng = np.random.default_rng(0)
    ratios, errors = [], []
    for _ in range(2000):
        sizes = rng.lognormal(5, 1, 200)
        bits = sizes * rng.normal(2, 0.3, 200)
        value, error = ratio(bits.tolist(), sizes.tolist())
        ratios.append(value)
        errors.append(error)
    assert np.mean(errors) == pytest.approx(np.std(ratios), rel=0.08)


def test_one_document_cannot_say_how_it_varies() -> None:
    assert ratio([6.0], [3.0]) == (2.0, None)


def test_a_proportion() -> None:
    assert proportion([True, False, False, False]) == pytest.approx((0.25, math.sqrt(0.25 * 0.75 / 4)))


def test_languages_are_sorted_and_a_missing_one_is_named() -> None:
    figures = by_language(["zh", None, "en", "zh"], lambda items: {"items": items})
    assert list(figures) == ["all", "en", "unknown", "zh"]
    assert figures["zh"] == {"items": [0, 3]}
