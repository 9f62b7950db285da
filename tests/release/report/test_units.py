"""Quantities as people read them, against values worked out by hand."""

import math

import pytest

from headwater.release.report.units import count, duration, figure, percent, size


@pytest.mark.parametrize(
    ("number", "english", "chinese"),
    [
        (0, "0", "0"),
        (9_999, "9,999", "9,999"),
        (18_964, "19.0 k", "1.90 万"),
        (3_104_211, "3.10 M", "310 万"),
        (999_960, "1.00 M", "100 万"),
        (2_500_000_000, "2.50 B", "25.0 亿"),
    ],
)
def test_counts_are_whole_when_small_and_scaled_when_large(number: int, english: str, chinese: str) -> None:
    assert (count(number, "en"), count(number, "zh")) == (english, chinese)


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 B"), (999, "999 B"), (1_000, "1.00 kB"), (9_120_344, "9.12 MB"), (14_830_112, "14.8 MB")]
)
def test_sizes_are_decimal(number: int, said: str) -> None:
    assert size(number) == said


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [(0.42, "0.4 s", "0.4 秒"), (59.6, "1 min", "1 分"), (250, "4 min 10 s", "4 分 10 秒"), (3_900, "1 h 5 min", "1 小时 5 分")],
)
def test_durations_say_the_two_largest_units(seconds: float, english: str, chinese: str) -> None:
    assert (duration(seconds, "en"), duration(seconds, "zh")) == (english, chinese)


@pytest.mark.parametrize(
    ("number", "said"),
    [(1.31742, "1.317"), (0.1831, "0.1831"), (12_345.6, "12,346"), (-0.32, "−0.3200"), (2.14e-6, "2.14 × 10⁻⁶"), (1e-4, "1 × 10⁻⁴")],
)
def test_figures_have_four_significant_digits(number: float, said: str) -> None:
    assert figure(number) == said


def test_what_is_no_number_is_said() -> None:
    assert [figure(number) for number in (0, math.nan, math.inf)] == ["0", "NaN", "∞"]


def test_a_small_share_is_not_rounded_to_nothing() -> None:
    assert percent(1, 100_000) == "<0.1 %"
    assert percent(0, 10) == "0 %"
    assert percent(1, 0) == "–"
