"""Does a probability mean what it says? In: logits and labels that the model was not trained on. Out: a calibration, and figures.

Calibration: logits times a scale plus a bias for each class (Platt 1999 for two classes, Guo et al. 2017 for more), fitted by
maximum likelihood under a normal prior around doing nothing, so that a few examples cannot carry it away. Legend: N rows, K classes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from headwater.corpus.classify.softmax import log_softmax, minimise

BINS = 10


@dataclass(frozen=True)
class Evidence:
    """Figures on documents that were neither trained nor calibrated on; every class counts alike, however many it has."""

    documents: int
    accuracy: float
    auc: float
    """Probability that one of a class scores higher than one of another (mean over the classes, each against the rest)."""
    ece: float
    """Expected calibration error: mean distance of expected and observed share over the table's rows."""
    table: list[dict[str, float]]
    """By tenths of the probability: `low`, `expected`, `observed`, `documents`. Two classes: of the second, more: of the likeliest."""

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def calibrate(logits_NK: np.ndarray, labels_N: np.ndarray) -> np.ndarray:
    """float64 [1 + K]: the logarithm of the scale, and the biases."""
    classes = logits_NK.shape[1]
    shares_N = balanced(labels_N, classes)
    wanted_NK = np.eye(classes)[labels_N]

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        scale = float(np.exp(parameters[0]))
        log_NK = log_softmax(logits_NK * scale + parameters[1:])
        error_NK = (np.exp(log_NK) - wanted_NK) * shares_N[:, None]
        prior = parameters / max(1, len(labels_N))
        value = -float((log_NK * wanted_NK).sum(axis=1) @ shares_N) + float(prior @ parameters) / 2
        return value, np.concatenate([[float((error_NK * logits_NK).sum()) * scale], error_NK.sum(axis=0)]) + prior

    return minimise(loss, np.zeros(1 + classes), 200, 1e-9)


def probabilities(logits_NK: np.ndarray, calibration: np.ndarray) -> np.ndarray:
    return np.asarray(np.exp(log_softmax(logits_NK * np.exp(calibration[0]) + calibration[1:])))


def balanced(labels_N: np.ndarray, classes: int) -> np.ndarray:
    """Weights that add up to one, and to the same for each class that is there."""
    counts_K = np.bincount(labels_N, minlength=classes)
    return np.asarray(1.0 / counts_K[labels_N] / max(1, np.count_nonzero(counts_K)))


def evidence(probabilities_NK: np.ndarray, labels_N: np.ndarray) -> Evidence:
    classes = probabilities_NK.shape[1]
    shares_N = balanced(labels_N, classes)
    right_N = probabilities_NK.argmax(axis=1) == labels_N
    areas = [auc(probabilities_NK[:, k], labels_N == k) for k in range(classes)]
    shown_N, happened_N = (probabilities_NK[:, 1], labels_N == 1) if classes == 2 else (probabilities_NK.max(axis=1), right_N)
    table = reliability(shown_N, happened_N, shares_N)
    ece = sum(abs(row["expected"] - row["observed"]) * row["share"] for row in table)
    return Evidence(len(labels_N), float(shares_N @ right_N), float(np.mean(areas)), float(ece), table)


def reliability(shown_N: np.ndarray, happened_N: np.ndarray, shares_N: np.ndarray) -> list[dict[str, float]]:
    """Expected beside observed, for each tenth of the probability that has documents."""
    bins_N = np.minimum((shown_N * BINS).astype(int), BINS - 1)
    table = []
    for index in range(BINS):
        inside = bins_N == index
        weight = float(shares_N[inside].sum())
        if weight > 0:
            expected, observed = (float(values[inside] @ shares_N[inside]) / weight for values in (shown_N, happened_N.astype(float)))
            table.append(
                {"low": index / BINS, "expected": expected, "observed": observed, "share": weight, "documents": float(inside.sum())}
            )
    return table


def auc(scores_N: np.ndarray, positive_N: np.ndarray) -> float:
    """Area under the ROC curve by ranks (Mann, Whitney 1947); ties count half. 0.5 where one side is empty."""
    positives = int(positive_N.sum())
    negatives = len(positive_N) - positives
    if not positives or not negatives:
        return 0.5
    _, places, counts = np.unique(scores_N, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return float((ranks[places][positive_N].sum() - positives * (positives + 1) / 2) / (positives * negatives))
