"""Which pairs are to be looked at? In: the columns of fingerprints, one at a time. Out: packed pairs of places, in files.

Documents that share a key are a bucket. Two sets of pairs come of it, both linear in the size of the bucket:

    star      its least place with each other one: all there is of a bucket of two, and enough for copies of one text
    windows   each with the WINDOW before it, in the order of (this band's key, the next band's key): those that share two keys
              stand side by side, so that what is alike within a large and mixed bucket is compared in one band or another

A pair (a, b), a < b, is packed into uint64 as a << 32 | b. A task does one column, and of that the keys of one shard, so that
memory does not grow with the number of documents. Nothing here is larger than a shard, so there is nothing to spill, and NumPy
does it: of a million keys, a tenth of them repeated, both sets of pairs take 0.12 s and 60 MB; DuckDB 2.0 (a join with `group by key
having count(*) > 1`, one thread, in turns) took 0.18 s and 80 MB for the stars alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headwater.core.compiled import njit
from headwater.core.errors import HeadwaterError
from headwater.core.storage import disk_trouble
from headwater.corpus.annotated import Annotated
from headwater.corpus.duplicates.fingerprints import DIGEST, band

SHARD = 1 << 23
"""Keys that a task sorts at once: about 350 MB."""
WINDOW = 8
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


@dataclass(frozen=True)
class Columns:
    """A task: the pairs of one column of fingerprints or a few, of one shard of their keys."""

    folders: tuple[Path, ...]
    first: int
    last: int
    """Bands from `first` to before `last`; none for the digests."""
    bands: int
    shard: int
    shards: int
    passed_over: Path | None
    """bool [N]: copies, for which the first of their kind stands."""
    path: Path


def columns(annotated: Annotated, bands: int | None, passed_over: Path | None, scratch: Path) -> list[Columns]:
    """The tasks for the digests (`bands` None) or for all bands; of a small corpus one task does several."""
    if annotated.count >= 1 << 32:
        raise HeadwaterError(f"{annotated.count:,} documents are more than 2**32 - 1", where="corpus.sources",
                             mend="make corpora of parts of them and relate those")  # fmt: skip
    shards = max(1, -(-annotated.count // SHARD))
    together = max(1, min(bands or 1, SHARD // (annotated.count + 1)))
    ranges = [(0, 0)] if bands is None else [(first, min(first + together, bands)) for first in range(0, bands, together)]
    return [Columns(tuple(annotated.folders), first, last, bands or 0, shard, shards, passed_over,
                    scratch / (f"exact-{shard:04d}.npz" if bands is None else f"band-{first:02d}-{shard:04d}.npz"))
            for first, last in ranges for shard in range(shards)]  # fmt: skip


def find_pairs(task: Columns) -> None:
    """Write the task's file: arrays `star` and `windows`, each of packed pairs, sorted."""
    if task.path.exists():
        return
    keys, places = _shard(task)
    if task.first == task.last:
        found = [pairs_of(keys[0], keys[1], places, exact=True)]
    else:
        found = [pairs_of(keys[index], keys[index + 1], places) for index in range(task.last - task.first)]
    star, windows = (different(np.concatenate([pairs[index] for pairs in found])) for index in (0, 1))
    save(task.path, star=star, windows=np.setdiff1d(windows, star, assume_unique=True))


