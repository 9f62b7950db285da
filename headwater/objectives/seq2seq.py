"""Sequence to sequence: write a target from its source (Sutskever et al. 2014), taught by the given target (teacher forcing) or, where a
decay says so, by the model's own words more and more (scheduled sampling, Bengio et al. 2015).

    pairs of ids  ->  rows of one pair, or of several short ones that see only themselves, as objectives/pairs.py lays them

Both sides are closed by the end token. Legend: B rows, T positions.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from headwater.core.errors import HeadwaterError
from headwater.core.random import stream
from headwater.model.config import ModelConfig
from headwater.objectives.config import Decay, Seq2Seq
from headwater.objectives.data import Rows
from headwater.objectives.pairs import learned_after
from headwater.objectives.rows import Ids, Layout, Row, lay
from headwater.objectives.specials import Specials
from headwater.objectives.table import one_row
from headwater.tokens.batch import Batch
from headwater.tokens.order import Permutation

Pair = tuple[Sequence[int], Sequence[int]]  # ids of a source and of its target, without end tokens

OPEN_ROWS = 64  # rows that packing looks back at, so that a million pairs take seconds


@dataclass(frozen=True)
class PairRows:
    """How pairs stand in rows of `context` tokens: of one stack, or of an encoder and a decoder each."""

    context: int
    one_row: bool
    packed: bool
    end: int
    pad: int
    start: int

    @classmethod
    def of(cls, config: Seq2Seq, model: ModelConfig, specials: Specials) -> PairRows:
        return cls(model.context, one_row(model), config.packed, specials["end"], specials["pad"], specials.start)

    @property
    def layout(self) -> Layout:
        packed = {"positions", "segments"} if self.packed else set()
        if self.one_row:
            return Layout(self.context, self.pad, apart=self.packed, fields=frozenset({"prefix", "segments", *packed}))
        fields = frozenset({"source_segments", *(("source_positions", *packed) if self.packed else ())})
        return Layout(self.context, self.pad, apart=self.packed, fields=fields, source_length=self.context)

    def sizes(self, pair: Pair) -> tuple[int, ...]:
        """Tokens that the pair takes of each kind of row."""
        source, target = len(pair[0]) + 1, len(pair[1]) + 1
        return (source + target - 1,) if self.one_row else (source, target)

    def fits(self, pair: Pair) -> bool:
        return max(self.sizes(pair)) <= self.context

    def grouped(self, pairs: Sequence[Pair]) -> list[list[int]]:
        """Which pairs share a row, in the given order: each goes into the first open row that has room."""
        if not self.packed:
            return [[item] for item in range(len(pairs))]
        rows: list[list[int]] = []
        free: list[list[int]] = []
        for item, pair in enumerate(pairs):
            sizes = self.sizes(pair)
            assert max(sizes) <= self.context, "a pair is longer than a row"
            open_rows = range(max(0, len(rows) - OPEN_ROWS), len(rows))
            row = next((row for row in open_rows if all(left >= size for left, size in zip(free[row], sizes, strict=True))), len(rows))
            if row == len(rows):
                rows.append([])
                free.append([self.context] * len(sizes))
            rows[row].append(item)
            free[row] = [left - size for left, size in zip(free[row], sizes, strict=True)]
        return rows

    def row(self, pairs: Sequence[Pair]) -> Row:
        closed = [tuple(np.array([*ids, self.end], np.int64) for ids in pair) for pair in pairs]
        pieces = [self._one_stack(*pair) if self.one_row else self._two_stacks(*pair) for pair in closed]
        joined: dict[str, Any] = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
        for name, of in (("segments", "tokens"), ("source_segments", "source")):
            if of in joined:
                joined[name] = np.repeat(np.arange(1, len(pieces) + 1), [len(piece[of]) for piece in pieces])
        return Row(**joined)

    def _one_stack(self, source: Ids, target: Ids) -> dict[str, Ids]:
        both = np.concatenate([source, target])
        places = np.arange(len(both) - 1)
        weights = learned_after(len(source), len(places))
        return {"tokens": both[:-1], "targets": both[1:], "weights": weights, "positions": places, "prefix": places < len(source)}

    def _two_stacks(self, source: Ids, target: Ids) -> dict[str, Ids]:
        tokens = np.concatenate([[self.start], target[:-1]])
        places = {"positions": np.arange(len(tokens)), "source_positions": np.arange(len(source))}
        return {"tokens": tokens, "targets": target, "weights": np.ones(len(target), np.float32), "source": source, **places}


class PairData:
    """Batches of pairs as a function of the step: grouped into rows once, in an order of their own each epoch."""

    def __init__(self, pairs: Sequence[Pair], ids: Sequence[str], how: PairRows, rows: Rows, seed: int, decay: Decay | None = None) -> None:
        kept = [item for item, pair in enumerate(pairs) if how.fits(pair) and len(pair[1])]
        if not kept:
            raise HeadwaterError(f"none of the {len(pairs):,} pairs fits into rows of {how.context} tokens", where="objective",
                                 mend="lengthen the model's context, or give shorter pairs")  # fmt: skip
        self.left_out = len(pairs) - len(kept)
        order = Permutation(len(kept), seed, "pairs")
        shuffled = [kept[order[place]] for place in range(len(kept))]
        self.groups = [[shuffled[item] for item in row] for row in how.grouped([pairs[item] for item in shuffled])]
        self.pairs, self.ids, self.how, self.rows, self.seed, self.decay = pairs, ids, how, rows, seed, decay

    @property
    def rows_per_epoch(self) -> int:
        return len(self.groups)

    def batch(self, step: int) -> Batch:
        indices = self._indices(step)
        batch = lay([self.how.row([self.pairs[item] for item in self._group(index)]) for index in indices], self.how.layout)
        return batch if self.decay is None else with_own_places(batch, given_share(self.decay, step), self.seed, indices)

    def documents(self, step: int) -> list[str]:
        return [id for row in self.row_documents(step) for id in row]

    def row_documents(self, step: int) -> list[list[str]]:
        return [[self.ids[item] for item in self._group(index)] for index in self._indices(step)]

    def _indices(self, step: int) -> range:
        first, count = self.rows(step)
        return range(first, first + count)

    def _group(self, index: int) -> list[int]:
        epoch, place = divmod(index, len(self.groups))
        return self.groups[Permutation(len(self.groups), self.seed, "rows", epoch)[place]]


def held_out_pairs(pairs: Sequence[Pair], how: PairRows, batch_size: int) -> list[Batch]:
    """All that fit, in their order, always from the given target."""
    fitting = [pair for pair in pairs if how.fits(pair) and len(pair[1])]
    rows = [how.row([fitting[item] for item in group]) for group in how.grouped(fitting)]
    return [lay(rows[first : first + batch_size], how.layout) for first in range(0, len(rows), batch_size)]


def given_share(decay: Decay, step: int) -> float:
    """The probability that the decoder reads the given token (Bengio et al. 2015, section 2.4)."""
    if decay.shape == "linear":
        assert decay.steps is not None
        share = 1 - step / decay.steps
    else:
        assert decay.k is not None
        share = decay.k**step if decay.shape == "exponential" else decay.k / (decay.k + math.exp(min(step / decay.k, 700.0)))
    return max(decay.least, share)


def with_own_places(batch: Batch, given: float, seed: int, indices: Sequence[int]) -> Batch:
    """Marks the target tokens that are read as the model says them, row by row from streams of their own: a share 1 - `given`."""
    T = batch.targets_BT.shape[1]
    drawn_BT = torch.from_numpy(np.stack([stream(seed, "own words", index).random(T) for index in indices])) >= given
    # A token that is read was a target one place before, in the same document.
    read_BT = torch.zeros_like(drawn_BT)
    read_BT[:, 1:] = (batch.weights_BT[:, :-1] > 0) & (batch.targets_BT[:, :-1] == batch.inputs.tokens_BT[:, 1:])
    if (segments_BT := batch.inputs.segments_BT) is not None:
        read_BT[:, 1:] &= segments_BT[:, :-1] == segments_BT[:, 1:]
    return dataclasses.replace(batch, own_BT=drawn_BT & read_BT)
