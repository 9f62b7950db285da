"""Softmax regression on sparse rows. In: rows [N] of features, labels, weights of rows. Out: weights float64 [F, K], bias [K].

Minimises the weighted mean of -ln p(label) plus l2/2 of the squared weights (not the bias): convex, so there is one optimum and
the way to it does not matter; it is taken by L-BFGS (Nocedal, Wright 2006, algorithm 7.4). Legend: N rows, F buckets, K classes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from headwater.core.compiled import njit
from headwater.corpus.classify.features import Rows

HISTORY = 10


def fit(
    rows: Rows, labels_N: np.ndarray, weights_N: np.ndarray, classes: int, buckets: int, l2: float, iterations: int,
    advance: Callable[[], None] = lambda: None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    seen_B = np.flatnonzero(np.bincount(rows.buckets, minlength=buckets))  # a bucket that no example has keeps its weight of nothing
    number_F = np.zeros(buckets, np.int32)
    number_F[seen_B] = np.arange(len(seen_B))
    rows, count = Rows(rows.starts, number_F[rows.buckets], rows.values), len(seen_B)
    shares_N = weights_N / weights_N.sum()
    wanted_NK = np.eye(classes)[labels_N]

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        weights_FK, bias_K = parameters[:-classes].reshape(count, classes), parameters[-classes:]
        log_NK = log_softmax(product(rows, weights_FK) + bias_K)
        error_NK = (np.exp(log_NK) - wanted_NK) * shares_N[:, None]
        value = -float((log_NK * wanted_NK).sum(axis=1) @ shares_N) + l2 / 2 * float(np.dot(parameters[:-classes], parameters[:-classes]))
        gradient_FK = _transposed_product(rows.starts, rows.buckets, rows.values, error_NK, count) + l2 * weights_FK
        return value, np.concatenate([gradient_FK.ravel(), error_NK.sum(axis=0)])

    found = minimise(loss, np.zeros((count + 1) * classes), iterations, advance=advance)
    weights_FK = np.zeros((buckets, classes))
    weights_FK[seen_B] = found[:-classes].reshape(count, classes)
    return weights_FK, found[-classes:]


def log_softmax(logits_NK: np.ndarray) -> np.ndarray:
    shifted = logits_NK - logits_NK.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return np.asarray(shifted)


def product(rows: Rows, weights_FK: np.ndarray) -> np.ndarray:
    """float64 [N, K]: rows times weights."""
    found: np.ndarray = _product(rows.starts, rows.buckets, rows.values, weights_FK)
    return found


@njit(cache=True, nogil=True)
def _product(starts: np.ndarray, buckets: np.ndarray, values: np.ndarray, weights_FK: np.ndarray) -> np.ndarray:
    found_NK = np.zeros((len(starts) - 1, weights_FK.shape[1]))
    for row in range(len(starts) - 1):
        for place in range(starts[row], starts[row + 1]):
            for k in range(weights_FK.shape[1]):
                found_NK[row, k] += values[place] * weights_FK[buckets[place], k]
    return found_NK


@njit(cache=True, nogil=True)
def _transposed_product(starts: np.ndarray, buckets: np.ndarray, values: np.ndarray, error_NK: np.ndarray, count: int) -> np.ndarray:
    found_FK = np.zeros((count, error_NK.shape[1]))
    for row in range(len(starts) - 1):
        for place in range(starts[row], starts[row + 1]):
            for k in range(error_NK.shape[1]):
                found_FK[buckets[place], k] += values[place] * error_NK[row, k]
    return found_FK


def minimise(
    loss: Callable[[np.ndarray], tuple[float, np.ndarray]], start: np.ndarray, iterations: int, tolerance: float = 1e-6,
    advance: Callable[[], None] = lambda: None,
) -> np.ndarray:  # fmt: skip
    """L-BFGS with backtracking until the gradient's largest entry is below the tolerance, or so many iterations."""
    at, (value, gradient) = start, loss(start)
    steps: list[tuple[np.ndarray, np.ndarray, float]] = []
    for _ in range(iterations):
        if np.abs(gradient).max() < tolerance:
            break
        direction = -_inverse_hessian_times(gradient, steps)
        slope = float(gradient @ direction)
        if slope >= 0:  # curvature lost to rounding: begin again from steepest descent
            steps, direction, slope = [], -gradient, -float(gradient @ gradient)
        rate = 1.0 if steps else min(1.0, 1.0 / float(np.sqrt(gradient @ gradient)))
        while True:
            there = at + rate * direction
            new_value, new_gradient = loss(there)
            if new_value <= value + 1e-4 * rate * slope:
                break
            rate /= 2
            if rate < 1e-12:
                return at
        moved, turned = there - at, new_gradient - gradient
        curvature = float(moved @ turned)
        if curvature > 1e-12:
            steps = [*steps, (moved, turned, 1.0 / curvature)][-HISTORY:]
        at, value, gradient = there, new_value, new_gradient
        advance()
    return at


def _inverse_hessian_times(gradient: np.ndarray, steps: list[tuple[np.ndarray, np.ndarray, float]]) -> np.ndarray:
    """The two loops."""
    direction = gradient.copy()
    alphas = []
    for moved, turned, rho in reversed(steps):
        alphas.append(rho * float(moved @ direction))
        direction -= alphas[-1] * turned
    if steps:
        moved, turned, _ = steps[-1]
        direction *= float(moved @ turned) / float(turned @ turned)
    for (moved, turned, rho), alpha in zip(steps, reversed(alphas), strict=True):
        direction += (alpha - rho * float(turned @ direction)) * moved
    return direction
