"""Which documents stay, by their score? In: ids and scores [N] of the documents that are chosen from. Out: a bound for each.

A document stays when its score is above its bound, so that every way of choosing can be told in the ledger as a value and a
threshold. Draws are keyed by the document's id: they do not depend on what else is in the corpus, except in `top` and
`proportional` with a share, which look at all the scores.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from headwater.core.random import key_bits
from headwater.corpus.classify.config import Choose, Pareto, Proportional, Top

BITS = 53


def choose(config: Choose, ids: Iterable[str], scores_N: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """`(stays bool [N], bound float64 [N])`."""
    if isinstance(config, Pareto):
        bound_N = pareto_bounds(draws(ids, len(scores_N), seed, "pareto"), config.alpha)
    elif isinstance(config, Proportional):
        scale = 1.0 if config.share is None else scale_for(scores_N, config.share)
        bound_N = draws(ids, len(scores_N), seed, "proportional") / scale
    elif isinstance(config, Top):
        return top(scores_N, draws(ids, len(scores_N), seed, "top"), config.share)
    else:
        bound_N = np.full(len(scores_N), config.min)
        return scores_N >= bound_N, bound_N
    return scores_N > bound_N, bound_N


def draws(ids: Iterable[str], count: int, seed: int, what: str) -> np.ndarray:
    """float64 [N], uniform in [0, 1): one draw for each id, the same wherever and whenever the document comes."""
    return np.fromiter(((key_bits(seed, "choose", what, id) >> (128 - BITS)) / 2**BITS for id in ids), np.float64, count)


def pareto_bounds(uniform_N: np.ndarray, alpha: float) -> np.ndarray:
    """GPT-3 keeps a document if np.random.pareto(alpha) > 1 - score. P(pareto > x) = (1 + x)^-alpha, so the draw is u^(-1/alpha) - 1."""
    with np.errstate(divide="ignore"):
        return np.asarray(2.0 - uniform_N ** (-1.0 / alpha))


def scale_for(scores_N: np.ndarray, share: float) -> float:
    """The factor by which scores become probabilities, none above one, that add up to so many documents."""
    wanted = share * len(scores_N)
    ordered = np.sort(scores_N)[::-1]
    left = np.cumsum(ordered[::-1])[::-1]  # left[i]: sum of all scores from the i-th best on
    for certain in range(len(ordered)):
        if left[certain] <= 0:
            break
        scale = (wanted - certain) / left[certain]
        if scale * ordered[certain] <= 1:
            return float(max(scale, np.finfo(float).tiny))
    return float("inf")


def top(scores_N: np.ndarray, draws_N: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """The best so many; of equal scores the lesser draw. The bound is the score of the last that stays."""
    count = int(np.ceil(share * len(scores_N) - 1e-9))
    order = np.lexsort((draws_N, -scores_N))
    stays_N = np.zeros(len(scores_N), bool)
    stays_N[order[:count]] = True
    return stays_N, np.full(len(scores_N), scores_N[stays_N].min() if count else np.inf)
