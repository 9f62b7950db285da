"""How alike are the pairs in truth? In: packed pairs, and the corpus. Out: a similarity each.

    gather    a task a part: of the documents that are in any pair, the shingle sets (and, of code, the texts) into a file
    compare   a task some hundred thousand pairs: sets are read back a block at a time, and compared

Neither holds more than a block, and a document's text is decoded once however many pairs it is in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from headwater.core.storage import disk_trouble
from headwater.corpus.annotated import Annotated
from headwater.corpus.document import buffers_of
from headwater.corpus.duplicates.candidates import save, unpacked
from headwater.corpus.duplicates.config import Code, Near
from headwater.corpus.duplicates.edits import edit_similarity
from headwater.corpus.duplicates.shingles import jaccards, shingle_sets
from headwater.corpus.licences.origin import is_code, path_of

T = TypeVar("T")
TASK_PAIRS = 1 << 18
BLOCK_PAIRS = 1 << 13
BLOCK_HASHES = 1 << 24
"""Shingle hashes that are held at once while pairs are compared (128 MB), or a single pair if that has more."""


class Run(Protocol):
    """Does a picklable function to every task; each task writes a file."""

    def __call__(self, function: Callable[[T], None], tasks: Sequence[T], what: str, /) -> None: ...


@dataclass(frozen=True)
class Gather:
    """A task: one part's wanted documents."""

    folders: tuple[Path, ...]
    part: int
    near: Near
    code: Code | None
    scratch: Path

    @property
    def index(self) -> Path:
        return self.scratch / f"gathered-{self.part:05d}.npz"


@dataclass(frozen=True)
class Compare:
    """A task: some of the pairs in a file."""

    scratch: Path
    round: str
    first: int
    last: int
    threshold: float
    code: Code | None

    @property
    def path(self) -> Path:
        return self.scratch / f"{self.round}-{self.first:012d}.npz"


def gather(annotated: Annotated, wanted: np.ndarray, near: Near, code: Code | None, scratch: Path, run: Run) -> None:
    """Lay down what pairs of the places `wanted` (ascending) need."""
    save(scratch / "wanted.npz", places=wanted)
    tasks = [Gather(tuple(annotated.folders), part, near, code, scratch) for part in range(len(annotated.parts))]
    run(gather_part, tasks, "reading candidates")
    found = []
    for task in tasks:
        with np.load(task.index) as arrays:
            found.append({name: arrays[name] for name in arrays.files})
    counts, masks, texts = (np.concatenate([part[name] for part in found]) for name in ("counts", "masks", "texts"))
    parts = np.repeat(np.arange(len(found), dtype=np.int32), [len(part["counts"]) for part in found])
    save(scratch / "sets.npz", places=wanted, parts=parts, masks=masks,
         starts=_ends_by_part(counts, parts), counts=counts, text_starts=_ends_by_part(texts, parts), texts=texts)  # fmt: skip


