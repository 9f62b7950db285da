"""Which lines, paragraphs and stretches has the corpus already? In: the annotated corpus, the group of each document. Out: spans.parquet.

    keys      a task a part: the key of every piece, and where it stands, sorted by key
    repeated  a task a range of keys: where the pieces stand that are there more than once
    spans     a task a part: characters from where to where

Of equal pieces the first stays, in the order of places. A piece in a near duplicate of the first one's document stays as well:
of the two documents one will go, and nobody knows yet which. (Should a rule take the first one's document, the piece is gone.)
Repeated stretches are those of ExactSubstr (Lee et al. 2022), found without a suffix array: every byte that a window of `length`
bytes covers which stands elsewhere, earlier. Where a piece stands is one number, part << 40 | byte in the part's texts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headwater.core.storage import disk_trouble
from headwater.corpus.annotated import Annotated
from headwater.corpus.document import buffers_of
from headwater.corpus.duplicates.candidates import save
from headwater.corpus.duplicates.config import Duplicates
from headwater.corpus.duplicates.pieces import anchor_keys, characters_before, joined, piece_end, piece_keys, window_keys
from headwater.corpus.duplicates.verify import Run

SPANS = pa.schema(
    [
        pa.field("place", pa.int64(), nullable=False),
        pa.field("start", pa.int32(), nullable=False),
        pa.field("end", pa.int32(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
    ]
)
PART = 40
"""Bits for a byte within a part's texts."""
RUN = 1 << 22
"""Keys that are sorted and written together."""
RANGE = 1 << 23
"""Keys, at most, of about so many a task looks for equal ones: 400 MB."""
GROUP_OF = "group_of.npy"
LINE, PARAGRAPH, ANCHOR, WINDOW = "repeated_line", "repeated_paragraph", "anchor", "repeated_substring"


@dataclass(frozen=True)
class Keys:
    """A task: the keys of one kind of piece in one part."""

    folders: tuple[Path, ...]
    part: int
    kind: str
    length: int
    """Of a window; of a line or paragraph the least."""
    scratch: Path

    @property
    def path(self) -> Path:
        return self.scratch / f"{self.kind}-{self.part:05d}.npz"


@dataclass(frozen=True)
class Range:
    """A task: the keys from `first` up to `last` (None: all that remain) of one kind."""

    kind: str
    parts: int
    number: int
    first: int
    last: int | None
    more_than: int
    scratch: Path

    @property
    def path(self) -> Path:
        return _found(self.scratch, self.kind, self.number)


@dataclass(frozen=True)
class Mark:
    """A task: the spans of one part."""

    folders: tuple[Path, ...]
    part: int
    ranges: tuple[tuple[str, int], ...]
    """Kinds, and how many files say where they stand."""
    length: int
    scratch: Path

    @property
    def path(self) -> Path:
        return self.scratch / f"spans-{self.part:05d}.parquet"


def repeats(annotated: Annotated, config: Duplicates, path: Path, scratch: Path, run: Run) -> None:
    """Write the spans of all places, sorted; `scratch` has GROUP_OF, int64 [N]."""
    ranges: dict[str, int] = {}
    for kind, pieces in ((LINE, config.lines), (PARAGRAPH, config.paragraphs)):
        if pieces is not None:
            ranges[kind] = _repeated(annotated, kind, pieces.min_length, pieces.more_than, scratch, run)
    if config.substrings is not None:
        length = config.substrings.length
        _repeated(annotated, ANCHOR, length, 1, scratch, run)
        ranges[WINDOW] = _repeated(annotated, WINDOW, length, 1, scratch, run)
    length = config.substrings.length if config.substrings else 0
    tasks = [
        Mark(tuple(annotated.folders), part, tuple(ranges.items()), length, scratch)
        for part in range(len(annotated.parts) if ranges else 0)
    ]
    run(mark_part, tasks, "marking repeated text")
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with disk_trouble(path.parent):
        with pq.ParquetWriter(temporary, SPANS, compression="zstd") as writer:
            for task in tasks:
                writer.write_table(pq.read_table(task.path))
        os.replace(temporary, path)


