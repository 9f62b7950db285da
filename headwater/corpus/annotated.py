"""How is the annotate artifact read? In: its folder (and others whose parts add columns, row by row). Out: batches, columns, texts.

A document's *place* is its row number over all parts, in the order of their names. A row group is what was one batch, so a
few thousand characters to a few million; nothing here holds more than a handful of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

GROUPS_AT_HAND = 8


class Annotated:
    """All documents that were read, with their attributes; the parts of `folders` hold the same rows in the same row groups."""

    def __init__(self, *folders: Path) -> None:
        self.folders = [Path(folder) for folder in folders]
        self.parts = sorted(self.folders[0].glob("part-*.parquet"))
        rows = [pq.read_metadata(part).num_rows for part in self.parts]
        self.starts = np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)
        self.count = int(self.starts[-1])
        self._texts = lru_cache(maxsize=GROUPS_AT_HAND)(self._text_group)
        self._groups = lru_cache(maxsize=GROUPS_AT_HAND)(self._starts_of_groups)

    @property
    def names(self) -> list[str]:
        """All columns, those of the first folder first."""
        return [name for folder in self._files(0) for name in folder.schema_arrow.names] if self.parts else []

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[tuple[int, pa.RecordBatch]]:
        """`(place of the first row, batch)` in order; columns that no folder has are an error, of a name that two have the first counts."""
        for part in range(len(self.parts)):
            yield from self.batches_of(part, columns)

    def batches_of(self, part: int, columns: Sequence[str] | None = None) -> Iterator[tuple[int, pa.RecordBatch]]:
        """The batches of one part."""
        files = self._files(part)
        owners: dict[str, pq.ParquetFile] = {}
        for file in files:
            for name in file.schema_arrow.names:
                owners.setdefault(name, file)
        wanted = list(owners) if columns is None else list(columns)
        missing = [name for name in wanted if name not in owners]
        assert not missing, f"no column {missing} in {self.parts[part]}"
        place = int(self.starts[part])
        for group in range(files[0].num_row_groups):
            read = [file.read_row_group(group, [name for name in wanted if owners[name] is file]) for file in files]
            found = {name: table.column(name) for table in read for name in table.column_names}
            table = pa.table({name: found[name] for name in wanted}).combine_chunks()
            rows = files[0].metadata.row_group(group).num_rows
            yield place, table.to_batches()[0] if table.num_rows else pa.RecordBatch.from_pydict({}, pa.schema([]))
            place += rows
        for file in files:
            file.close()

    def column(self, name: str) -> pa.ChunkedArray:
        """One column of all documents."""
        chunks = [batch.column(0) for _, batch in self.batches([name])]
        return pa.chunked_array(chunks) if chunks else pa.chunked_array([], pa.null())

    def text(self, place: int) -> str:
        part, group, row = self._find(place)
        text: str = self._texts(part, group)[row].as_py()
        return text

    def texts(self, places: Sequence[int] | np.ndarray) -> list[str]:
        """The texts of ascending places; each row group is read once."""
        return [self.text(int(place)) for place in places]

    def _find(self, place: int) -> tuple[int, int, int]:
        """Part, row group and row of a place."""
        part = int(np.searchsorted(self.starts, place, side="right")) - 1
        inside = place - int(self.starts[part])
        starts = self._groups(part)
        group = int(np.searchsorted(starts, inside, side="right")) - 1
        return part, group, inside - int(starts[group])

    def _starts_of_groups(self, part: int) -> np.ndarray:
        metadata = pq.read_metadata(self.parts[part])
        return np.concatenate([[0], np.cumsum([metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)])])

    def _text_group(self, part: int, group: int) -> pa.ChunkedArray:
        with pq.ParquetFile(self.parts[part]) as file:
            return file.read_row_group(group, columns=["text"]).column("text").combine_chunks()

    def _files(self, part: int) -> list[pq.ParquetFile]:
        name = self.parts[part].name
        return [pq.ParquetFile(folder / name) for folder in self.folders]
