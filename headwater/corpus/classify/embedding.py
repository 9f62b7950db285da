"""fastText's classifier (Joulin et al. 2016): the average of the features' embeddings, then a softmax.

In: rows [N] of features whose values add up to one, labels, weights of rows. Out: embeddings float32 [F, D], output float32 [D, K].
One row at a time, in an order drawn anew for each epoch; the rate falls linearly to nothing. Legend: N rows, F buckets, D width,
K classes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from headwater.core.compiled import njit
from headwater.core.random import stream
from headwater.corpus.classify.features import Rows


def fit(
    rows: Rows, labels_N: np.ndarray, weights_N: np.ndarray, classes: int, buckets: int, width: int, lr: float, epochs: int, seed: int,
    advance: Callable[[], None] = lambda: None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    embeddings_FD = stream(seed, "classify", "embeddings").uniform(-1 / width, 1 / width, (buckets, width)).astype(np.float32)
    output_DK = np.zeros((width, classes), np.float32)
    shares_N = weights_N / weights_N.mean()
    for epoch in range(epochs):
        order_N = stream(seed, "classify", "order", epoch).permutation(len(rows))
        start, end = lr * (1 - epoch / epochs), lr * (1 - (epoch + 1) / epochs)
        _epoch(rows.starts, rows.buckets, rows.values, labels_N, shares_N, order_N, embeddings_FD, output_DK, start, end)
        advance()
    return embeddings_FD, output_DK


def logits(rows: Rows, embeddings_FD: np.ndarray, output_DK: np.ndarray) -> np.ndarray:
    """float64 [N, K]."""
    found: np.ndarray = _average(rows.starts, rows.buckets, rows.values, embeddings_FD) @ output_DK.astype(np.float64)
    return found


@njit(cache=True, nogil=True)
def _average(starts: np.ndarray, buckets: np.ndarray, values: np.ndarray, embeddings_FD: np.ndarray) -> np.ndarray:
    hidden_ND = np.zeros((len(starts) - 1, embeddings_FD.shape[1]))
    for row in range(len(starts) - 1):
        for place in range(starts[row], starts[row + 1]):
            for d in range(embeddings_FD.shape[1]):
                hidden_ND[row, d] += values[place] * embeddings_FD[buckets[place], d]
    return hidden_ND


@njit(cache=True, nogil=True)
def _epoch(
    starts: np.ndarray, buckets: np.ndarray, values: np.ndarray, labels_N: np.ndarray, shares_N: np.ndarray, order_N: np.ndarray,
    embeddings_FD: np.ndarray, output_DK: np.ndarray, start: float, end: float,
) -> None:  # fmt: skip
    width, classes = output_DK.shape
    hidden_D, back_D = np.zeros(width), np.zeros(width)
    error_K = np.zeros(classes)
    for step in range(len(order_N)):
        row = order_N[step]
        rate = (start + (end - start) * step / len(order_N)) * shares_N[row]
        hidden_D[:] = 0
        for place in range(starts[row], starts[row + 1]):
            for d in range(width):
                hidden_D[d] += values[place] * embeddings_FD[buckets[place], d]
        highest = -np.inf
        for k in range(classes):
            error_K[k] = 0
            for d in range(width):
                error_K[k] += hidden_D[d] * output_DK[d, k]
            highest = max(highest, error_K[k])
        total = 0.0
        for k in range(classes):
            error_K[k] = np.exp(error_K[k] - highest)
            total += error_K[k]
        for k in range(classes):
            error_K[k] = error_K[k] / total - (1.0 if k == labels_N[row] else 0.0)
        for d in range(width):
            back_D[d] = 0
            for k in range(classes):
                back_D[d] += output_DK[d, k] * error_K[k]
                output_DK[d, k] -= rate * hidden_D[d] * error_K[k]
        for place in range(starts[row], starts[row + 1]):
            for d in range(width):
                embeddings_FD[buckets[place], d] -= rate * values[place] * back_D[d]
