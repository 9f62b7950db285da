"""Means and quantiles are numpy's; what is not finite is counted, never averaged."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from headwater.core.progress import Reporter
from headwater.corpus.statistics.measures import measured
from headwater.corpus.statistics.sample import take


def test_a_measure_of_every_text(write: Callable[..., Path]) -> None:
    rows = [{"text": "x" * (n + 1), "source": "ab"[n % 2], "language": "en" if n < 60 else "zh"} for n in range(100)]
    sample = take([write(rows)], 1, Reporter())
    facts = measured(sample, {"length": len, "odd": lambda text: math.inf if len(text) % 2 else 1.0}, Reporter())
    assert list(facts) == ["length", "odd"]
    length = facts["length"]
    assert (length["documents"], length["mean"]) == (100, 50.5)
    assert length["quantiles"] == {"0.05": 5, "0.25": 25, "0.5": 50, "0.75": 75, "0.95": 95}
    assert sum(length["histogram"]["documents"]) == 100 and len(length["histogram"]["edges"]) == 31
    assert length["by_source"] == {"a": {"documents": 50, "mean": 50.0}, "b": {"documents": 50, "mean": 51.0}}
    assert length["by_language"]["zh"]["mean"] == pytest.approx(np.arange(61, 101).mean())
    assert (facts["odd"]["documents"], facts["odd"]["not_finite"], facts["odd"]["mean"]) == (50, 50, 1.0)
    assert set(facts["odd"]["by_source"]) == {"b"}


def test_a_measure_that_is_never_finite(write: Callable[..., Path]) -> None:
    facts = measured(take([write([{"text": "x"}])], 1, Reporter()), {"m": lambda text: math.nan}, Reporter())
    assert facts["m"]["mean"] is None and facts["m"]["not_finite"] == 1
