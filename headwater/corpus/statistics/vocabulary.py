"""How rich is the language? In: a sample of texts. Out: vocabulary growth (Heaps 1978) and rank-frequency (Zipf 1949), with fits.

Words and characters are counted apart (counting.py says which text is counted how).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from headwater.corpus.statistics.counting import count, tables
from headwater.corpus.statistics.fits import power_law, spaced
from headwater.corpus.statistics.sample import Sample

MOST_WORDS = 6_000_000
"""Different words, of 32 to 64 bytes each, at which counting ends."""
SHOWN = 50
"""Units that are named: the most frequent."""
HEAPS_FROM = 100
"""Growth is fitted from here on: the first words of any text are all new."""
ZIPF_LEAST = 5
"""Ranks are fitted as long as their frequency is at least this: below, ties make stairs."""
MARKS = spaced(10**10)


def vocabulary(sample: Sample, most: int = MOST_WORDS) -> dict[str, Any]:
    """`words` and `characters`, each with its sums, growth, frequencies and fits; None where a corpus has none of them."""
    kinds, lower = tables()
    counts, begins, ends, points, word_growth, point_growth, read = count(
        sample.data, sample.starts, sample.order, kinds, lower, MARKS, most
    )
    shown = np.lexsort((begins, -counts))[:SHOWN]
    words = [(sample.piece(int(begins[place]), int(ends[place])).lower(), int(counts[place])) for place in shown]
    found = np.flatnonzero(points)
    frequent = found[np.lexsort((found, -points[found]))][:SHOWN]
    characters = [(chr(point), int(points[point])) for point in frequent]
    return {
        "sample": {"documents": int(read), "bytes": int((sample.starts[1:] - sample.starts[:-1])[sample.order[:read]].sum())},
        "words": _of(counts, word_growth, words),
        "characters": _of(points[found], point_growth, characters),
    }


def _of(counts: np.ndarray, growth: np.ndarray, most_frequent: list[tuple[str, int]]) -> dict[str, Any] | None:
    total = int(counts.sum())
    if total == 0:
        return None
    reached = growth > 0
    x, y = np.append(MARKS[reached], total), np.append(growth[reached], len(counts))
    if len(x) > 1 and x[-2] == total:
        x, y = x[:-1], y[:-1]
    fitted = x >= HEAPS_FROM
    ordered = np.sort(counts)[::-1]
    ranks = spaced(len(ordered))
    heights = ordered[ranks - 1]
    often = heights >= ZIPF_LEAST
    return {
        "total": total,
        "different": len(counts),
        "once": int((counts == 1).sum()),
        "growth": {"units": x.tolist(), "different": y.tolist(), "heaps": power_law(x[fitted], y[fitted])},
        "frequencies": {"rank": ranks.tolist(), "count": heights.tolist(), "zipf": power_law(ranks[often], heights[often])},
        "most_frequent": [{"unit": unit, "count": count} for unit, count in most_frequent],
    }
