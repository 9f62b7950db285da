"""Which documents are looked at closely? In: Parquet files of documents. Out: a sample of their texts that memory holds.

A document is in the sample when the keyed hash of its id is below a border, so that the sample is the same in whatever order
the files are read, and a larger corpus has a sample that overlaps. Texts stand in the order of those hashes: sources mixed.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from headwater.core.progress import Reporter
from headwater.corpus.document import buffers_of
from headwater.corpus.mixture.draw import scramble

BUDGET = 128 << 20
"""Bytes of text, on average."""
LONGEST = 4 << 20
"""Bytes of one document that are looked at."""


@dataclass(frozen=True)
class Sample:
    """Texts one behind the other in `data`, with their borders [N + 1]; `order` [N] is by hash."""

    data: np.ndarray
    starts: np.ndarray
    order: np.ndarray
    sources: pa.ChunkedArray
    languages: pa.ChunkedArray

    def text(self, place: int) -> str:
        return self.piece(int(self.starts[place]), int(self.starts[place + 1]))

    def piece(self, begin: int, end: int) -> str:
        return self.data[begin:end].tobytes().decode("utf-8", "replace")


def take(documents: Sequence[Path], total_bytes: int, report: Reporter, budget: int = BUDGET) -> Sample:
    """About `budget` bytes of the corpus, or all of it."""
    border = 2**64 - 1 if total_bytes <= budget else int(budget / total_bytes * 2**64)
    pieces: list[np.ndarray] = []
    sizes: list[np.ndarray] = []
    hashes: list[np.ndarray] = []
    told: dict[str, list[pa.Array]] = {"source": [], "language": []}
    with report.bar("sampling for statistics", total=total_bytes, unit="bytes") as bar:
        for path in documents:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=1024, columns=["id", "text", *told]):
                    keyed = scramble(np.array([xxhash.xxh3_64_intdigest(id.encode()) for id in batch.column("id").to_pylist()], np.uint64))
                    inside = keyed <= np.uint64(border)
                    bar.advance(batch.column("text").nbytes)
                    if not inside.any():
                        continue
                    hashes.append(keyed[inside])
                    chosen = batch.filter(pa.array(inside))
                    for name, columns in told.items():
                        columns.append(chosen.column(name).dictionary_encode())
                    data, lengths = _texts(chosen)
                    pieces.append(data)
                    sizes.append(lengths)
    order = np.argsort(np.concatenate(hashes), kind="stable") if hashes else np.empty(0, np.int64)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate(sizes) if sizes else np.empty(0, np.int64))])
    data = np.concatenate(pieces) if pieces else np.empty(0, np.uint8)
    kind = pa.dictionary(pa.int32(), pa.string())
    sources, languages = (pa.chunked_array(columns, kind) for columns in told.values())
    return Sample(data, starts, order, sources, languages)


def _texts(batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
    """A batch's texts one behind the other, and their lengths."""
    data, starts = buffers_of(batch)
    lengths = np.diff(starts)
    if lengths.max(initial=0) <= LONGEST:
        return data[starts[0] : starts[-1]].copy(), lengths
    cut = [_cut(data[start:end]) for start, end in itertools.pairwise(starts.tolist())]
    return np.concatenate(cut), np.array([len(piece) for piece in cut], np.int64)


def _cut(data: np.ndarray) -> np.ndarray:
    """The first bytes of a text, up to a whole character."""
    if len(data) <= LONGEST:
        return data
    end = LONGEST
    while data[end] & 0xC0 == 0x80:
        end -= 1
    return data[:end]
