"""Token shards: one flat file of ids a split, and the index that says which document stands where.

    tokens.json                  number format, vocabulary size, tokenizer hash, sums by split
    train.bin                    uint16 or uint32 ids, documents one after the other, each closed by the end token
    train.checks                 xxh3-64 of each 64 KiB of train.bin, as uint64
    train.documents.parquet      id, source, language, start, length (tokens, end token included), bytes (UTF-8)

`documents_between(start, stop)` answers "which documents made these tokens?".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headwater.core.errors import HeadwaterError
from headwater.core.storage import read_json
from headwater.tokens.proven import Checks, Proven, checks_of
from headwater.tokens.tokenizer import Tokenizer

INDEX = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("language", pa.string()),
        ("start", pa.int64()),
        ("length", pa.int64()),
        ("bytes", pa.int64()),
    ]
)
BATCH = 512


def dtype_for(vocab_size: int) -> np.dtype[Any]:
    return np.dtype("<u2") if vocab_size <= 1 << 16 else np.dtype("<u4")


def write_split(folder: Path, split: str, tokenizer: Tokenizer, batches: Iterable[pa.RecordBatch]) -> dict[str, int]:
    """Encode documents (columns id, source, language, text) in their order; returns sums of tokens, documents, bytes."""
    dtype, end = dtype_for(tokenizer.vocab_size), tokenizer.special("end")
    rows: dict[str, list[Any]] = {name: [] for name in INDEX.names}
    position = 0
    checks = Checks()
    with open(folder / f"{split}.bin", "wb") as file:
        for batch in batches:
            texts = batch.column("text").to_pylist()
            for start in range(0, len(texts), BATCH):
                for ids in tokenizer.encode_batch(texts[start : start + BATCH]):
                    data = np.asarray([*ids, end], dtype).tobytes()
                    file.write(data)
                    checks.add(data)
                    rows["start"].append(position)
                    rows["length"].append(len(ids) + 1)
                    position += len(ids) + 1
            rows["bytes"] += [len(text.encode()) for text in texts]
            for name in ("id", "source", "language"):
                rows[name] += batch.column(name).to_pylist()
    checks.whole().tofile(folder / f"{split}.checks")
    pq.write_table(pa.table(rows, schema=INDEX), folder / f"{split}.documents.parquet", compression="zstd")
    return {"tokens": position, "documents": len(rows["id"]), "bytes": sum(rows["bytes"])}


@dataclass(frozen=True)
class Shards:
    """One split, memory-mapped; what is read of `tokens` is proven to be what was written (proven.py)."""

    tokens: Any
    documents: pa.Table
    starts: np.ndarray[Any, Any]
    vocab_size: int

    @classmethod
    def open(cls, folder: Path, split: str) -> Shards:
        facts = read_json(folder / "tokens.json")
        path = folder / f"{split}.bin"
        expected = facts["splits"][split]["tokens"] * np.dtype(facts["dtype"]).itemsize
        if not path.is_file() or path.stat().st_size != expected:
            raise HeadwaterError("is missing or cut short", where=path, mend="delete its folder and run again")
        documents = pq.read_table(folder / f"{split}.documents.parquet")
        dtype, checks = np.dtype(facts["dtype"]), path.with_suffix(".checks")
        # Shards that were written before there were checksums are proven to stay as they are found.
        tokens = Proven(path, dtype, np.fromfile(checks, "<u8") if checks.is_file() else checks_of(path))
        return cls(tokens, documents, documents.column("start").to_numpy(), facts["vocab_size"])

    def __len__(self) -> int:
        """Tokens."""
        return len(self.tokens)

    def about(self, ids: list[str]) -> dict[str, tuple[str, int, int]]:
        """Source, first token and number of tokens of documents."""
        rows = np.flatnonzero(np.isin(self.documents.column("id").to_numpy(zero_copy_only=False), ids))
        return {row["id"]: (row["source"], row["start"], row["length"]) for row in self.documents.take(rows).to_pylist()}

    def documents_between(self, start: int, stop: int) -> list[str]:
        """Ids of the documents that have a token in [start, stop)."""
        first = int(np.searchsorted(self.starts, start, side="right")) - 1
        last = int(np.searchsorted(self.starts, stop, side="left"))
        return [str(id) for id in self.documents.column("id").slice(first, last - first).to_pylist()]
