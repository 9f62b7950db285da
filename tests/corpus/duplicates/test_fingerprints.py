"""headwater/corpus/duplicates/fingerprints.py: columns of the batch, whatever slice of Arrow's memory it stands in."""

from __future__ import annotations

import pyarrow as pa
import xxhash

from headwater.corpus.document import WORKING, Document, batch_of
from headwater.corpus.duplicates.config import Duplicates
from headwater.corpus.duplicates.fingerprints import band, fingerprinter, incompressible

TEXTS = ["one text", "", "另一篇文章", "。。", "one text", "b" * 20_000]


def test_columns_and_their_types() -> None:
    config = Duplicates()
    batch = fingerprinter(config)(batch_of([Document(str(n), text, "s") for n, text in enumerate(TEXTS)]))
    added = [name for name in batch.schema.names if name not in WORKING.names]
    assert added == incompressible(config) == ["digest", *(f"band.{index:02d}" for index in range(24))]
    assert batch.schema.field("digest").type == pa.binary(16)
    assert batch.column("digest").to_pylist() == [xxhash.xxh3_128_digest(text.encode()) for text in TEXTS]
    for index in range(24):
        keys = batch.column(band(index)).to_pylist()
        assert [key is None for key in keys] == [False, True, False, True, False, False]
        assert keys[0] == keys[4] != keys[2]


def test_slices_and_empty_batches() -> None:
    step = fingerprinter(Duplicates())
    whole = batch_of([Document(str(n), text, "s") for n, text in enumerate(TEXTS)])
    expected = step(whole)
    assert step(whole.slice(2, 3)).equals(expected.slice(2, 3))
    assert step(pa.RecordBatch.from_pylist([], schema=WORKING)).num_rows == 0
    assert step(whole.slice(2, 0)).schema == expected.schema


def test_without_near_duplicates_there_is_a_digest_alone() -> None:
    config = Duplicates(near=None)
    assert incompressible(config) == ["digest"]
    assert fingerprinter(config)(batch_of([Document("a", "x", "s")])).schema.names == [*WORKING.names, "digest"]
