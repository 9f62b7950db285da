"""Curves keep their spikes when thinned, do not lag when smoothed, and carry no markup of the user's."""

import json
import math

import numpy as np

from headwater.release.report import charts
from headwater.release.report.words import Words


def test_thinning_keeps_ends_and_every_extreme() -> None:
    points = [(x, math.sin(x / 500)) for x in range(20_000)]
    points[7_777] = (7_777, 9.0)
    points[12_345] = (12_345, -9.0)
    kept = charts.thin(points)
    assert len(kept) <= charts.POINTS + 2
    assert kept == sorted(kept)
    assert {points[0], points[-1], points[7_777], points[12_345]} <= set(kept)


def test_a_short_curve_is_not_thinned() -> None:
    assert charts.thin([(0, 1.0), (1, None), (2, 3.0)]) == [(0, 1.0), (1, None), (2, 3.0)]


def test_smoothing_a_straight_line_gives_it_back_and_noise_shrinks() -> None:
    line = [(float(x), 3.0 - 0.01 * x) for x in range(400)]
    smoothed = charts.smooth(line)
    assert np.allclose(smoothed, line)
    noise = np.random.default_rng(0).normal(size=400)
    noisy = charts.smooth([(x, y + e) for (x, y), e in zip(line, noise, strict=True)])
    assert np.std(np.array(noisy)[:, 1] - np.array(line)[:, 1]) < 0.5


def test_smoothing_equals_a_fit_by_least_squares_in_each_window() -> None:
    """Against numpy's own polynomial fit."""
    draw = np.random.default_rng(1)
    x, y = np.sort(draw.uniform(0, 1000, 100)), draw.normal(size=100)
    around = max(2, round(charts.WINDOW * 100))
    expected = [
        np.polyval(np.polyfit(x[max(0, i - around) : i + around + 1], y[max(0, i - around) : i + around + 1], 1), x[i]) for i in range(100)
    ]
    found = [height for _, height in charts.smooth(list(zip(x.tolist(), y.tolist(), strict=True)))]
    assert np.allclose(found, expected)


def test_what_is_no_number_is_a_gap() -> None:
    trace = charts.curve([(0, 1.0), (1, math.nan), (2, None), (3, 2.0)], "loss", "#000000")
    assert list(trace.y) == [1.0, None, None, 2.0]
    assert charts.smooth([(0, math.nan), (1, None)]) == []


def test_markup_in_names_is_text() -> None:
    figure = charts.shares(["<b>x</b>"], [0.5], [0.1], [0.25], x="score", words=Words("en"))
    figure.add_trace(charts.marks([(0, 1.0)], ["1"], ["<a href='https://evil.example'>"], "incidents"))
    text = json.dumps(charts.as_data(figure))
    assert "<b>" not in text and "<a" not in text
    assert "&lt;b&gt;x" in text
