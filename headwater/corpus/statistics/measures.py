"""What does a lower room's measure say of the texts? In: a sample and plain callables text -> number. Out: their distribution.

Perplexity of an n-gram model, bits per byte of our own model, how much of a text a model recites: whoever knows such a
measure hands it in by its name; this room knows only numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from headwater.core.progress import Reporter
from headwater.corpus.statistics.sample import Sample

Measure = Callable[[str], float]
DOCUMENTS = 1000
"""Documents that are measured: the first of the sample."""
CHARACTERS = 4000
"""Of each, from its beginning."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = 30


def measured(sample: Sample, measures: Mapping[str, Measure], report: Reporter) -> dict[str, Any]:
    """Each measure's mean, quantiles and histogram, and its mean by source and by language; what is not finite is counted apart."""
    places = sample.order[:DOCUMENTS].tolist()
    groups = {
        "by_source": [sample.sources[place].as_py() for place in places],
        "by_language": [sample.languages[place].as_py() or "und" for place in places],
    }
    found = {}
    for name in sorted(measures):
        values = np.empty(len(places))
        with report.bar(f"measuring {name}", total=len(places), unit="documents") as bar:
            for row, place in enumerate(places):
                values[row] = measures[name](sample.text(place)[:CHARACTERS])
                bar.advance()
        found[name] = {**_distribution(values), **{by: _means(values, labels) for by, labels in groups.items()}}
    return found


def _distribution(values: np.ndarray) -> dict[str, Any]:
    known = np.sort(values[np.isfinite(values)])
    if len(known) == 0:
        return {"documents": 0, "not_finite": len(values), "mean": None, "quantiles": {}, "histogram": {"edges": [], "documents": []}}
    counts, edges = np.histogram(known, BINS)
    places = [math.ceil(share * len(known)) - 1 for share in QUANTILES]
    return {
        "documents": len(known),
        "not_finite": len(values) - len(known),
        "mean": float(known.mean()),
        "quantiles": {f"{share:g}": float(known[place]) for share, place in zip(QUANTILES, places, strict=True)},
        "histogram": {"edges": edges.tolist(), "documents": counts.tolist()},
    }


def _means(values: np.ndarray, labels: list[str]) -> dict[str, dict[str, float]]:
    found = {}
    for label in sorted(set(labels)):
        inside = values[[other == label for other in labels]]
        inside = inside[np.isfinite(inside)]
        if len(inside):
            found[label] = {"documents": len(inside), "mean": float(inside.mean())}
    return found
