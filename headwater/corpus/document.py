"""What is a document, between the rooms and between the steps?

Between the rooms: a row of Parquet by the schema DOCUMENT. Between the steps of this room: a RecordBatch by WORKING, to
which each step adds attribute columns named `scores.<attribute>` (float64), or marks spans of the text; nothing is deleted.
`finished` folds the attributes into the map `scores`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

DOCUMENT = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("language", pa.string()),
        pa.field("license", pa.string()),
        pa.field("created", pa.string()),
        pa.field("meta", pa.string(), nullable=False),
        pa.field("scores", pa.map_(pa.string(), pa.float64()), nullable=False),
    ]
)
WORKING = pa.schema([*[DOCUMENT.field(name) for name in DOCUMENT.names if name != "scores"], pa.field("form", pa.string(), nullable=False)])
SCORE = "scores."
SPANS = "spans"
SPAN = pa.struct(
    [
        pa.field("start", pa.int32(), nullable=False),
        pa.field("end", pa.int32(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
    ]
)
Span = tuple[int, int, str]
"""First character, the one after the last, and what it is (`email`, `repeated` …)."""
Step = Callable[[pa.RecordBatch], pa.RecordBatch]
"""Adds attributes or marks spans; keeps every row, in order."""
BATCH_DOCUMENTS = 512
BATCH_CHARACTERS = 4_000_000


@dataclass(slots=True)
class Document:
    """A document as it is read; `form` says what its text is written in: `text` or `html`; `utf8` is the text in bytes, where the reader
    has them: a page need not be encoded again."""

    id: str
    text: str
    source: str
    url: str | None = None
    language: str | None = None
    license: str | None = None
    created: str | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    form: str = "text"
    utf8: bytes | None = None


def batches(documents: Iterable[Document]) -> Iterator[pa.RecordBatch]:
    """RecordBatches by WORKING, small enough that a few of them fit anywhere."""
    waiting: list[Document] = []
    characters = 0
    for document in documents:
        waiting.append(document)
        characters += len(document.text)
        if len(waiting) == BATCH_DOCUMENTS or characters >= BATCH_CHARACTERS:
            yield batch_of(waiting)
            waiting, characters = [], 0
    if waiting:
        yield batch_of(waiting)


def joined(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in fewer batches, within the same limits (now in bytes): extraction leaves a twentieth of a page."""
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        more = int(bytes_of(batch).sum())
        if waiting and (rows + batch.num_rows > BATCH_DOCUMENTS or size + more > BATCH_CHARACTERS):
            yield _together(waiting)
            waiting, rows, size = [], 0, 0
        waiting.append(batch)
        rows, size = rows + batch.num_rows, size + more
    if waiting:
        yield _together(waiting)


def _together(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.Table.from_batches(batches).combine_chunks().to_batches()[0]


def batch_of(documents: Sequence[Document]) -> pa.RecordBatch:
    plain = (name for name in WORKING.names if name not in ("text", "meta"))
    columns: dict[str, Any] = {name: [getattr(document, name) for document in documents] for name in plain}
    columns["text"] = _strings([document.text.encode() if document.utf8 is None else document.utf8 for document in documents])
    columns["meta"] = [json.dumps(document.meta, ensure_ascii=False, sort_keys=True) for document in documents]
    return pa.RecordBatch.from_pydict(columns, schema=WORKING)


def _strings(texts: list[bytes]) -> pa.Array:
    """Sound UTF-8 as a column, copied once and not looked through again."""
    offsets = np.cumsum([0, *map(len, texts)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(b"".join(texts)))


def texts_of(batch: pa.RecordBatch) -> list[str]:
    texts: list[str] = batch.column("text").to_pylist()
    return texts


def with_texts(batch: pa.RecordBatch, texts: list[str]) -> pa.RecordBatch:
    return _with(batch, "text", pa.array(texts, pa.string()))


def with_column(batch: pa.RecordBatch, name: str, values: Sequence[str | None]) -> pa.RecordBatch:
    return _with(batch, name, pa.array(values, pa.string()))


def with_score(batch: pa.RecordBatch, name: str, values: Sequence[float] | np.ndarray) -> pa.RecordBatch:
    """The batch with one attribute more."""
    return batch.append_column(pa.field(SCORE + name, pa.float64(), nullable=False), pa.array(np.asarray(values, np.float64)))


def scores_of(batch: pa.RecordBatch, name: str) -> np.ndarray:
    """An attribute of every document, float64."""
    return np.asarray(batch.column(SCORE + name))


def buffers_of(batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
    """`(data uint8 [bytes], offsets int64 [N + 1])`: the UTF-8 of the texts as it lies in Arrow's memory, for kernels.

    Text n is `data[offsets[n]:offsets[n + 1]]`. Nothing is copied but the offsets.
    """
    column = batch.column("text")
    _, offsets, data = column.buffers()
    if offsets is None or not len(column):
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    starts = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1].astype(np.int64)
    return np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8), starts


def bytes_of(batch: pa.RecordBatch) -> np.ndarray:
    """int64 [N]: UTF-8 bytes of each text."""
    return np.diff(buffers_of(batch)[1])


def spans_of(batch: pa.RecordBatch, column: str = SPANS) -> list[list[Span]]:
    """The marked spans of every text, in order."""
    if column not in batch.schema.names:
        return [[] for _ in range(batch.num_rows)]
    return [[(span["start"], span["end"], span["kind"]) for span in spans] for spans in batch.column(column).to_pylist()]


def with_spans(batch: pa.RecordBatch, spans: Sequence[Sequence[Span]]) -> pa.RecordBatch:
    """The batch with more spans, beside those that it has."""
    together = [sorted({*old, *new}) for old, new in zip(spans_of(batch), spans, strict=True)]
    rows = [[{"start": start, "end": end, "kind": kind} for start, end, kind in row] for row in together]
    column = pa.array(rows, pa.list_(SPAN))
    if SPANS in batch.schema.names:
        return _with(batch, SPANS, column)
    return batch.append_column(pa.field(SPANS, column.type), column)


def finished(batch: pa.RecordBatch) -> pa.RecordBatch:
    """By DOCUMENT: attributes become the map `scores`, with keys in alphabetical order."""
    names = sorted(name for name in batch.schema.names if name.startswith(SCORE))
    keys = pa.array([name.removeprefix(SCORE) for name in names] * batch.num_rows, pa.string())
    stacked = [np.asarray(batch.column(name)) for name in names]
    values = np.stack(stacked, axis=1).ravel() if names else np.empty(0)
    offsets = pa.array(np.arange(batch.num_rows + 1, dtype=np.int32) * np.int32(len(names)))
    scores = pa.MapArray.from_arrays(offsets, keys, pa.array(values, pa.float64()))
    columns = [batch.column(name) for name in DOCUMENT.names if name != "scores"]
    return pa.RecordBatch.from_arrays([*columns, scores], schema=DOCUMENT)


def _with(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    index = batch.schema.get_field_index(name)
    return batch.set_column(index, batch.schema.field(index), values)
