"""The costly pass: every document read, brought into normal form and measured; none deleted. In: config. Out: one Parquet
file of all documents with their attributes, and a census of what the later passes need to know of each.

A step is a pure function of a batch; batches stream, so that memory holds a few of them and, per document, the census
(about 100 bytes and 8 per MinHash band) whatever the size of the corpus.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headwater.core.progress import Reporter
from headwater.corpus.config import Corpus
from headwater.corpus.document import Document, batches, texts_of
from headwater.corpus.duplicates.groups import digest
from headwater.corpus.extract.page import extract
from headwater.corpus.language.identify import detector, identify
from headwater.corpus.normalise.normal import normalise
from headwater.corpus.quality.measure import measure
from headwater.corpus.read.documents import read
from headwater.corpus.read.source import files_of
from headwater.corpus.select import KEPT, Rule, Verdicts, judge
from headwater.corpus.write import open_parquet


@dataclass
class Census:
    """One entry per document, in the order of reading."""

    ids: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    """Bytes of the text in its normal form."""
    digests: list[bytes] = field(default_factory=list)
    verdicts: list[Verdicts] = field(default_factory=list)
    keys: list[np.ndarray] = field(default_factory=list)
    """MinHash bands [documents of a batch that every rule lets pass, bands]."""
    raw: Counter[str] = field(default_factory=Counter)
    """Bytes as read, by source."""
    bytes_after: Counter[str] = field(default_factory=Counter)
    """Bytes of all documents after each step that changes texts."""
    bad_rows: Counter[str] = field(default_factory=Counter)

    def verdict(self) -> Verdicts:
        """The verdicts of all batches as one."""
        rule, value, threshold = (np.concatenate([getattr(v, name) for v in self.verdicts]) for name in ("rule", "value", "threshold"))
        return Verdicts(rule, value, threshold)


def annotate(config: Corpus, rules: list[Rule], path: Path, report: Reporter) -> Census:
    """Write all documents with their attributes to `path`. Raises HeadwaterError for whatever is wrong with the sources."""
    census = Census()
    guess = detector(config.language, report)
    near = config.duplicates.near
    writer: pq.ParquetWriter | None = None
    try:
        with report.bar("reading and measuring", unit="documents") as bar:
            for batch in batches(documents_of(config, census, report)):
                batch = extract(batch, config.extract)
                census.bytes_after["extract"] += sum(sizes_of(batch))
                batch = normalise(batch, config.normalise)
                census.bytes_after["normalise"] += sum(sizes_of(batch))
                batch = measure(identify(batch, config.language, guess))
                verdicts = judge(batch, rules)
                _count(census, batch, verdicts)
                if near is not None:
                    from headwater.corpus.duplicates.minhash import band_keys

                    passing = [text for text, rule in zip(texts_of(batch), verdicts.rule, strict=True) if rule == KEPT]
                    census.keys.append(band_keys(passing, near.shingle, near.bands, near.rows))
                writer = writer or open_parquet(path, batch.schema)
                writer.write_batch(batch)
                bar.advance(batch.num_rows)
    finally:
        if writer is not None:
            writer.close()
    return census


def documents_of(config: Corpus, census: Census, report: Reporter) -> Iterator[Document]:
    """All documents of all sources, in the recipe's order."""
    for source in config.sources:
        for file in files_of(source, report):
            for document in read(file, source, census.bad_rows):
                size = len(document.text.encode())
                census.raw[source.label] += size
                census.bytes_after["read"] += size
                yield document


def sizes_of(batch: pa.RecordBatch) -> list[int]:
    """Bytes of each text."""
    return [len(text.encode()) for text in texts_of(batch)]


def _count(census: Census, batch: pa.RecordBatch, verdicts: Verdicts) -> None:
    census.ids += batch.column("id").to_pylist()
    census.sources += batch.column("source").to_pylist()
    census.languages += batch.column("language").to_pylist()
    census.sizes += sizes_of(batch)
    census.digests += [digest(text) for text in texts_of(batch)]
    census.verdicts.append(verdicts)


class Texts:
    """Texts of the annotated documents by place, with a few row groups at hand."""

    def __init__(self, path: Path) -> None:
        self.file = pq.ParquetFile(path)
        sizes = [self.file.metadata.row_group(index).num_rows for index in range(self.file.num_row_groups)]
        self.starts = np.concatenate([[0], np.cumsum(sizes)])
        self.group = lru_cache(maxsize=8)(self._group)

    def __call__(self, place: int) -> str:
        index = int(np.searchsorted(self.starts, place, side="right")) - 1
        text: str = self.group(index)[place - int(self.starts[index])].as_py()
        return text

    def _group(self, index: int) -> pa.ChunkedArray:
        return self.file.read_row_group(index, columns=["text"]).column("text")

    def close(self) -> None:
        self.file.close()