def pairs_of(keys: np.ndarray, beside: np.ndarray, places: np.ndarray, exact: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """`(star, windows)` of documents; with `exact` a bucket is what shares both keys, and its star says all."""
    some = np.flatnonzero(may_repeat(keys))
    keys, beside, places = keys[some], beside[some], places[some]
    order = np.argsort(keys)
    ordered = keys[order]
    same = ordered[1:] == ordered[:-1]
    member = np.concatenate([same, [False]]) | np.concatenate([[False], same]) if len(keys) else np.empty(0, bool)
    order = order[member]
    keys, beside, places = keys[order], beside[order], places[order]
    if exact:
        order = np.lexsort((places, beside, keys))
        keys, beside, places = keys[order], beside[order], places[order]
        first = _first((keys[1:] != keys[:-1]) | (beside[1:] != beside[:-1]), len(keys))
        return _packed(places[first], places)[first != np.arange(len(first))], np.empty(0, np.uint64)
    order = np.lexsort((places, keys))
    first = _first(keys[order][1:] != keys[order][:-1], len(keys))
    star = _packed(places[order][first], places[order])[first != np.arange(len(first))]
    order = np.lexsort((places, beside, keys))
    keys, places = keys[order], places[order]
    windows = [np.empty(0, np.uint64)]
    for step in range(1, min(WINDOW + 1, len(keys))):
        near = keys[step:] == keys[:-step]
        windows.append(_packed(places[:-step][near], places[step:][near]))
    return star, np.concatenate(windows)


@njit(cache=True, nogil=True)
def may_repeat(keys: np.ndarray) -> np.ndarray:
    """bool: False where a key is surely alone, so that most keys need not be sorted. A counter up to two, at eight slots a key."""
    size = 1024
    while size < 8 * len(keys):
        size *= 2
    last = np.uint64(size - 1)
    counts = np.zeros(size, np.uint8)
    for key in keys:
        slot = (key >> np.uint64(17)) & last
        counts[slot] = min(counts[slot] + 1, 2)
    repeated = np.empty(len(keys), np.bool_)
    for index in range(len(keys)):
        repeated[index] = counts[(keys[index] >> np.uint64(17)) & last] == 2
    return repeated


def unpacked(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (pairs >> HALF).astype(np.int64), (pairs & LOW).astype(np.int64)


def different(values: np.ndarray) -> np.ndarray:
    """Sorted, each once: np.unique, but 30 times as fast on whole numbers, which NumPy 2.4 puts into a hash table before it sorts."""
    values = np.sort(values)
    new = np.ones(len(values), bool)
    new[1:] = values[1:] != values[:-1]
    return values[new]


def merged(tasks: list[Columns], name: str) -> np.ndarray:
    """The different pairs of all tasks, sorted."""
    found = np.empty(0, np.uint64)
    for task in tasks:
        with np.load(task.path) as arrays:
            found = different(np.concatenate([found, arrays[name]]))
    return found


def save(path: Path, **arrays: np.ndarray) -> None:
    """Arrays in one file, the whole of it or none."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with disk_trouble(path.parent):
        try:
            with open(temporary, "wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def owner_of(annotated: Annotated, name: str) -> Path:
    """The folder whose parts have the column."""
    return next(folder for folder in annotated.folders if name in pq.read_schema(folder / annotated.parts[0].name).names)


def columns_of(path: Path, names: list[str]) -> list[pa.Array]:
    """Whole columns of one part: ten times faster than row group by row group."""
    with pq.ParquetFile(path) as file:
        table = file.read(names)
    return [column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays([pa.array([], column.type), *column.chunks])
            for column in (table.column(name) for name in names)]  # fmt: skip


def _shard(task: Columns) -> tuple[list[np.ndarray], np.ndarray]:
    """The keys of every band of the task, and of one more, of the documents of the shard; 0 for one that is passed over. And their places.

    Shards are told apart by each band's own key, so that with more than one shard a task has one band only.
    """
    annotated = Annotated(*task.folders)
    copies = np.load(task.passed_over, mmap_mode="r") if task.passed_over is not None else None
    names = [band(index % task.bands) for index in range(task.first, task.last + 1)] if task.bands else [DIGEST]
    folder = owner_of(annotated, names[0]) if annotated.parts else None
    taken: list[tuple[list[np.ndarray], np.ndarray]] = []
    for part, path in enumerate(annotated.parts):
        assert folder is not None
        start, end = int(annotated.starts[part]), int(annotated.starts[part + 1])
        found = columns_of(folder / path.name, list(dict.fromkeys(names)))
        if task.bands:
            keys = [np.asarray(column.fill_null(0)) for column in found]
            keys = [*keys, keys[0]][: len(names)]  # of a single band the next is itself
            chosen = keys[0] != 0
        else:
            halves = np.frombuffer(found[0].buffers()[1], np.uint64, 2 * (end - start), 16 * found[0].offset).reshape(-1, 2)
            keys = [halves[:, 0], halves[:, 1]]
            chosen = np.ones(end - start, bool)
        if copies is not None:
            chosen &= ~copies[start:end]
        if task.shards > 1:
            chosen &= keys[0] % np.uint64(task.shards) == task.shard
        taken.append(([column[chosen] for column in keys], np.flatnonzero(chosen) + start))
    empty = np.empty(0, np.uint64)
    together = [np.concatenate([empty, *(keys[index] for keys, _ in taken)]) for index in range(max(2, len(names)))]
    return together, np.concatenate([np.empty(0, np.int64), *(places for _, places in taken)])


def _first(border: np.ndarray, count: int) -> np.ndarray:
    """For each row the first row of its bucket; `border` says between which rows one ends."""
    starts = np.zeros(count, np.int64)
    if count:
        starts[1:] = np.where(border, np.arange(1, count), 0)
    return np.maximum.accumulate(starts)


def _packed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    packed: np.ndarray = (np.minimum(a, b).astype(np.uint64) << HALF) | np.maximum(a, b).astype(np.uint64)
    return packed
