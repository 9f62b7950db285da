"""headwater/corpus/annotated.py: places, batches and columns over parts and folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.corpus.annotated import Annotated

SIZES = [[3, 2], [], [1, 4, 2]]  # rows of each row group of each part


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    texts, more = tmp_path / "texts", tmp_path / "more"
    texts.mkdir()
    more.mkdir()
    place = 0
    for part, groups in enumerate(SIZES):
        name = f"part-{part:05d}.parquet"
        one = pq.ParquetWriter(texts / name, pa.schema([("id", pa.string()), ("text", pa.string()), ("n", pa.int64())]))
        two = pq.ParquetWriter(more / name, pa.schema([("twice", pa.int64()), ("n", pa.int64())]))
        for rows in groups:
            numbers = list(range(place, place + rows))
            one.write_batch(pa.record_batch({"id": [f"i{n}" for n in numbers], "text": [f"text {n}" for n in numbers], "n": numbers}))
            two.write_batch(pa.record_batch({"twice": [2 * n for n in numbers], "n": [-1] * rows}))
            place += rows
        one.close()
        two.close()
    return [texts, more]


def test_places_go_on_over_parts(folders: list[Path]) -> None:
    annotated = Annotated(folders[0])
    assert annotated.count == 12
    assert annotated.starts.tolist() == [0, 5, 5, 12]
    found = [(place, batch.column("n").to_pylist()) for place, batch in annotated.batches(["n"])]
    assert found == [(0, [0, 1, 2]), (3, [3, 4]), (5, [5]), (6, [6, 7, 8, 9]), (10, [10, 11])]
    assert annotated.column("id").to_pylist() == [f"i{n}" for n in range(12)]


def test_texts_by_place(folders: list[Path]) -> None:
    annotated = Annotated(folders[0])
    assert [annotated.text(place) for place in (11, 0, 5)] == ["text 11", "text 0", "text 5"]
    assert annotated.texts(np.array([1, 4, 5, 9])) == ["text 1", "text 4", "text 5", "text 9"]


def test_folders_stand_beside_each_other_and_the_first_counts(folders: list[Path]) -> None:
    annotated = Annotated(*folders)
    rows = [row for _, batch in annotated.batches(["twice", "n", "id"]) for row in batch.to_pylist()]
    assert rows == [{"twice": 2 * n, "n": n, "id": f"i{n}"} for n in range(12)]
    assert annotated.names[:3] == ["id", "text", "n"]
    with pytest.raises(AssertionError, match="no column"):
        list(annotated.batches(["nowhere"]))
