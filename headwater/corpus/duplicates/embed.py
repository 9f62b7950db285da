"""What does a document say, as a point on a sphere? In: the annotated corpus. Out: for each part two files in scratch,

    vectors-00000.npy   float32 [documents, width], each of length 1, or all zeros where there is nothing to embed
    places-00000.npy    int64 [documents]: whose they are, ascending, -1 for zeros; written last

They are those of a program of the user's (program.py), or `hashed` (hashed.py), for which in how many documents a word is has to be
counted first. Of documents that are duplicates already, the first of the group alone is embedded.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa

from headwater.core.errors import HeadwaterError
from headwater.core.storage import disk_trouble
from headwater.corpus.annotated import Annotated
from headwater.corpus.document import buffers_of
from headwater.corpus.duplicates.config import Hashed, Program
from headwater.corpus.duplicates.hashed import SLOTS, count_documents, vectors_of
from headwater.corpus.duplicates.program import answers
from headwater.corpus.duplicates.verify import Run

DOCUMENTS, WEIGHED = "documents-{:05d}.npy", "idf.npy"


@dataclass(frozen=True)
class Embed:
    """A task: one part's documents."""

    folders: tuple[Path, ...]
    part: int
    embedding: Hashed | Program
    passed_over: Path
    """bool [N]: documents that are not embedded."""
    scratch: Path

    @property
    def vectors(self) -> Path:
        return self.scratch / f"vectors-{self.part:05d}.npy"

    @property
    def places(self) -> Path:
        return self.scratch / f"places-{self.part:05d}.npy"

    @property
    def counts(self) -> Path:
        return self.scratch / DOCUMENTS.format(self.part)


def embed(annotated: Annotated, embedding: Hashed | Program, passed_over: Path, scratch: Path, run: Run) -> list[Embed]:
    """Write the files of every part. Raises HeadwaterError when the user's program fails or does not keep to one width."""
    tasks = [Embed(tuple(annotated.folders), part, embedding, passed_over, scratch) for part in range(len(annotated.parts))]
    if isinstance(embedding, Hashed):
        run(count_part, tasks, "counting words")
        if not (scratch / WEIGHED).exists():
            documents = np.zeros(SLOTS, np.int64)
            for task in tasks:
                documents += np.load(task.counts)
            total = int(np.count_nonzero(~np.load(passed_over, mmap_mode="r")))
            save_one(scratch / WEIGHED, np.log1p(total / np.maximum(documents, 1)))
    run(embed_part, tasks, "embedding documents")
    widths = {vectors.shape[1]: task for task in tasks[::-1] if len(vectors := np.load(task.vectors, mmap_mode="r"))}
    if len(widths) > 1:
        sizes = ", ".join(str(width) for width in sorted(widths))
        raise HeadwaterError(f"gave vectors of different lengths: {sizes}", where=_where(embedding), mend="it must keep to one model")
    return tasks


def count_part(task: Embed) -> None:
    """Write in how many of the part's documents each feature is: uint32 [SLOTS]."""
    if task.counts.exists():
        return
    documents = np.zeros(SLOTS, np.uint32)
    for _, rows, batch in _wanted(task):
        count_documents(*buffers_of(batch), rows, documents)
    save_one(task.counts, documents)


def embed_part(task: Embed) -> None:
    if task.places.exists():
        return
    annotated = Annotated(*task.folders)
    start, end = annotated.starts[task.part : task.part + 2].tolist()
    places = np.flatnonzero(~np.load(task.passed_over, mmap_mode="r")[start:end]).astype(np.int64) + start
    with disk_trouble(task.scratch), _Vectors(task.vectors, len(places)) as file:
        (_hash if isinstance(task.embedding, Hashed) else _ask)(task, places, file)
    save_one(task.places, np.where(file.zeros, -1, places))


def _hash(task: Embed, places: np.ndarray, file: _Vectors) -> None:
    assert isinstance(task.embedding, Hashed)
    idf = np.load(task.scratch / WEIGHED)
    done = 0
    file.begin(task.embedding.width)
    for _, rows, batch in _wanted(task):
        file.put(done, vectors_of(*buffers_of(batch), rows, idf, task.embedding.width))
        done += len(rows)


