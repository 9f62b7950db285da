"""Which documents lie close together as vectors? In: the annotated corpus. Out: pairs of places with their cosine, at or above a threshold.

    embed     a task a part: the vectors of its documents (embed.py)
    sign      a task a part: on which side of `tables * bits` random hyperplanes each lies (Charikar 2002), `bits` to a key
    compare   a task some tables and a shard of their keys: the cosines of neighbours, of which those at the threshold are kept

Two vectors at an angle a share a key with probability (1 - a / pi)**bits. Documents that share one are a bucket, sorted by the
next table's key as well, so that those that agree in more bits stand side by side (Ravichandran et al. 2005): each is compared with
the bucket's first and with the WINDOW before it, which is linear in the size of the bucket. In a corpus of N the order
takes over what `bits` leaves undivided: the bits that must agree are about log2(N / 8), if that is more.

Cosines are summed in a fixed order and told to six digits, what 32-bit vectors carry, so that a pair has one cosine whatever table
it was met in. Memory: in a task a shard of keys (SHARD) and a block of vectors (BLOCK); nothing here grows with the corpus.
On disk, until it is done: 4 * width bytes a document and 4 * tables, 1.5 kB at the defaults.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headwater.core.compiled import njit
from headwater.core.random import stream
from headwater.corpus.annotated import Annotated
from headwater.corpus.duplicates.candidates import save
from headwater.corpus.duplicates.config import Semantic
from headwater.corpus.duplicates.embed import Embed, embed, save_one
from headwater.corpus.duplicates.verify import Run

WINDOW = 8
SHARD = 1 << 22
"""Keys that a task sorts at once: about 250 MB."""
BLOCK = 1 << 26
"""Bytes of vectors that are held at once."""
TOGETHER = 8
"""Tables that a task does one after another in a small corpus."""
DIGITS = 6


@dataclass(frozen=True)
class Sign:
    """A task: the keys of one part's documents."""

    part: Embed
    tables: int
    bits: int

    @property
    def path(self) -> Path:
        return _keys(self.part)


@dataclass(frozen=True)
class Neighbours:
    """A task: the pairs of some tables, of one shard of their keys."""

    parts: tuple[Embed, ...]
    first: int
    last: int
    """Tables from `first` to before `last`."""
    tables: int
    shard: int
    shards: int
    threshold: float
    scratch: Path

    @property
    def path(self) -> Path:
        return self.scratch / f"alike-{self.first:04d}-{self.shard:04d}.npz"


def ties(annotated: Annotated, config: Semantic, passed_over: Path, scratch: Path,
         run: Run) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:  # fmt: skip
    """`(left int64, right int64, cosine float64)` by task; a pair may come more than once."""
    parts = embed(annotated, config.embedding, passed_over, scratch, run)
    run(sign_part, [Sign(part, config.tables, config.bits) for part in parts], "signing embeddings")
    tasks = tasks_of(annotated.count, parts, config, scratch)
    run(compare_some, tasks, "comparing embeddings")
    for task in tasks:
        with np.load(task.path) as arrays:
            yield arrays["left"], arrays["right"], arrays["cosine"]


