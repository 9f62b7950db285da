"""How sure is a figure? Standard errors for means, proportions and ratios, all clustered by document.

A document is the unit that was drawn: its tokens and bytes hang together, so they are never counted as independent.
Values go in as one number a document, figures come out rounded, with None where one document cannot say how it varies.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

UNKNOWN_LANGUAGE = "unknown"
DIGITS = 5


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> tuple[float, float | None]:
    """Σy/Σx and its standard error by linearisation (Cochran 1977, "Sampling techniques", eq. 6.13, no finite correction)."""
    y, x = np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)
    count, total = len(y), float(x.sum())
    value = float(y.sum()) / total
    if count < 2:
        return value, None
    residuals = y - value * x
    return value, math.sqrt(count / (count - 1) * float(residuals @ residuals)) / total


def mean(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and its standard error."""
    return ratio(values, [1.0] * len(values))


def proportion(hits: Sequence[bool]) -> tuple[float, float]:
    """Share of hits and its binomial standard error √(p(1-p)/n)."""
    share = sum(hits) / len(hits)
    return share, math.sqrt(share * (1 - share) / len(hits))


def by_language(languages: Sequence[str | None], figure: Callable[[list[int]], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """`{"all": figure(all items), language: figure(its items), …}`, languages in alphabetical order."""
    items: dict[str, list[int]] = {}
    for item, language in enumerate(languages):
        items.setdefault(language or UNKNOWN_LANGUAGE, []).append(item)
    return {"all": figure(list(range(len(languages)))), **{language: figure(items[language]) for language in sorted(items)}}


def rounded(value: float | None) -> float | None:
    """Five digits after the point: far below any standard error here, far above the noise of adding floats in another order."""
    return None if value is None else round(value, DIGITS)