def _repeated(annotated: Annotated, kind: str, length: int, more_than: int, scratch: Path, run: Run) -> int:
    """Find the pieces of a kind that repeat others; how many files say where."""
    parts = range(len(annotated.parts))
    keys = [Keys(tuple(annotated.folders), part, kind, length, scratch) for part in parts]
    run(write_keys, keys, f"reading {kind.replace('_', ' ')}s")
    total = sum(_count(task.path) for task in keys)
    count = max(1, -(-total // RANGE))
    bounds = [index * ((1 << 64) // count) for index in range(count)]
    ranges = [Range(kind, len(parts), index, first, bounds[index + 1] if index + 1 < count else None, more_than, scratch)
              for index, first in enumerate(bounds)]  # fmt: skip
    run(find_repeated, ranges, f"comparing {kind.replace('_', ' ')}s")
    return count


def write_keys(task: Keys) -> None:
    if task.path.exists():
        return
    annotated = Annotated(*task.folders)
    anchors = _read_found(task.scratch, ANCHOR, task.part) if task.kind == WINDOW else np.empty(0, np.int64)
    keys, where = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    documents = [np.empty(0, np.int64)]
    arrays: dict[str, np.ndarray] = {}
    held = 0
    for base, data, offsets in _texts(annotated, task.part):
        if task.kind in (LINE, PARAGRAPH):
            found, at = piece_keys(data, offsets, task.kind == PARAGRAPH, task.length)
        elif task.kind == ANCHOR:
            found, at = anchor_keys(data, offsets, task.length)
        else:
            here = anchors[np.searchsorted(anchors, base + offsets[0]) : np.searchsorted(anchors, base + offsets[-1])] - base
            found, at = window_keys(data, offsets, task.length, here)
        keys.append(found)
        where.append(at + base)
        documents.append(offsets[:-1] + base)
        held += len(found)
        if held >= RUN:
            _flush(arrays, keys, where)
            held = 0
    _flush(arrays, keys, where)
    save(task.path, documents=np.concatenate(documents), **arrays)


def find_repeated(task: Range) -> None:
    """Write where the pieces stand that are not the first of their kind; for anchors, all that are not alone."""
    if task.path.exists():
        return
    keys, where, documents = _range(task)
    order = np.lexsort((where, keys))
    keys, where = keys[order], where[order]
    same = keys[1:] == keys[:-1]
    many = np.concatenate([same, [False]]) | np.concatenate([[False], same]) if len(keys) else np.empty(0, bool)
    keys, where = keys[many], where[many]
    if task.kind != ANCHOR:
        place = np.searchsorted(documents, where, side="right") - 1
        group = np.load(task.scratch / GROUP_OF, mmap_mode="r")[place]
        new = np.concatenate([[True], keys[1:] != keys[:-1]])[: len(keys)]
        first = np.maximum.accumulate(np.where(new, np.arange(len(keys)), 0))
        again = ~new & np.concatenate([[False], place[1:] == place[:-1]])[: len(keys)]
        marked = (group != group[first]) | again
        times = np.bincount(first, weights=marked, minlength=len(keys)) + 1
        where = where[marked & (times[first] > task.more_than)]
    save(task.path, where=np.sort(where))


def mark_part(task: Mark) -> None:
    if task.path.exists():
        return
    annotated = Annotated(*task.folders)
    found = {kind: _read_found(task.scratch, kind, task.part, count) for kind, count in task.ranges}
    places, starts, ends, kinds = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int8)]
    place = int(annotated.starts[task.part])
    names = sorted(found)
    for base, data, offsets in _texts(annotated, task.part):
        for number, kind in enumerate(names):
            all_, low, high = found[kind], base + offsets[0], base + offsets[-1]
            here = all_[np.searchsorted(all_, low) : np.searchsorted(all_, high)] - base
            rows = np.searchsorted(offsets, here, side="right") - 1
            for row in np.unique(rows).tolist():
                first, last = _bytes_of(kind, data, here[rows == row], int(offsets[row + 1]), task.length)
                both = characters_before(data, offsets[row], np.stack([first, last], axis=1).ravel()).reshape(-1, 2)
                places.append(np.full(len(first), place + row))
                starts.append(both[:, 0])
                ends.append(both[:, 1])
                kinds.append(np.full(len(first), number, np.int8))
        place += len(offsets) - 1
    columns = [np.concatenate(column) for column in (places, starts, ends, kinds)]
    order = np.lexsort((columns[3], columns[2], columns[1], columns[0]))
    at, start, end, kind_ = (column[order] for column in columns)
    named = pa.array(names, pa.string()).take(pa.array(kind_))
    table = pa.table([at, start.astype(np.int32), end.astype(np.int32), named], schema=SPANS)
    temporary = task.path.with_name(f".{task.path.name}.{os.getpid()}")
    with disk_trouble(task.scratch):
        pq.write_table(table, temporary)
        os.replace(temporary, task.path)


def _bytes_of(kind: str, data: np.ndarray, here: np.ndarray, end: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """First byte and the one after the last of the stretches of one document."""
    if kind == WINDOW:
        first, last = joined(data, here, length)
        return first, last
    return here, np.array([piece_end(data, at, end, kind == PARAGRAPH) for at in here.tolist()], np.int64)


def _texts(annotated: Annotated, part: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """`(where byte 0 of the data stands, data, offsets)` batch after batch."""
    base = part << PART
    for _, batch in annotated.batches_of(part, ["text"]):
        if batch.num_rows:
            data, offsets = buffers_of(batch)
            yield base - int(offsets[0]), data, offsets
            base += int(offsets[-1] - offsets[0])


def _flush(arrays: dict[str, np.ndarray], keys: list[np.ndarray], where: list[np.ndarray]) -> None:
    """Sort what has come together into a run of its own."""
    together, at = np.concatenate(keys), np.concatenate(where)
    order = np.argsort(together, kind="stable")
    number = len(arrays) // 2
    arrays[f"keys{number}"], arrays[f"where{number}"] = together[order], at[order]
    keys[:], where[:] = keys[:1], where[:1]


def _range(task: Range) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keys and places of the range from all parts, and where every document begins."""
    keys, where, documents = [np.empty(0, np.uint64)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for part in range(task.parts):
        with np.load(task.scratch / f"{task.kind}-{part:05d}.npz") as arrays:
            documents.append(arrays["documents"])
            for number in range(len(arrays.files) // 2):
                run = arrays[f"keys{number}"]
                first = np.searchsorted(run, np.uint64(task.first))
                last = np.searchsorted(run, np.uint64(task.last)) if task.last is not None else len(run)
                keys.append(run[first:last])
                where.append(arrays[f"where{number}"][first:last])
    return np.concatenate(keys), np.concatenate(where), np.concatenate(documents)


def _count(path: Path) -> int:
    with np.load(path) as arrays:
        return sum(len(arrays[name]) for name in arrays.files if name.startswith("keys"))


def _found(scratch: Path, kind: str, number: int) -> Path:
    return scratch / f"{kind}-found-{number:04d}.npz"


def _read_found(scratch: Path, kind: str, part: int, count: int | None = None) -> np.ndarray:
    """Where in a part pieces of a kind were found to repeat others, ascending."""
    paths = sorted(scratch.glob(f"{kind}-found-*.npz")) if count is None else [_found(scratch, kind, number) for number in range(count)]
    found = [np.empty(0, np.int64)]
    for path in paths:
        with np.load(path) as arrays:
            where = arrays["where"]
        found.append(where[np.searchsorted(where, part << PART) : np.searchsorted(where, (part + 1) << PART)])
    return np.sort(np.concatenate(found))
