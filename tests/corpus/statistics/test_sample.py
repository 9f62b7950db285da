"""The sample is the corpus where it fits, a fair part of it where not, and never a matter of the files' order."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headwater.core.progress import Reporter
from headwater.corpus.statistics import sample as module
from headwater.corpus.statistics.sample import take

ROWS = [
    {"id": f"d{n}", "text": f"第{n}篇 text number {n}. " * (1 + n % 5), "source": f"s{n % 3}", "language": None if n % 7 else "zh"}
    for n in range(400)
]


def total(rows: list[dict[str, Any]]) -> int:
    return sum(len(row["text"].encode()) for row in rows)


def texts(paths: list[Path], budget: int) -> list[tuple[str, str, str | None]]:
    sample = take(paths, total(ROWS), Reporter(), budget)
    return [(sample.text(place), sample.sources[place].as_py(), sample.languages[place].as_py()) for place in sample.order.tolist()]


def test_all_of_a_small_corpus_in_an_order_of_its_own(write: Callable[..., Path]) -> None:
    a, b = write(ROWS[:150], "train-00000.parquet"), write(ROWS[150:], "train-00001.parquet")
    found = texts([a, b], 10**9)
    assert found == texts([b, a], 10**9)
    assert sorted(found, key=str) == sorted(((row["text"], row["source"], row["language"]) for row in ROWS), key=str)
    assert found != [(row["text"], row["source"], row["language"]) for row in ROWS]


def test_a_part_of_a_large_one_is_within_the_budget_and_its_own_part(write: Callable[..., Path]) -> None:
    path = write(ROWS)
    half, quarter = texts([path], total(ROWS) // 2), texts([path], total(ROWS) // 4)
    assert quarter == half[: len(quarter)]
    assert len(half) == pytest.approx(200, abs=40)


def test_a_long_text_is_cut_between_characters(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST", 100)
    sample = take([write([{"text": "a" + "界" * 60}])], 181, Reporter())
    assert sample.text(0) == "a" + "界" * 33
    assert np.array_equal(sample.starts, [0, 100])


def test_nothing_to_sample(write: Callable[..., Path]) -> None:
    assert len(take([write([])], 0, Reporter()).order) == 0
