"""Orders of reading in which the text changes over the run: easy documents first, sources by weights.

In: token shards with their index of documents, an order's config, the length of a window, a seed. Out: `open_order`, windows by their
place in the run, each a pure function of `(seed, index)`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from headwater.core.errors import HeadwaterError, nearest
from headwater.core.random import key_bits
from headwater.tokens.order import Permutation
from headwater.tokens.order_config import EasyFirst, OrderConfig, Weighted
from headwater.tokens.reading import Ids, Reading, Windows
from headwater.tokens.shards import Shards

BLOCK = 512  # rows in which each source has its share to the row
AT_ONCE = 1 << 20  # tokens whose surprise is looked up at once
WHERE = "pretrain.order"


def open_order(config: OrderConfig, shards: Shards, length: int, seed: int) -> Reading:
    """The windows of a run. Raises HeadwaterError where a source is not there or has too little text."""
    if isinstance(config, EasyFirst):
        return Easing(config, shards, length, seed)
    if isinstance(config, Weighted):
        return Mixed(config, shards, length, seed)
    return Windows(shards, length, seed, config.kind)


class Rearranged:
    """Documents of a split one after the other, in the order given: a stream like the split's own. Nothing is copied but what is read."""

    def __init__(self, shards: Shards, chosen: Ids) -> None:
        self.shards, self.chosen = shards, chosen
        lengths = shards.documents.column("length").to_numpy()[chosen]
        self.ends = np.cumsum(lengths)
        self.begins = self.ends - lengths

    @property
    def tokens(self) -> Rearranged:
        return self

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def __getitem__(self, wanted: slice) -> Ids:
        start, stop = int(wanted.start), int(wanted.stop)
        pieces = []
        for place in self._places(start, stop):
            begin, from_here = int(self.begins[place]), int(self.shards.starts[self.chosen[place]])
            first, last = max(start, begin), min(stop, int(self.ends[place]))
            pieces.append(self.shards.tokens[from_here + first - begin : from_here + last - begin])
        return np.concatenate(pieces)

    def documents_between(self, start: int, stop: int) -> list[str]:
        ids = self.shards.documents.column("id")
        return [str(ids[int(self.chosen[place])].as_py()) for place in self._places(start, stop)]

    def _places(self, start: int, stop: int) -> range:
        return range(int(np.searchsorted(self.ends, start, side="right")), int(np.searchsorted(self.begins, stop, side="left")))


class Easing:
    """First from the easiest documents, then shuffled."""

    def __init__(self, config: EasyFirst, shards: Shards, length: int, seed: int) -> None:
        self.config, self.length, self.seed = config, length, seed
        self.after = Windows(shards, length, seed)
        hard = difficulty(shards, config.by)
        self.sorted = Windows(Rearranged(shards, np.argsort(hard, kind="stable")), length, seed, "as_it_stands")
        self.eased = math.ceil(config.over / length)

    @property
    def per_epoch(self) -> int:
        return self.after.per_epoch

    def competence(self, index: int) -> float:
        """The share of the text that a window is drawn from."""
        first = self.config.first**2
        return math.sqrt(min(1.0, index / self.eased) * (1 - first) + first)

    def window(self, index: int) -> Ids:
        where, place = self._at(index)
        return where.window(place)

    def documents_of(self, index: int, start: int, stop: int) -> list[str]:
        where, place = self._at(index)
        return where.documents_of(place, start, stop)

    def _at(self, index: int) -> tuple[Windows, int]:
        if index >= self.eased:
            return self.after, index - self.eased
        reach = max(1, math.ceil(self.competence(index) * self.sorted.per_epoch))
        return self.sorted, key_bits(self.seed, "easy", index) % reach


def difficulty(shards: Shards, by: str) -> Ids:
    """One number a document, more for what is harder."""
    lengths = shards.documents.column("length").to_numpy()
    if by == "length":
        return np.asarray(lengths)
    counts = np.zeros(shards.vocab_size, np.int64)
    for first in range(0, len(shards), AT_ONCE):
        counts += np.bincount(shards.tokens[first : first + AT_ONCE], minlength=shards.vocab_size)
    surprise = -np.log(np.maximum(counts, 1) / counts.sum())
    sums = [float(surprise[shards.tokens[start : start + length]].sum()) for start, length in zip(shards.starts, lengths, strict=True)]
    means: Ids = np.asarray(sums) / np.maximum(lengths, 1)
    return means