def gather_part(task: Gather) -> None:
    """Write `sets-<part>` (uint64), `texts-<part>` (UTF-8 of code) and the index that says how much each document has of both."""
    if task.index.exists():
        return
    annotated = Annotated(*task.folders)
    with np.load(task.scratch / "wanted.npz") as arrays:
        wanted = arrays["places"]
    wanted = wanted[np.searchsorted(wanted, annotated.starts[task.part]) : np.searchsorted(wanted, annotated.starts[task.part + 1])]
    counts, masks, texts = [np.empty(0, np.int64)], [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    names = ["text", "id", "source"] if task.code else ["text"]
    with (
        disk_trouble(task.scratch),
        open(_sets(task.scratch, task.part), "wb") as hashes,
        open(_texts(task.scratch, task.part), "wb") as raw,
    ):
        for place, batch in annotated.batches_of(task.part, names) if len(wanted) else ():
            rows = wanted[np.searchsorted(wanted, place) : np.searchsorted(wanted, place + batch.num_rows)] - place
            if not len(rows):
                continue
            data, offsets = buffers_of(batch)
            found, count, mask = shingle_sets(data, offsets, rows, task.near.unit, task.near.shingle)
            found.tofile(hashes)
            counts.append(count)
            masks.append(mask)
            sizes = np.zeros(len(rows), np.int64)
            for index, row in enumerate(rows.tolist() if task.code else ()):
                if is_code(path_of(batch.column("id")[row].as_py(), batch.column("source")[row].as_py())):
                    sizes[index] = raw.write(data[offsets[row] : offsets[row + 1]].tobytes())
            texts.append(sizes)
    save(task.index, counts=np.concatenate(counts), masks=np.concatenate(masks), texts=np.concatenate(texts))


def compare(pairs: np.ndarray, name: str, near: Near, code: Code | None, scratch: Path, run: Run) -> tuple[np.ndarray, np.ndarray]:
    """`(similarity float64, is code bool)` of every pair; one that cannot reach the threshold may be told as 0."""
    if not len(pairs):
        return np.empty(0), np.empty(0, bool)
    save(scratch / f"{name}.npz", pairs=pairs)
    bounds = range(0, len(pairs), TASK_PAIRS)
    tasks = [Compare(scratch, name, first, min(first + TASK_PAIRS, len(pairs)), near.threshold, code) for first in bounds]
    run(compare_some, tasks, "comparing near duplicates")
    similarity, is_code = np.empty(len(pairs)), np.empty(len(pairs), bool)
    for task in tasks:
        with np.load(task.path) as arrays:
            similarity[task.first : task.last], is_code[task.first : task.last] = arrays["similarity"], arrays["code"]
    return similarity, is_code


def compare_some(task: Compare) -> None:
    if task.path.exists():
        return
    with np.load(task.scratch / f"{task.round}.npz") as arrays:
        pairs = arrays["pairs"][task.first : task.last]
    store = Store(task.scratch)
    left, right = (np.searchsorted(store.places, places) for places in unpacked(pairs))
    similarity = np.empty(len(pairs))
    first = 0
    while first < len(pairs):
        last = store.block(left, right, first)
        similarity[first:last] = store.compared(left[first:last], right[first:last], task.threshold)
        first = last
    is_code = np.zeros(len(pairs), bool)
    if task.code is not None:
        is_code = (store.texts[left] > 0) & (store.texts[right] > 0)
        for pair in np.flatnonzero(is_code).tolist():
            edits = edit_similarity(store.text(left[pair]), store.text(right[pair]), task.code)
            if edits is None:
                is_code[pair] = False
            else:
                similarity[pair] = edits
    store.close()
    save(task.path, similarity=similarity, code=is_code)


class Store:
    """The gathered sets and texts, read where they lie."""

    def __init__(self, scratch: Path) -> None:
        with np.load(scratch / "sets.npz") as arrays:
            self.places, self.parts, self.masks, self.starts, self.counts, self.text_starts, self.texts = (
                arrays[name] for name in ("places", "parts", "masks", "starts", "counts", "text_starts", "texts"))  # fmt: skip
        self.scratch = scratch
        self.files: dict[Path, int] = {}

    def block(self, left: np.ndarray, right: np.ndarray, first: int) -> int:
        """The end of a block of pairs from `first` on whose sets fit into memory."""
        some = slice(first, first + BLOCK_PAIRS)
        held = np.cumsum(self.counts[left[some]] + self.counts[right[some]])
        return first + max(1, int(np.searchsorted(held, BLOCK_HASHES)))

    def compared(self, left: np.ndarray, right: np.ndarray, threshold: float) -> np.ndarray:
        needed, places = np.unique(np.concatenate([left, right]), return_inverse=True)
        starts = np.concatenate([[0], np.cumsum(self.counts[needed])]).astype(np.int64)
        sets = np.empty(starts[-1], np.uint64)
        view = memoryview(sets.view(np.uint8))  # type: ignore[arg-type]
        parts, offsets = self.parts[needed].tolist(), (8 * self.starts[needed]).tolist()
        bounds = (8 * starts).tolist()
        first = 0
        for index in range(1, len(needed) + 1):  # neighbours in a file are read at once
            if index == len(needed) or parts[index] != parts[first] or offsets[index] - offsets[first] != bounds[index] - bounds[first]:
                self._read(_sets(self.scratch, parts[first]), offsets[first], view[bounds[first] : bounds[index]])
                first = index
        found: np.ndarray = jaccards(sets, starts, self.masks[needed], places[: len(left)], places[len(left) :], threshold)
        return found

    def text(self, index: int) -> str:
        raw = bytearray(int(self.texts[index]))
        self._read(_texts(self.scratch, int(self.parts[index])), int(self.text_starts[index]), memoryview(raw))
        return raw.decode("utf-8", "replace")

    def _read(self, path: Path, offset: int, into: memoryview) -> None:
        file = self.files.get(path)
        if file is None:
            file = self.files[path] = os.open(path, os.O_RDONLY)
        done = 0
        while done < len(into):
            done += os.preadv(file, [into[done:]], offset + done)

    def close(self) -> None:
        for file in self.files.values():
            os.close(file)


def _sets(scratch: Path, part: int) -> Path:
    return scratch / f"sets-{part:05d}"


def _texts(scratch: Path, part: int) -> Path:
    return scratch / f"texts-{part:05d}"


def _ends_by_part(sizes: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Where each begins in its part's file."""
    starts = np.cumsum(sizes) - sizes
    first = np.searchsorted(parts, parts)
    within: np.ndarray = starts - starts[first] if len(parts) else starts
    return within
