"""Which licence covers a file that names none? In: all documents' ids, sources and licences. Out: licences, and who is denied.

A licence file covers its folder and all below, up to the next licence file. So: one pass over three columns collects the
licence files (few: a dictionary), a second one judges each document.

    folders = folders_of(annotated.batches(["id", "source", "license", "scores.licence_file"]))
    licences, denied = judged(batch, folders, config)      # denied becomes the attribute `licence_denied`
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa

from headwater.corpus.document import scores_of
from headwater.corpus.licences.config import Licences
from headwater.corpus.licences.detect import counts, paths_of
from headwater.corpus.licences.expression import is_allowed

Folders = dict[tuple[str, str], str]
"""`(source, folder) -> SPDX expression`."""


def folders_of(batches: Iterable[pa.RecordBatch]) -> Folders:
    """The folders that have a licence file; several in one folder (LICENSE-MIT, LICENSE-APACHE) leave the choice: OR."""
    found: dict[tuple[str, str], set[str]] = {}
    for batch in batches:
        is_file = scores_of(batch, "licence_file") > 0
        if not is_file.any():
            continue
        columns = zip(
            paths_of(batch), batch.column("source").to_pylist(), batch.column("license").to_pylist(), is_file.tolist(), strict=True
        )
        for path, source, licence, file in columns:
            if file and licence is not None:
                found.setdefault((source, str(PurePosixPath(path).parent)), set()).add(licence)
    return {key: _choice(sorted(licences)) for key, licences in sorted(found.items())}


def judged(batch: pa.RecordBatch, folders: Folders, config: Licences) -> tuple[list[str | None], np.ndarray]:
    """`(licence of each document, denied float64 [N])`; the batch needs id, source and license.

    What a document's own `license` says (the file's header, the row's field, the recipe's source) counts before the licence files above it.
    """
    licences: list[str | None] = []
    denied = np.zeros(batch.num_rows)
    columns = zip(paths_of(batch), batch.column("source").to_pylist(), batch.column("license").to_pylist(), strict=True)
    for row, (path, source, own) in enumerate(columns):
        licence = own if own is not None else covering(path, source, folders)
        licences.append(licence)
        if licence is not None:
            denied[row] = not is_allowed(licence, config)
        elif config.unknown == "drop":
            denied[row] = counts(path, source, config)
    return licences, denied


def covering(path: str, source: str, folders: Folders) -> str | None:
    """The licence of the nearest folder above that has one."""
    return next((folders[source, str(folder)] for folder in PurePosixPath(path).parents if (source, str(folder)) in folders), None)


def _choice(licences: list[str]) -> str:
    return licences[0] if len(licences) == 1 else " OR ".join(f"({each})" if " " in each else each for each in licences)