class Mixed:
    """Of each `BLOCK` rows every source has its share, in an order drawn for the block; a source's own rows are shuffled."""

    def __init__(self, config: Weighted, shards: Shards, length: int, seed: int) -> None:
        self.length, self.seed = length, seed
        names = shards.documents.column("source").to_pylist()
        for share in config.shares:
            for name in share.weights:
                if name not in names:
                    raise HeadwaterError(f"the text has no source '{name}'", where=WHERE, mend=nearest(name, {str(name) for name in names}))
        self.names = sorted({name for share in config.shares for name, weight in share.weights.items() if weight})
        self.sources = [_of_source(shards, np.flatnonzero(np.asarray(names) == name), name, length, seed) for name in self.names]
        self.quotas = [shares_of(share.weights, self.names) for share in config.shares]
        self.begins = [0, *(math.ceil(share.until / length) for share in config.shares if share.until is not None)]
        self.before = [[0] * len(self.names)]
        for stage, (begin, end) in enumerate(zip(self.begins, self.begins[1:], strict=False)):
            self.before.append([read + more for read, more in zip(self.before[-1], self._read(stage, end - begin), strict=True)])

    @property
    def per_epoch(self) -> int:
        return sum(source.per_epoch for source in self.sources)

    def window(self, index: int) -> Ids:
        source, place = self.at(index)
        return self.sources[source].window(place)

    def documents_of(self, index: int, start: int, stop: int) -> list[str]:
        source, place = self.at(index)
        return self.sources[source].documents_of(place, start, stop)

    def at(self, index: int) -> tuple[int, int]:
        """Which source is read, and its how-manieth window."""
        stage = sum(begin <= index for begin in self.begins) - 1
        place = index - self.begins[stage]
        source = int(self._block(stage, place // BLOCK)[place % BLOCK])
        return source, self.before[stage][source] + self._read(stage, place)[source]

    def _read(self, stage: int, rows: int) -> list[int]:
        """Windows of each source that the first `rows` rows of a stage read."""
        blocks, rest = divmod(rows, BLOCK)
        begun = np.bincount(self._block(stage, blocks)[:rest], minlength=len(self.names)) if rest else [0] * len(self.names)
        return [blocks * quota + int(more) for quota, more in zip(self.quotas[stage], begun, strict=True)]

    @functools.lru_cache(maxsize=64)  # noqa: B019 (as long-lived as the run)
    def _block(self, stage: int, block: int) -> np.ndarray[Any, Any]:
        """The source of each row of a block."""
        order = Permutation(BLOCK, self.seed, "block", stage, block)
        dealt = np.repeat(np.arange(len(self.names)), self.quotas[stage])
        shuffled: Ids = dealt[[order[place] for place in range(BLOCK)]]
        return shuffled


def shares_of(weights: Mapping[str, float], names: list[str]) -> list[int]:
    """`BLOCK` rows by weights: whole numbers by largest remainder, and one row at least for each weight above 0."""
    total = sum(weights.values())
    exact = [BLOCK * weights.get(name, 0.0) / total for name in names]
    rows = [max(math.floor(share), int(share > 0)) for share in exact]
    while sum(rows) != BLOCK:
        step = 1 if sum(rows) < BLOCK else -1
        chosen = max((place for place, share in enumerate(exact) if share > 0), key=lambda place: step * (exact[place] - rows[place]))
        rows[chosen] += step
    return rows


def _of_source(shards: Shards, documents: Ids, name: str, length: int, seed: int) -> Windows:
    text = Rearranged(shards, documents)
    if len(text) <= length:
        raise HeadwaterError(
            f"the source '{name}' has {len(text):,} tokens, fewer than the {length + 1:,} of one row", where=WHERE,
            mend="leave it out, or shorten the context",
        )  # fmt: skip
    return Windows(text, length, key_bits(seed, "source", name))
