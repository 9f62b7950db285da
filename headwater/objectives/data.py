"""Which rows are read at a step? Batches of an objective over token shards, as a function of the step alone; and the fixed ones that
it is measured on.

    data = TextData(objective, Shards.open(folder, "train"), rows=lambda step: (step * 32, 32), seed=0)
    data.batch(step), data.documents(step)                  what the training loop asks for
    batches = held_out(objective, Shards.open(folder, "validation"), rows=256, batch_size=32, seed=0)

What is hidden in row `index` of the run is drawn from a stream keyed by that index, so that neither the batch it stands in nor the
number of workers can change it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from headwater.core.errors import HeadwaterError
from headwater.core.random import stream
from headwater.objectives.mixture import Mixture
from headwater.objectives.rows import Ids, Objective, make
from headwater.tokens.batch import Batch
from headwater.tokens.reading import Windows
from headwater.tokens.shards import Shards

Rows = Callable[[int], tuple[int, int]]  # step -> the first row that it reads, and how many


class TextData:
    """`rows` says which rows of the reading order a step takes (training/ramp.py where batches grow)."""

    def __init__(self, objective: Objective, shards: Shards, rows: Rows, seed: int) -> None:
        self.objective, self.rows, self.seed = objective, rows, seed
        self.windows = Windows(shards, objective.raw, seed)
        _enough(objective, self.windows.per_epoch, "training")

    def batch(self, step: int) -> Batch:
        first, count = self.rows(step)
        indices = range(first, first + count)
        objective = of_batch(self.objective, self.seed, step)
        texts = [[self._text(index) for index in self._read_for(row)[: objective.windows]] for row in indices]
        return make(objective, texts, [stream(self.seed, "objective", index) for index in indices])

    def documents(self, step: int) -> list[str]:
        """Ids of the documents that made the batch."""
        first, count = self.rows(step)
        windows = of_batch(self.objective, self.seed, step).windows
        found = [
            id
            for row in range(first, first + count)
            for window in self._read_for(row)[:windows]
            for id in self.windows.documents(window, 1)
        ]
        return list(dict.fromkeys(found))

    @property
    def rows_per_epoch(self) -> int:
        return self.windows.per_epoch

    def _read_for(self, row: int) -> list[int]:
        """The row's own window, and another of the same epoch for an objective that wants one from elsewhere."""
        if self.objective.windows == 1:
            return [row]
        epoch, per_epoch = row // self.windows.per_epoch, self.windows.per_epoch
        place = row - epoch * per_epoch
        away = 1 + int(stream(self.seed, "elsewhere", row).integers(max(1, per_epoch - 1)))
        return [row, epoch * per_epoch + (place + away) % per_epoch]

    def _text(self, window: int) -> Ids:
        ids: Ids = self.windows.rows(window, 1)[0].astype(np.int64)
        return ids


def of_batch(objective: Objective, seed: int, number: int) -> Objective:
    """What this batch is made by: where a mixture is drawn by batch, one of its parts."""
    if isinstance(objective, Mixture) and objective.by_batch:
        return objective.one(stream(seed, "mixture", number))
    return objective


def held_out(objective: Objective, shards: Shards, rows: int, batch_size: int, seed: int) -> list[Batch]:
    """At most `rows` rows evenly spaced over the split, with the same noise whenever they are asked for."""
    raw = objective.raw
    there = (len(shards) - 1) // raw
    if there < 1:
        raise HeadwaterError(
            f"the held-out text ({len(shards):,} tokens) is shorter than the {raw + 1:,} tokens of one row",
            where="validation", mend="hold out more text, or shorten the context",
        )  # fmt: skip
    _enough(objective, there, "held-out")
    count = min(rows, there)
    windows = [place * there // count for place in range(count)]

    def text(window: int) -> Ids:
        return np.asarray(shards.tokens[window * raw : (window + 1) * raw + 1], np.int64)

    batches = []
    for number, first in enumerate(range(0, count, batch_size)):
        places = range(first, min(first + batch_size, count))
        chosen = of_batch(objective, seed, number)
        read = [(windows[place], (windows[place] + there // 2) % there)[: chosen.windows] for place in places]
        texts = [[text(window) for window in each] for each in read]
        batches.append(make(chosen, texts, [stream(seed, "held out", place) for place in places]))
    return batches


def _enough(objective: Objective, windows: int, split: str) -> None:
    if windows < objective.windows:
        raise HeadwaterError(
            f"the {split} text has only one row, and this objective needs a second one from elsewhere",
            where="objective", mend="give more text, or shorten the context",
        )  # fmt: skip


def unigram_entropy(batches: Sequence[Batch]) -> float:
    """Nats per target of one who knows how often each token is a target here and nothing else: what a model must be better than."""
    targets = np.concatenate([batch.targets_BT.flatten().numpy() for batch in batches])
    weights = np.concatenate([batch.weights_BT.flatten().numpy() for batch in batches])
    counts = np.bincount(targets, weights)
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
