"""Which licence has a file, and did people write it? In: a batch. Out: the batch with `license` and the attributes of origin.

`generated`, `vendored`, `licence_file` are 1 or 0. The column `license` is set where a file names its own; what a licence
file says of the folders below it takes a view of the whole source: cover.py, at relate time.
"""

from __future__ import annotations

import pyarrow as pa

from headwater.corpus.document import Step, texts_of, with_column, with_score
from headwater.corpus.licences.config import Licences
from headwater.corpus.licences.headers import licence_in
from headwater.corpus.licences.origin import is_code, is_generated, is_licence_file, is_vendored, path_of
from headwater.corpus.licences.texts import licence_of
from headwater.corpus.quality.config import Bounds
from headwater.corpus.quality.rules import Rule


def detector(config: Licences) -> Step:
    """A step that reads licences and origin off paths and texts."""

    def detect(batch: pa.RecordBatch) -> pa.RecordBatch:
        paths = paths_of(batch)
        texts = texts_of(batch)
        files = [is_licence_file(path) for path in paths]
        licences = [
            found if (found := _found(path, text, own_file, source, config)) is not None else given
            for path, text, own_file, source, given in zip(
                paths, texts, files, batch.column("source").to_pylist(), batch.column("license").to_pylist(), strict=True
            )
        ]
        batch = with_column(batch, "license", licences)
        batch = with_score(batch, "licence_file", [float(file) for file in files])
        batch = with_score(batch, "generated", [float(is_generated(path, text)) for path, text in zip(paths, texts, strict=True)])
        return with_score(batch, "vendored", [float(is_vendored(path)) for path in paths])

    return detect


def paths_of(batch: pa.RecordBatch) -> list[str]:
    """The file of each document, below its source."""
    return [path_of(id, source) for id, source in zip(batch.column("id").to_pylist(), batch.column("source").to_pylist(), strict=True)]


def rules_of(config: Licences | None) -> list[Rule]:
    """`licence_denied` comes from cover.py, the others from this step."""
    if config is None:
        return []
    off = Bounds(max=0)
    rules = [Rule("licences", "licence", "licence_denied", off, off)]
    rules += [Rule("licences", "generated", "generated", off, off)] if config.generated == "drop" else []
    return rules + ([Rule("licences", "vendored", "vendored", off, off)] if config.vendored == "drop" else [])


def counts(path: str, source: str, config: Licences) -> bool:
    """Is this a file whose licence matters?"""
    return source in config.sources if config.sources is not None else is_code(path)


def _found(path: str, text: str, is_file: bool, source: str, config: Licences) -> str | None:
    if is_file:
        return licence_of(text, config.similarity) or licence_in(text)
    return licence_in(text) if counts(path, source, config) else None
