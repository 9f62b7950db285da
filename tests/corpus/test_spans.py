"""headwater/corpus/spans.py: spans by place, read as places go up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headwater.corpus.spans import Marked


def written(path: Path, places: list[int]) -> Path:
    """A file of spans, the n-th of which begins at n and is ten characters long; two rows a row group."""
    count = len(places)
    columns = {
        "place": pa.array(places, pa.int64()),
        "start": pa.array(range(count), pa.int32()),
        "end": pa.array(range(10, 10 + count), pa.int32()),
    }
    pq.write_table(pa.table({**columns, "kind": ["repeated_line"] * count}), path, row_group_size=2)
    return path


def test_each_span_comes_with_its_place(tmp_path: Path) -> None:
    places = [1, 1, 4, 7, 7, 7, 20]
    marked = Marked(written(tmp_path / "spans.parquet", places))
    found = [spans for start in range(0, 30, 5) for spans in marked.of(np.arange(start, start + 5))]
    assert [len(spans) for spans in found] == [places.count(place) for place in range(30)]
    assert found[7] == [(3, 13, "repeated_line"), (4, 14, "repeated_line"), (5, 15, "repeated_line")]


def test_places_that_are_not_asked_for_are_passed_over(tmp_path: Path) -> None:
    marked = Marked(written(tmp_path / "spans.parquet", [2, 3, 9]))
    assert marked.of(np.array([], np.int64)) == []
    assert [len(spans) for spans in marked.of(np.array([3, 5]))] == [1, 0]
    assert [len(spans) for spans in marked.of(np.array([9]))] == [1]
