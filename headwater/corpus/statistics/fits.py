"""How steep is a power law? In: two curves. Out: exponent, factor and how well the line fits, by least squares in logarithms.

Heaps: different words V after n words, V = factor · n^exponent. Zipf: frequency of the word of rank r, f = factor · r^exponent
(so its exponent is negative, about -1). Points are log-spaced first, so that each decade weighs the same.
"""

from __future__ import annotations

import numpy as np

POINTS_PER_DECADE = 20


def power_law(x: np.ndarray, y: np.ndarray) -> dict[str, float] | None:
    """Fit y = factor · x^exponent; None for fewer than three points."""
    if len(x) < 3:
        return None
    log_x, log_y = np.log(x.astype(np.float64)), np.log(y.astype(np.float64))
    centred = log_x - log_x.mean()
    exponent = float((centred * log_y).sum() / (centred**2).sum())
    offset = float(log_y.mean() - exponent * log_x.mean())
    spread = float(((log_y - log_y.mean()) ** 2).sum())
    left = float(((log_y - offset - exponent * log_x) ** 2).sum())
    return {"exponent": exponent, "factor": float(np.exp(offset)), "r2": 1.0 if spread == 0 else 1 - left / spread}


def spaced(last: int) -> np.ndarray:
    """int64: 1 … last, log-spaced without repeats, the last one included."""
    if last < 1:
        return np.empty(0, np.int64)
    steps = np.arange(int(np.ceil(np.log10(last) * POINTS_PER_DECADE)) + 1)
    return np.unique(np.minimum(np.round(10 ** (steps / POINTS_PER_DECADE)), last).astype(np.int64))
