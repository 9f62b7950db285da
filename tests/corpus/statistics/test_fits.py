"""Planted laws are found again; the line is numpy's."""

import numpy as np
import pytest

from headwater.corpus.statistics.fits import power_law, spaced


def test_a_planted_law_is_found_exactly() -> None:
    x = spaced(100_000)
    found = power_law(x, 3.7 * x.astype(float) ** 0.62)
    assert found is not None
    assert (found["exponent"], found["factor"], found["r2"]) == pytest.approx((0.62, 3.7, 1.0))


def test_the_line_is_the_one_of_least_squares() -> None:
    draw = np.random.default_rng(5)
    x = spaced(10_000)
    y = x.astype(float) ** -1.1 * np.exp(draw.normal(0, 0.3, len(x)))
    slope, offset = np.polyfit(np.log(x), np.log(y), 1)
    found = power_law(x, y)
    assert found is not None
    assert (found["exponent"], found["factor"]) == pytest.approx((slope, np.exp(offset)))
    assert found["r2"] == pytest.approx(np.corrcoef(np.log(x), np.log(y))[0, 1] ** 2)


@pytest.mark.parametrize("last", [0, 1, 2, 9, 100, 101, 123_456])
def test_points_rise_from_one_to_the_last(last: int) -> None:
    points = spaced(last)
    assert points.tolist() == sorted(set(points.tolist()))
    assert not last or (points[0], points[-1]) == (1, last)
    assert len(points) <= 21 + 20 * np.log10(max(1, last))


def test_two_points_are_no_law() -> None:
    assert power_law(np.array([1, 2]), np.array([3.0, 4.0])) is None
