"""What hangs together, when the pairs are too many to be joined in one process? In: pairs of documents. Out: the least place of each group.

    scatter       the pairs, in both directions, to the partition of the document they start from (a hash of its place)
    large star    a document ties those of its neighbours that are greater than itself to the least of all
    small star    a document ties itself and those of its neighbours that are less to the least of them

Large and small stars in turn (the alternating algorithm of Kiveris et al. 2014, "Connected Components in MapReduce and Beyond",
section 3) keep together what hangs together, add no pair, and shorten a chain by half each time, until each group is one star
around its least place. A large star sees that before it changes anything: no document has both a lesser and a greater
neighbour, and none has two lesser ones; where that holds of all partitions, the pairs that came in are the answer.

A step is one task a partition; a task reads its partition out of each file of the step before, and writes one file. So a task
holds the pairs of a partition, at 50 bytes each way (all pairs of one document are in one partition, however many), and the
process that starts the tasks, beside the pairs that it was given, a chunk of them, and at last the groups. The union-find of
components.py is faster by far while it fits: one million random pairs took it 0.03 s, and the stars 16 steps and 2 s of one
core, a chain of a million 34 steps and 4.4 s. So `unite` decides by the number of pairs, which changes no group.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from headwater.corpus.duplicates.candidates import HALF, different, save, unpacked
from headwater.corpus.duplicates.components import join, roots
from headwater.corpus.duplicates.verify import Run

IN_MEMORY = 1 << 27
"""Pairs that are joined in this process."""
PARTITION = 1 << 23
"""Directed pairs (two a pair) of one partition, on average: about 440 MB."""
MOST = 2 * 32 * 32
"""Steps: a bound of the order log2(documents)**2 for the most documents there can be; a chain of 10,000 takes some 30."""
MIX = np.uint64(0x9E3779B97F4A7C15)
"""2**64 / golden ratio (Knuth, volume 3, section 6.4): neighbouring places go to different partitions."""


@dataclass(frozen=True)
class Star:
    """A task: one partition in one step."""

    folder: Path
    step: int
    """0: scatter; then large (odd) and small stars (even) in turn."""
    part: int
    parts: int

    @property
    def path(self) -> Path:
        return self.folder / f"step-{self.step:04d}" / f"{self.part:05d}.npz"

    @property
    def chunk(self) -> Path:
        return self.folder / f"pairs-{self.part:05d}.npz"


def unite(parent: np.ndarray, left: np.ndarray, right: np.ndarray, name: str, scratch: Path, run: Run) -> None:
    """Make one group of the groups of each pair: here, or by tasks if there are many; the groups are the same."""
    if len(left) <= IN_MEMORY:
        join(parent, left, right)
        return
    places, groups = components(roots(parent, left), roots(parent, right), name, scratch, run)
    parent[places] = groups


def components(left: np.ndarray, right: np.ndarray, name: str, scratch: Path, run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Places in groups of two or more, ascending, and the least place of the group of each; both int64."""
    folder, answer = scratch / f"stars-{name}", scratch / f"stars-{name}.npz"
    if not answer.exists():
        last = _steps(left, right, folder, run)
        found = [np.empty(0, np.uint64)]
        for task in last:
            with np.load(task.path) as arrays:
                found += [arrays[str(part)] for part in range(task.parts)]
        places, groups = unpacked(np.sort(np.concatenate(found)))
        least = different(groups)
        places, groups = np.concatenate([least, places]), np.concatenate([least, groups])
        order = np.argsort(places)
        save(answer, places=places[order], groups=groups[order])
    shutil.rmtree(folder, ignore_errors=True)
    with np.load(answer) as arrays:
        return arrays["places"], arrays["groups"]


def _steps(left: np.ndarray, right: np.ndarray, folder: Path, run: Run) -> list[Star]:
    """Do step after step; the tasks of the last one, a large star that changed nothing.

    A step begins when the one before is whole, and does away with the one before that. A run that was cut short goes on in the
    last step that was begun.
    """
    parts = max(1, -(-2 * len(left) // PARTITION))
    begun = sorted(folder.glob("step-*"))
    first = int(begun[-1].name.removeprefix("step-")) if begun else 0
    if not begun:
        folder.mkdir(parents=True, exist_ok=True)
        size = -(-len(left) // parts)
        for part in range(parts):
            some = slice(part * size, (part + 1) * size)
            save(Star(folder, 0, part, parts).chunk, pairs=_pack(left[some], right[some]))
    for step in range(first, MOST):
        tasks = [Star(folder, step, part, parts) for part in range(parts)]
        tasks[0].path.parent.mkdir(exist_ok=True)
        shutil.rmtree(Star(folder, step - 2, 0, parts).path.parent, ignore_errors=True)
        run((large_star if step % 2 else small_star) if step else scatter, tasks, "joining pairs")
        if step % 2 and all(_is_settled(task) for task in tasks):
            return tasks
    raise AssertionError(f"{len(left)} pairs are not joined after {MOST} steps")


def scatter(task: Star) -> None:
    """Of a chunk of the pairs. (A document paired with itself is of no harm: no large star lets it pass.)"""
    if task.path.exists():
        return
    with np.load(task.chunk) as arrays:
        left, right = unpacked(arrays["pairs"])
    _write(task, np.concatenate([_pack(left, right), _pack(right, left)]))


def large_star(task: Star) -> None:
    """Comes in: each document's neighbours. Goes out: to greater ones, who the least is."""
    if task.path.exists():
        return
    document, neighbour, first = _neighbours(task)
    least = np.minimum(document, _spread(neighbour, first))
    greater = neighbour > document
    chained = greater & (least < document)
    second = ~greater & ~first
    _write(task, _pack(neighbour[greater], least[greater]), settled=not (chained.any() or second.any()))


def small_star(task: Star) -> None:
    """Comes in: each document's lesser neighbours. Goes out: who the least of them is, to and from them and the document itself."""
    if task.path.exists():
        return
    document, neighbour, first = _neighbours(task)
    tied = np.where(first, document, neighbour)  # the first neighbour is the least itself, so the document takes its turn
    least = _spread(neighbour, first)
    _write(task, np.concatenate([_pack(tied, least), _pack(least, tied)]))


def _neighbours(task: Star) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`(document, neighbour, is it the document's first and least)` of each different pair of the partition, sorted."""
    found = []
    for part in range(task.parts):
        with np.load(Star(task.folder, task.step - 1, part, task.parts).path) as arrays:
            found.append(arrays[str(task.part)])
    document, neighbour = unpacked(different(np.concatenate(found)))
    first = np.ones(len(document), bool)
    first[1:] = document[1:] != document[:-1]
    return document, neighbour, first


def _spread(neighbour: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Of each pair, the least neighbour of its document."""
    least: np.ndarray = neighbour[first][np.cumsum(first) - 1]
    return least


def _write(task: Star, pairs: np.ndarray, settled: bool = False) -> None:
    """The different pairs, by the partition of the document that each starts from: array `p` goes to partition p."""
    pairs = different(pairs)
    part = ((((pairs >> HALF) * MIX) >> HALF) % np.uint64(task.parts)).astype(np.uint16)
    order = np.argsort(part, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(part, minlength=task.parts))])
    pairs = pairs[order]
    by_part = {str(number): pairs[bounds[number] : bounds[number + 1]] for number in range(task.parts)}
    save(task.path, settled=np.array(settled), **by_part)


def _is_settled(task: Star) -> bool:
    with np.load(task.path) as arrays:
        return bool(arrays["settled"])


def _pack(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    packed: np.ndarray = (start.astype(np.uint64) << HALF) | end.astype(np.uint64)
    return packed