def _ask(task: Embed, places: np.ndarray, file: _Vectors) -> None:
    """The program is told of a document by its place, and answers in any order."""
    assert isinstance(task.embedding, Program)
    where = _where(task.embedding)
    requests = ((int(place + row), batch.column("text")[row].as_py()) for place, rows, batch in _wanted(task) for row in rows.tolist())
    seen = np.zeros(len(places), bool)
    width = 0
    for place, vector in answers(task.embedding, requests, where) if len(places) else ():
        row = min(int(np.searchsorted(places, place)), len(places) - 1)
        if places[row] != place:
            raise HeadwaterError(f"answered for '{place}', of which it was not asked", where=where, mend="give back the id of the request")
        if seen[row]:
            raise HeadwaterError(f"answered twice for '{place}'", where=where, mend="it must answer every line once")
        if not width:
            width = len(vector)
            file.begin(width)
        if len(vector) != width:
            raise HeadwaterError(f"gave a vector of {len(vector)} numbers for '{place}' after one of {width}", where=where,
                                 mend="all vectors must be of one length")  # fmt: skip
        seen[row] = True
        file.put(row, unit(vector)[None])
    if not seen.all():
        missing = int(places[~seen][0])
        raise HeadwaterError(f"gave no answer for '{missing}'", where=where, mend="it must answer every line")


def unit(vector: np.ndarray) -> np.ndarray:
    """float32, of length 1; zeros remain zeros."""
    largest = np.abs(vector).max()
    if largest == 0:
        return np.zeros(len(vector), np.float32)
    vector = vector / largest  # squares of what a model may give can overflow
    found: np.ndarray = (vector / math.sqrt(math.fsum(vector * vector))).astype(np.float32)
    return found


def save_one(path: Path, array: np.ndarray) -> None:
    """One array, the whole of it or none; such a file can be mapped."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with disk_trouble(path.parent):
        try:
            with open(temporary, "wb") as file:
                np.save(file, array)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


class _Vectors:
    """A .npy file whose rows come in any order. Not mapped while it is written: a full disk would be a signal and no error."""

    def __init__(self, path: Path, count: int) -> None:
        self.path, self.count, self.width, self.header = path, count, 0, 0
        self.zeros = np.ones(count, bool)
        self.temporary = path.with_name(f".{path.name}.{os.getpid()}")

    def __enter__(self) -> _Vectors:
        self.file = open(self.temporary, "wb")
        return self

    def begin(self, width: int) -> None:
        self.width = width
        header = {"descr": "<f4", "fortran_order": False, "shape": (self.count, width)}
        np.lib.format.write_array_header_1_0(self.file, header)
        self.file.flush()
        self.header = self.file.tell()

    def put(self, row: int, vectors: np.ndarray) -> None:
        self.zeros[row : row + len(vectors)] = ~vectors.any(axis=1)
        data = memoryview(vectors.astype("<f4", copy=False).tobytes())
        at = self.header + 4 * self.width * row
        while data:
            written = os.pwrite(self.file.fileno(), data, at)
            data, at = data[written:], at + written

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None and not self.header:
            self.begin(0)
        self.file.close()
        if kind is None:
            os.replace(self.temporary, self.path)
        else:
            self.temporary.unlink(missing_ok=True)


def _wanted(task: Embed) -> Iterator[tuple[int, np.ndarray, pa.RecordBatch]]:
    """`(place of the first row, rows that are embedded int64, batch)` of a part."""
    annotated = Annotated(*task.folders)
    passed_over = np.load(task.passed_over, mmap_mode="r")
    for place, batch in annotated.batches_of(task.part, ["text"]):
        rows = np.flatnonzero(~passed_over[place : place + batch.num_rows])
        if len(rows):
            yield place, rows, batch


def _where(embedding: Hashed | Program) -> str:
    return f"corpus.duplicates.semantic.embedding: {' '.join(embedding.command)}" if isinstance(embedding, Program) else embedding.kind
