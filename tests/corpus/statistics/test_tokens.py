"""Tokens by source add up to the index."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.corpus.statistics.tokens import by_language, by_source


def test_sums(tmp_path: Path) -> None:
    path = tmp_path / "train.documents.parquet"
    table = pa.table({"id": ["1", "1", "2", "3"], "source": ["wiki", "wiki", "web", "web"], "language": ["zh", "zh", None, "en"],
                      "start": [0, 10, 20, 25], "length": [10, 10, 5, 15], "bytes": [30, 30, 20, 60]})  # fmt: skip
    pq.write_table(table, path)
    found = by_source(path)
    assert list(found) == ["web", "wiki"]
    assert found["wiki"] == {"documents": 2, "tokens": 20, "bytes": 60, "share": 0.5, "bytes_per_token": 3.0}
    assert sum(row["share"] for row in found.values()) == pytest.approx(1)
    assert {name: row["tokens"] for name, row in by_language(path).items()} == {"und": 5, "en": 15, "zh": 20}
