"""What is a document, between the rooms and between the steps?

Between the rooms: a row of Parquet by the schema DOCUMENT. Between the steps of this room: a RecordBatch by WORKING, to
which each step adds attribute columns named `scores.<attribute>` (float64); `finished` folds them into the map `scores`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
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
BATCH_DOCUMENTS = 512
BATCH_CHARACTERS = 4_000_000


@dataclass(slots=True)
class Document:
    """A document as it is read; `form` says what its text is written in: `text` or `html`."""

    id: str
    text: str
    source: str
    url: str | None = None
    language: str | None = None
    license: str | None = None
    created: str | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    form: str = "text"


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


def batch_of(documents: Sequence[Document]) -> pa.RecordBatch:
    columns = {name: [getattr(document, name) for document in documents] for name in WORKING.names if name != "meta"}
    columns["meta"] = [json.dumps(document.meta, ensure_ascii=False, sort_keys=True) for document in documents]
    return pa.RecordBatch.from_pydict(columns, schema=WORKING)


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
