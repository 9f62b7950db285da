"""headwater/corpus/classify/softmax.py: its optimum is the one that plain gradient descent on dense arrays finds."""

from __future__ import annotations

import numpy as np
import pytest

from headwater.corpus.classify.features import Rows
from headwater.corpus.classify.softmax import fit, log_softmax, minimise, product


def sparse(dense_NF: np.ndarray) -> Rows:
    places = [np.flatnonzero(row) for row in dense_NF]
    starts = np.concatenate([[0], np.cumsum([len(place) for place in places])]).astype(np.int64)
    values = np.concatenate([row[place] for row, place in zip(dense_NF, places, strict=True)])
    return Rows(starts, np.concatenate(places).astype(np.int32), values.astype(np.float32))


@pytest.mark.parametrize("classes", [2, 3])
def test_the_optimum(classes: int) -> None:
    draw = np.random.default_rng(3)
    x_NF = (draw.normal(size=(60, 6)) * (draw.random((60, 6)) < 0.6)).astype(np.float32).astype(np.float64)
    x_NF[:, 5] = 0  # a bucket that never occurs
    labels, weights, l2 = draw.integers(0, classes, 60), draw.random(60) + 0.5, 0.01
    w_FK, b_K = np.zeros((6, classes)), np.zeros(classes)
    for _ in range(20_000):
        error = np.exp(log_softmax(x_NF @ w_FK + b_K))
        error[np.arange(60), labels] -= 1
        error *= (weights / weights.sum())[:, None]
        w_FK -= 0.5 * (x_NF.T @ error + l2 * w_FK)
        b_K -= 0.5 * error.sum(axis=0)
    found_FK, found_K = fit(sparse(x_NF), labels, weights, classes, 6, l2, 500)
    assert found_FK == pytest.approx(w_FK, abs=1e-4)
    assert found_K - found_K.mean() == pytest.approx(b_K - b_K.mean(), abs=1e-4)


def test_minimise_finds_the_valley_of_rosenbrock() -> None:
    def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
        x, y = at
        return (1 - x) ** 2 + 100 * (y - x * x) ** 2, np.asarray([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)])

    assert minimise(loss, np.asarray([-1.2, 1.0]), 200) == pytest.approx([1, 1], abs=1e-4)


def test_log_softmax_bears_great_numbers() -> None:
    assert log_softmax(np.asarray([[1000.0, 0.0], [0.0, 0.0]])).tolist() == [[0, -1000], [pytest.approx(np.log(0.5))] * 2]


def test_product() -> None:
    dense = np.asarray([[0, 2.0, 0], [0, 0, 0], [1, 0, 3]])
    weights = np.arange(6.0).reshape(3, 2)
    assert (product(sparse(dense), weights) == dense @ weights).all()
