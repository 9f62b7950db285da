"""Finished corpora made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.corpus.document import DOCUMENT

PLAIN: dict[str, Any] = {"url": None, "language": "en", "license": None, "created": None, "meta": "{}", "scores": []}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write rows (id, text, source and whatever differs) as a file of documents; returns its path."""

    def write(rows: list[dict[str, Any]], name: str = "train-00000.parquet") -> Path:
        folder = tmp_path / "documents"
        folder.mkdir(exist_ok=True)
        whole = [{"id": f"{name}#{place}", "source": "s", **PLAIN, **row} for place, row in enumerate(rows)]
        pq.write_table(pa.Table.from_pylist(whole, schema=DOCUMENT), folder / name)
        return folder / name

    return write