def tasks_of(count: int, parts: list[Embed], config: Semantic, scratch: Path) -> list[Neighbours]:
    """`count` documents there are."""
    shards = max(1, -(-count // SHARD))
    together = max(1, min(TOGETHER, SHARD // (count + 1)))
    return [Neighbours(tuple(parts), first, min(first + together, config.tables), config.tables, shard, shards, config.threshold, scratch)
            for first in range(0, config.tables, together) for shard in range(shards)]  # fmt: skip


def sign_part(task: Sign) -> None:
    """Write uint32 [tables, documents]."""
    if task.path.exists():
        return
    vectors = np.load(task.part.vectors, mmap_mode="r")
    keys = np.zeros((task.tables, len(vectors)), np.uint32)
    if vectors.size:
        planes = planes_of(vectors.shape[1], task.tables * task.bits)
        step = max(1, BLOCK // (4 * vectors.shape[1]))
        for first in range(0, len(vectors), step):
            sign(np.array(vectors[first : first + step]), planes, task.bits, keys[:, first : first + step])
    save_one(task.path, keys)


def planes_of(width: int, count: int) -> np.ndarray:
    """float32 [width, count]: directions that are nobody's seed, the same in every run."""
    return stream(0, "corpus", "duplicates", "semantic", "hyperplanes").standard_normal((width, count), np.float32)


@njit(cache=True, nogil=True)
def sign(vectors: np.ndarray, planes: np.ndarray, bits: int, keys: np.ndarray) -> None:
    """Write the keys [tables, rows] of vectors [rows, width]; bit n of a key is 1 on the plane's own side."""
    sides = np.empty(planes.shape[1], np.float32)
    for row in range(len(vectors)):
        sides[:] = 0
        for dimension in range(len(planes)):
            value = vectors[row, dimension]
            for plane in range(len(sides)):
                sides[plane] += value * planes[dimension, plane]
        for table in range(len(keys)):
            key = np.uint32(0)
            for bit in range(bits):
                key = np.uint32(key << np.uint32(1)) | np.uint32(sides[table * bits + bit] > 0)
            keys[table, row] = key


def compare_some(task: Neighbours) -> None:
    if task.path.exists():
        return
    starts = np.concatenate([[0], np.cumsum([len(np.load(part.places, mmap_mode="r")) for part in task.parts])]).astype(np.int64)
    found = [pair for table in range(task.first, task.last) for pair in _of_table(task, table, starts)]
    left, right, cosine = (np.concatenate([pair[index] for pair in found]) for index in range(3))
    save(task.path, left=left, right=right, cosine=cosine)


def _of_table(task: Neighbours, table: int, starts: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pairs of one table, a block after the other. `starts` [parts + 1]: rows of vectors before each part."""
    yield np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    rows, buckets = _sorted(task, table, starts)
    if not len(rows):
        return
    first = np.maximum.accumulate(np.where(np.concatenate([[True], buckets[1:] != buckets[:-1]]), np.arange(len(rows)), 0))
    width = next(vectors.shape[1] for part in task.parts if len(vectors := np.load(part.vectors, mmap_mode="r")))
    step = max(1, BLOCK // (4 * width))
    for begin in range(0, len(rows), step):
        before, end = max(0, begin - WINDOW), min(begin + step, len(rows))
        held = np.concatenate([first[begin : begin + 1], np.arange(before, end)])  # the first of a bucket that goes on stands in front
        vectors, places = _read(task, rows[held], starts, width)
        heads = np.where(first[begin:end] < before, 0, first[begin:end] - before + 1)
        lengths = np.arange(begin, end) - first[begin:end]
        found = np.minimum(np.round(cosines(vectors, begin - before + 1, heads, lengths), DIGITS), 1.0)
        row, column = np.nonzero(found >= task.threshold)
        right = row + begin - before + 1
        left = np.where(column == WINDOW, heads[row], right - column - 1)
        some = places[left] != places[right]
        pairs = places[left[some]], places[right[some]]
        yield np.minimum(*pairs), np.maximum(*pairs), found[row[some], column[some]]


@njit(cache=True, nogil=True)
def cosines(vectors: np.ndarray, begin: int, heads: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """float64 [rows, WINDOW + 1]: of the vectors from `begin` on, with each of the WINDOW before it and with its bucket's first; -1: none.

    `heads` says where the first is, and `lengths` how many of the bucket stand before.
    """
    found = np.full((len(heads), WINDOW + 1), -1.0)
    for row in range(len(heads)):
        for back in range(min(WINDOW, lengths[row])):
            found[row, back] = dot(vectors[begin + row], vectors[begin + row - back - 1])
        if lengths[row] > WINDOW:
            found[row, WINDOW] = dot(vectors[begin + row], vectors[heads[row]])
    return found


@njit(cache=True, nogil=True)
def dot(a: np.ndarray, b: np.ndarray) -> float:
    """In float64 and four sums: an order that stays the same however it is compiled."""
    one, two, three, four = 0.0, 0.0, 0.0, 0.0
    whole = len(a) - len(a) % 4
    for place in range(0, whole, 4):
        one += np.float64(a[place]) * np.float64(b[place])
        two += np.float64(a[place + 1]) * np.float64(b[place + 1])
        three += np.float64(a[place + 2]) * np.float64(b[place + 2])
        four += np.float64(a[place + 3]) * np.float64(b[place + 3])
    for place in range(whole, len(a)):
        one += np.float64(a[place]) * np.float64(b[place])
    return (one + two) + (three + four)


def _sorted(task: Neighbours, table: int, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of vectors (over all parts) of the shard that share a key, in the order of (this table's key, the next one's); and the keys."""
    keys, rows = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for part, start in zip(task.parts, starts[:-1].tolist(), strict=True):
        both = np.load(_keys(part), mmap_mode="r")
        mine = both[table].astype(np.uint64)
        chosen = np.load(part.places) >= 0
        if task.shards > 1:
            chosen &= mine % np.uint64(task.shards) == task.shard
        beside = both[(table + 1) % task.tables].astype(np.uint64)
        keys.append(((mine << np.uint64(32)) | beside)[chosen])
        rows.append(np.flatnonzero(chosen) + start)
    key, row = np.concatenate(keys), np.concatenate(rows)
    order = np.argsort(key, kind="stable")
    key, row = key[order] >> np.uint64(32), row[order]
    same = key[1:] == key[:-1]
    shared = np.concatenate([same, [False]]) | np.concatenate([[False], same]) if len(key) else np.empty(0, bool)
    return row[shared], key[shared]


def _read(task: Neighbours, rows: np.ndarray, starts: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """`(vectors float32 [rows, width], places int64 [rows])`, each part opened once."""
    vectors, places = np.empty((len(rows), width), np.float32), np.empty(len(rows), np.int64)
    order = np.argsort(rows, kind="stable")
    borders = np.searchsorted(rows[order], starts)
    for number in np.flatnonzero(np.diff(borders)).tolist():
        here = order[borders[number] : borders[number + 1]]
        inside = rows[here] - starts[number]
        vectors[here] = np.load(task.parts[number].vectors, mmap_mode="r")[inside]
        places[here] = np.load(task.parts[number].places, mmap_mode="r")[inside]
    return vectors, places


def _keys(part: Embed) -> Path:
    return part.scratch / f"keys-{part.part:05d}.npy"
