"""DuckDB's figures against plain Python over the same rows."""

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headwater.corpus.statistics import tables
from headwater.corpus.statistics.database import opened

ROWS: list[dict[str, Any]] = [
    {"id": f"d{n}" if n < 95 else f"d{n - 95}~2", "source": f"s{n % 4}",
     "text": "字a" * (n * n % 700), "language": ("en", "zh", None)[n % 3],
     "created": ("2019-03-01T12:00:00Z", "1603", "2021年7月", "2019-11", "03.05.2020", "1999x", None, "2021/7/2")[n % 8],
     "url": ("http://www.a.co.uk/x", "https://b.a.co.uk:80/", "http://C.com", "pkg:pypi/x@1", None)[n % 5]}
    for n in range(100)
]  # fmt: skip


@pytest.fixture
def facts(write: Callable[..., Path], tmp_path: Path) -> Any:
    paths = [write(ROWS[:60], "train-00000.parquet"), write(ROWS[60:], "validation-00000.parquet")]
    with opened(tmp_path) as database:
        tables.gather(database, paths)
        yield database


def test_sums(facts: Any) -> None:
    length = sum(len(row["text"]) for row in ROWS)
    assert tables.sums(facts) == {"documents": 100, "bytes": 2 * length, "characters": length, "repeated": 5}
    assert {name: row["documents"] for name, row in tables.by(facts, "split").items()} == {"train": 60, "validation": 40}
    assert {name: row["documents"] for name, row in tables.by(facts, "language").items()} == {"en": 34, "zh": 33, "und": 33}
    assert list(tables.by(facts, "source")) == ["s0", "s1", "s2", "s3"]


def test_lengths(facts: Any) -> None:
    found = tables.lengths(facts, tables.by(facts, "language"))
    for name, rows in (("all", ROWS), ("zh", [row for row in ROWS if row["language"] == "zh"])):
        part = found["all"] if name == "all" else found["by_language"][name]
        values = sorted(len(row["text"]) for row in rows)
        assert part["mean"] == pytest.approx(sum(values) / len(values))
        assert part["longest"] == values[-1]
        assert part["quantiles"] == {f"{q:g}": values[math.ceil(q * len(values)) - 1] for q in (0.05, 0.25, 0.5, 0.75, 0.95)}
        bins = Counter(int(math.log10(max(1, value)) * 10 + 1e-9) for value in values)
        assert {place + part["first_bin"]: count for place, count in enumerate(part["histogram"]) if count} == bins


def test_a_thousand_stands_at_the_lower_border_of_its_bin(write: Callable[..., Path], tmp_path: Path) -> None:
    with opened(tmp_path) as database:
        tables.gather(database, [write([{"text": "x" * 1000}, {"text": "x" * 999}])])
        assert tables.lengths(database, {"en": {"documents": 2}})["all"]["histogram"] == [1, 1]


def test_times(facts: Any) -> None:
    found = tables.times(facts)
    years = Counter({"2019": 0, "1603": 0, "2021": 0})
    for row in ROWS:
        created = row["created"]
        if created and created[:4] in years:
            years[created[:4]] += 1
    assert {year: row["documents"] for year, row in found["by_year"].items()} == years
    assert found["dated"] == sum(years.values()) and found["dated"] + found["undated"] == 100
    assert list(found["by_month"]) == ["2019-03", "2019-11", "2021-07"]
    assert found["by_month"]["2021-07"]["documents"] == sum(row["created"] in ("2021年7月", "2021/7/2") for row in ROWS)


def test_domains(facts: Any) -> None:
    found = tables.domains(facts)
    assert [(row["domain"], row["documents"]) for row in found["largest"]] == [("a.co.uk", 40), ("c.com", 20)]
    assert (found["documents"], found["different"], found["share_of_top_10"]) == (60, 2, 1.0)
