"""How good are predicted classes and values? In: truths and predictions. Out: the usual figures, in closed form.

Figures that are not defined (a correlation with a constant) are None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def of_classes(truths: Sequence[int], said: Sequence[int], labels: Sequence[str]) -> dict[str, Any]:
    """Accuracy; F1 as a mean over the classes that occur and over all decisions; Matthews correlation of several classes
    (Gorodkin 2004, equation 8); the confusion matrix, a row for each true class.
    """
    C = len(labels)
    confusion_CC = np.zeros((C, C), np.int64)
    np.add.at(confusion_CC, (np.asarray(truths), np.asarray(said)), 1)
    right_C, true_C, said_C = confusion_CC.diagonal(), confusion_CC.sum(axis=1), confusion_CC.sum(axis=0)
    f1_C = 2 * right_C / np.maximum(true_C + said_C, 1)
    occurs_C = (true_C + said_C) > 0
    n, right = int(confusion_CC.sum()), int(right_C.sum())
    spread = (n * n - float(said_C @ said_C)) * (n * n - float(true_C @ true_C))
    mcc = (right * n - float(true_C @ said_C)) / math.sqrt(spread) if spread else None
    return {
        "accuracy": right / n,
        "macro_f1": float(f1_C[occurs_C].mean()),
        "micro_f1": right / n,  # one label a text: every false positive of a class is a false negative of another
        "mcc": mcc,
        "confusion": confusion_CC.tolist(),
        "by_label": {
            label: {
                "precision": float(right_C[c] / said_C[c]) if said_C[c] else None,
                "recall": float(right_C[c] / true_C[c]) if true_C[c] else None,
                "f1": float(f1_C[c]) if occurs_C[c] else None,
                "count": int(true_C[c]),
            }
            for c, label in enumerate(labels)
        },
    }


def of_values(truths: Sequence[float], said: Sequence[float]) -> dict[str, Any]:
    """Mean squared error, Pearson's correlation, and Spearman's, which is Pearson's of the ranks."""
    t, s = np.asarray(truths, np.float64), np.asarray(said, np.float64)
    return {"mse": float(np.square(t - s).mean()), "pearson": pearson(t, s), "spearman": pearson(ranks(t), ranks(s))}


def pearson(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float | None:
    a, b = a - a.mean(), b - b.mean()
    spread = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / spread if spread else None


def ranks(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """From 1; equal values share the mean of their ranks."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    shared: np.ndarray[Any, Any] = (counts.cumsum() - (counts - 1) / 2)[which]
    return shared
