"""By what are duplicates of a document found later? In: a batch. Out: the batch with the columns `digest` and `band.00`, `band.01` …

`digest` (binary[16]) is the xxh3-128 of the text; a band (uint64) is the key that a near duplicate shares with probability
similarity**rows, null for a text without a unit. About 210 bytes a document at the defaults; both are noise to a compressor and to a
dictionary, so that who writes them does best to switch those off for these columns (`incompressible`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import xxhash

from headwater.corpus.document import Step, buffers_of
from headwater.corpus.duplicates.config import Duplicates

DIGEST = "digest"
DIGEST_TYPE = pa.binary(16)


def band(index: int) -> str:
    return f"band.{index:02d}"


def incompressible(config: Duplicates) -> list[str]:
    """The names of the columns that `fingerprinter` adds."""
    return [DIGEST, *(band(index) for index in range(config.near.bands if config.near else 0))]


def fingerprinter(config: Duplicates) -> Step:
    """The step that adds the columns; compiles (or loads) its kernel at once and not at the first batch."""
    near = config.near
    if near is not None:
        from headwater.corpus.duplicates.sketch import band_keys

        band_keys(np.zeros(1, np.uint8), np.array([0, 1], np.int64), near.unit, near.shingle, near.bands, near.rows)

    def step(batch: pa.RecordBatch) -> pa.RecordBatch:
        data, offsets = buffers_of(batch)
        fields = [*batch.schema, pa.field(DIGEST, DIGEST_TYPE)]
        columns = [*batch.columns, digests(data, offsets)]
        if near is not None:
            keys = band_keys(data, offsets, near.unit, near.shingle, near.bands, near.rows)
            empty = keys[0] == 0
            mask = empty if empty.any() else None
            fields += [pa.field(band(index), pa.uint64()) for index in range(near.bands)]
            columns += [pa.array(key, pa.uint64(), mask=mask) for key in keys]
        return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields, batch.schema.metadata))

    return step


def digests(data: np.ndarray, offsets: np.ndarray) -> pa.Array:
    """xxh3-128 of every document, from Arrow's memory."""
    view = memoryview(data)  # type: ignore[arg-type]
    bounds: Sequence[int] = offsets.tolist()
    hashed = b"".join(xxhash.xxh3_128_digest(view[start:end]) for start, end in itertools.pairwise(bounds))
    return pa.FixedSizeBinaryArray.from_buffers(DIGEST_TYPE, len(bounds) - 1, [None, pa.py_buffer(hashed)])
