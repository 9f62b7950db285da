"""What rows are in a Parquet file? In: a stream that can be read from any place, and which row groups. Out: rows, good and bad.

Memory holds a few thousand values of a row group at a time, and only the columns' pages that they are in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from headwater.core.errors import HeadwaterError
from headwater.corpus.read.config import Reading
from headwater.corpus.read.found import BadRow, Row
from headwater.corpus.read.open import AGAIN, reason
from headwater.corpus.read.rows import field_of, no_field, row_of

ROWS = 256
"""Rows that become Python objects at a time."""


def parquet_rows(file: BinaryIO, where: str, source: Reading, groups: range | None = None, before: int = 0) -> Iterator[Row | BadRow]:
    """The rows of some row groups (default: all); `before`: how many rows stand before them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = before
    try:
        table = pq.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20)
        if field_of(source) not in table.schema_arrow.names:
            raise no_field(field_of(source), table.schema_arrow.names, where)
        for batch in table.iter_batches(batch_size=ROWS, row_groups=None if groups is None else list(groups)):
            for value in batch.to_pylist():
                number += 1
                yield row_of(value, f"{where}, row {number}", source)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise _damaged(error, f"{where}, row {number + 1}" if number else where) from None


def row_groups(file: BinaryIO, where: str) -> list[tuple[int, int]]:
    """`(rows, bytes as packed)` of each row group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20).metadata
        found: list[tuple[int, int]] = []
        for index in range(metadata.num_row_groups):
            group = metadata.row_group(index)
            found.append((group.num_rows, sum(group.column(n).total_compressed_size for n in range(group.num_columns))))
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise _damaged(error, where) from None
    return found


def _damaged(error: Any, where: str) -> HeadwaterError:
    return HeadwaterError(f"is damaged or no Parquet ({reason(error)})", where=where, mend=AGAIN)
