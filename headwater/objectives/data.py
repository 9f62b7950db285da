"""Which rows are read at a step? Batches of an objective over token shards, as a function of the step alone; and the fixed ones that
it is measured on.

    data = TextData(objective, Shards.open(folder, "train"), rows=Sizes(32, objective.raw).rows, seed=0)
    data.batch(step), data.documents(step)                  what the training loop asks for
    batches = held_out(objective, Shards.open(folder, "validation"), rows=256, batch_size=32, seed=0)

What is hidden in row `index` of the run is drawn from a stream keyed by that index, so that neither the batch it stands in nor the
number of workers can change it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from headwater.core.errors import HeadwaterError
from headwater.core.random import stream
from headwater.objectives.mixture import Mixture
from headwater.objectives.rows import Ids, Objective, make
from headwater.tokens.batch import Batch
from headwater.tokens.curriculum import open_order
from headwater.tokens.order_config import OrderConfig, Shuffled
from headwater.tokens.shards import Shards

COUNTED = 25  # targets for each token of a vocabulary, from which frequencies are taken
BEGINNING = 100  # tokens that are told of a document
Rows = Callable[[int], tuple[int, int]]  # step -> the first row that it reads, and how many


class Piece(Protocol):
    """What a step reads where rows may be short: so many rows of at most `length` tokens, from the `first`-th token of the order on."""

    @property
    def first(self) -> int: ...

    @property
    def rows(self) -> int: ...

    @property
    def length(self) -> int: ...


Pieces = Callable[[int], Piece]


class TextData:
    """`rows` says which rows of the reading order a step takes (training/ramp.py). `pieces`, for an objective of plain text, says the
    same where rows are cut short: the order goes on from token to token, and each is read once all the same."""

    def __init__(
        self,
        objective: Objective,
        shards: Shards,
        rows: Rows,
        seed: int,
        *,
        order: OrderConfig | None = None,
        pieces: Pieces | None = None,
        decode: Callable[[list[int]], str] | None = None,
    ) -> None:
        self.objective, self.rows, self.seed, self.pieces, self.shards, self.decode = objective, rows, seed, pieces, shards, decode
        self.windows = open_order(order or Shuffled(), shards, objective.raw, seed)
        _enough(objective, self.windows.per_epoch, "training")

    def batch(self, step: int) -> Batch:
        if self.pieces is not None:
            return self._cut(self.pieces(step))
        first, count = self.rows(step)
        indices = range(first, first + count)
        objective = of_batch(self.objective, self.seed, step)
        texts = [[self._text(index) for index in self._read_for(row)[: objective.windows]] for row in indices]
        return make(objective, texts, [stream(self.seed, "objective", index) for index in indices])

    def documents(self, step: int) -> list[str]:
        """Ids of the documents that made the batch."""
        return list(dict.fromkeys(id for row in self.row_documents(step) for id in row))

    def row_documents(self, step: int) -> list[list[str]]:
        """The same, row by row."""
        first, count = self.rows(step)
        windows, raw = of_batch(self.objective, self.seed, step).windows, self.objective.raw
        whole = ([(window, 0, raw) for window in self._read_for(row)[:windows]] for row in range(first, first + count))
        rows = whole if self.pieces is None else ([place] for place in self._places(self.pieces(step)))
        of = self.windows.documents_of
        return [list(dict.fromkeys(id for window, start, size in row for id in of(window, start, start + size + 1))) for row in rows]

    def about(self, ids: list[str]) -> dict[str, dict[str, str]]:
        """Source and beginning of documents of the text."""
        found = self.shards.about(ids)
        return {id: {"source": source, **self._beginning(start, length - 1)} for id, (source, start, length) in found.items()}

    def _beginning(self, start: int, length: int) -> dict[str, str]:
        if self.decode is None:
            return {}
        return {"text": self.decode(self.shards.tokens[start : start + min(length, BEGINNING)].tolist())}

    def _cut(self, piece: Piece) -> Batch:
        """Rows of at most `length` tokens; the last of a window may be shorter."""
        made_by = dataclasses.replace(self.objective, raw=piece.length)  # type: ignore[type-var]  # (all objectives are dataclasses)
        texts, streams = [], []
        for window, start, size in self._places(piece):
            texts.append([self._text(window)[start : start + size + 1]])
            key = (window,) if size == self.objective.raw else (window, start)
            streams.append(stream(self.seed, "objective", *key))
        return make(made_by, texts, streams)

    def _places(self, piece: Piece) -> Iterator[tuple[int, int, int]]:
        """Each row's window, its first token in it and how many it has."""
        place, raw = piece.first, self.objective.raw
        for _ in range(piece.rows):
            window, start = divmod(place, raw)
            size = min(piece.length, raw - start)
            yield window, start, size
            place += size

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
        ids: Ids = self.windows.window(window).astype(np.int64)
        if (largest := int(ids.max())) >= self.shards.vocab_size:
            raise HeadwaterError(
                f"the training text has the token {largest:,}, and its vocabulary {self.shards.vocab_size:,}", where="tokens",
                mend="the file was damaged: delete its folder and run again",
            )  # fmt: skip
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


def unigram_loss(held: Sequence[Batch], objective: Objective, learned: Shards, vocabulary: int, seed: int) -> float:
    """Nats per target of held-out rows for one who has counted how often each token is a target in the text that is `learned`, and
    knows nothing else: what a model must be better than.

    The entropy of the held-out targets themselves would be too low a mark: 2,400 targets of a vocabulary of 4,096 have 6.20 nats, and
    whoever knows the frequencies of the whole text loses 6.68 on them. `COUNTED` targets a token of the vocabulary are counted, each
    token once more than it stood there.
    """
    a_row = sum(batch.weight for batch in held) / sum(len(batch) for batch in held)
    text = held_out(objective, learned, math.ceil(COUNTED * vocabulary / a_row), 64, seed)
    frequencies = _counts(text, vocabulary) + 1
    counts = _counts(held, vocabulary)
    return float(-(counts * np.log(frequencies / frequencies.sum())).sum() / counts.sum())


def _counts(batches: Sequence[Batch], vocabulary: int) -> npt.NDArray[np.float64]:
    """How often each token is a target, by weight."""
    counts = np.zeros(vocabulary)
    for batch in batches:
        counts += np.bincount(batch.targets_BT.flatten().numpy(), batch.weights_BT.flatten().numpy(), vocabulary)
    return counts


def unigram_entropy(batches: Sequence[Batch]) -> float:
    """Nats per target of one who knows how often each token is a target in these very batches and nothing else."""
    targets = np.concatenate([batch.targets_BT.flatten().numpy() for batch in batches])
    weights = np.concatenate([batch.weights_BT.flatten().numpy() for batch in batches])
    counts = np.bincount(targets, weights)
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
