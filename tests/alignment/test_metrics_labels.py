"""Figures of classes and values against their definitions, written out another way."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.alignment.metrics_labels import of_classes, of_values

CHOICES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


def by_definition(pairs: list[tuple[int, int]]) -> tuple[float, float, float | None]:
    """Accuracy, macro F1 over classes that occur, and the correlation of the two as one-hot vectors (Gorodkin 2004, equation 8)."""
    n = len(pairs)
    f1s = []
    for c in range(4):
        both = sum(t == c and s == c for t, s in pairs)
        wrong = sum((t == c) != (s == c) for t, s in pairs)
        if both or wrong:
            f1s.append(2 * both / (2 * both + wrong))
    means = [(sum(t == c for t, _ in pairs) / n, sum(s == c for _, s in pairs) / n) for c in range(4)]

    def covariance(a: int, b: int) -> float:
        return sum((pair[a] == c) * 1.0 * (pair[b] == c) for pair in pairs for c in range(4)) / n - sum(m[a] * m[b] for m in means)

    spread = covariance(0, 0) * covariance(1, 1)
    mcc = covariance(0, 1) / math.sqrt(spread) if spread > 1e-12 else None
    return sum(t == s for t, s in pairs) / n, sum(f1s) / len(f1s), mcc


@given(CHOICES)
def test_classes_by_definition(pairs: list[tuple[int, int]]) -> None:
    found = of_classes([t for t, _ in pairs], [s for _, s in pairs], "abcd")
    accuracy, macro, mcc = by_definition(pairs)
    assert found["accuracy"] == found["micro_f1"] == pytest.approx(accuracy)
    assert found["macro_f1"] == pytest.approx(macro)
    assert found["mcc"] == (None if mcc is None else pytest.approx(mcc, abs=1e-9))
    assert [sum(row) for row in found["confusion"]] == [sum(t == c for t, _ in pairs) for c in range(4)]


def test_matthews_of_two_classes_is_the_textbook_formula() -> None:
    truths, said = [1] * 6 + [0] * 6, [1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1]  # tp 4, fn 2, tn 3, fp 3
    found = of_classes(truths, said, ["no", "yes"])
    assert found["mcc"] == pytest.approx((4 * 3 - 3 * 2) / math.sqrt((4 + 3) * (4 + 2) * (3 + 3) * (3 + 2)))
    assert found["confusion"] == [[3, 3], [2, 4]]
    assert found["by_label"]["yes"] == {"precision": 4 / 7, "recall": 4 / 6, "f1": pytest.approx(8 / 13), "count": 6}


def test_always_the_same_class_has_no_correlation() -> None:
    found = of_classes([0, 1, 2], [1, 1, 1], "abc")
    assert found["mcc"] is None
    assert found["macro_f1"] == pytest.approx((0 + 0.5 + 0) / 3)
    assert found["by_label"]["a"]["precision"] is None


def test_values() -> None:
    """Anscombe's first set: a correlation of 0.81642; ties share their mean rank."""
    x = [10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5]
    y = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68]
    found = of_values(y, x)
    assert found["pearson"] == pytest.approx(0.81642, abs=1e-5)
    d2 = sum((sorted(x).index(a) - sorted(y).index(b)) ** 2 for a, b in zip(x, y, strict=True))
    assert found["spearman"] == pytest.approx(1 - 6 * d2 / (11 * (11**2 - 1)))
    assert found["mse"] == pytest.approx(sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / 11)
    assert of_values([1, 2, 2, 3], [1, 5, 5, 9])["spearman"] == pytest.approx(1.0)
    assert of_values([1, 2, 3], [7, 7, 7])["pearson"] is None
