"""How many tokens does each source give? In: the token shards' index (train.documents.parquet). Out: sums by source and language.

With the plan's mixture.json beside it the realised mixture is known in tokens as well; a document that a mixture wrote three times has
three rows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def by_source(index: Path) -> dict[str, dict[str, Any]]:
    """`{source: documents, tokens, bytes, share of all tokens, bytes_per_token}`, in the order of the names."""
    return _grouped(index, "source")


def by_language(index: Path) -> dict[str, dict[str, Any]]:
    return _grouped(index, "language")


def _grouped(index: Path, column: str) -> dict[str, dict[str, Any]]:
    table = pq.read_table(index, columns=[column, "length", "bytes"])
    sums = table.group_by(column).aggregate([("length", "count"), ("length", "sum"), ("bytes", "sum")])
    total = pa.compute.sum(table.column("length")).as_py() or 0
    rows = {}
    for row in sorted(sums.to_pylist(), key=lambda row: row[column] or ""):
        tokens = row["length_sum"]
        rows[row[column] or "und"] = {
            "documents": row["length_count"],
            "tokens": tokens,
            "bytes": row["bytes_sum"],
            "share": tokens / total,
            "bytes_per_token": row["bytes_sum"] / tokens,
        }
    return rows
