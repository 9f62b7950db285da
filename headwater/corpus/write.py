"""How does Parquet come out the same, byte for byte, every time? Fixed row groups, one codec, no statistics of the run.

`Shards` starts a new file when one has 256 MB of text: documents/train-00000.parquet, train-00001.parquet …
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP = 1024
SHARD_BYTES = 256 << 20


def open_parquet(path: Path, schema: pa.Schema, plain: Sequence[str] = ()) -> pq.ParquetWriter:
    """`plain` names columns that nothing can make smaller (hashes)."""
    if not plain:
        return pq.ParquetWriter(path, schema, compression="zstd", compression_level=3, version="2.6", store_schema=True)
    codecs = {name: "NONE" if name in plain else "ZSTD" for name in schema.names}
    return pq.ParquetWriter(path, schema, compression=codecs, version="2.6", store_schema=True, use_dictionary=[
        name for name in schema.names if name not in plain])  # fmt: skip


class Table:
    """A Parquet file written in row groups of a fixed number of rows, however the rows arrive."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.schema = schema
        self.writer = open_parquet(path, schema)
        self.waiting: list[pa.RecordBatch] = []
        self.rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        self.waiting.append(batch)
        self.rows += batch.num_rows
        if self.rows >= ROW_GROUP:
            self._flush(self.rows - self.rows % ROW_GROUP)

    def _flush(self, rows: int) -> None:
        table = pa.Table.from_batches(self.waiting, self.schema)
        self.writer.write_table(table.slice(0, rows), row_group_size=ROW_GROUP)
        self.waiting = table.slice(rows).to_batches()
        self.rows -= rows

    def close(self) -> None:
        if self.rows:
            self._flush(self.rows)
        self.writer.close()


class Shards:
    """The documents of a split, in files of a bounded size."""

    def __init__(self, folder: Path, split: str, schema: pa.Schema) -> None:
        self.folder, self.split, self.schema = folder, split, schema
        self.number = 0
        self.size = 0
        self.table = self._open()

    def _open(self) -> Table:
        return Table(self.folder / f"{self.split}-{self.number:05d}.parquet", self.schema)

    def write(self, batch: pa.RecordBatch) -> None:
        if self.size >= SHARD_BYTES:
            self.table.close()
            self.number, self.size = self.number + 1, 0
            self.table = self._open()
        self.table.write(batch)
        self.size += batch.nbytes

    def close(self) -> None:
        self.table.close()
