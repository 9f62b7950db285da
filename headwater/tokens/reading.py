"""The order of reading: which window of the token stream stands at place `index` of the whole run.

A pure function of `(seed, index)`: epoch and place follow by division, the place goes through that epoch's permutation, and
each epoch cuts the stream at another offset, so that the same text is seen in other windows. (curriculum.py has further orders.)
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from headwater.core.errors import HeadwaterError
from headwater.core.random import key_bits
from headwater.tokens.order import Permutation

Ids = np.ndarray[Any, Any]


class Text(Protocol):
    """A stream of tokens of which somebody knows the documents: tokens/shards.py, or some of its documents in another order."""

    @property
    def tokens(self) -> Any:
        """What a slice of is ids."""
        ...

    def __len__(self) -> int: ...

    def documents_between(self, start: int, stop: int) -> list[str]: ...


class Reading(Protocol):
    """Windows of `length + 1` tokens by their place in the run: `length` inputs and, one place ahead, `length` targets."""

    length: int

    @property
    def per_epoch(self) -> int:
        """Windows that the whole text has."""
        ...

    def window(self, index: int) -> Ids: ...

    def documents_of(self, index: int, start: int, stop: int) -> list[str]:
        """Ids of the documents of its tokens start … stop-1."""
        ...


class Windows:
    """Every window once an epoch. `order` is shuffled, drawn (each begins anywhere) or as_it_stands."""

    def __init__(self, text: Text, length: int, seed: int, order: str = "shuffled") -> None:
        if len(text) <= length:
            raise HeadwaterError(
                f"a sequence of {length:,} tokens is longer than the training text ({len(text):,} tokens)",
                where="pretrain.model.context",
                mend="shorten it, or give more text",
            )
        self.text, self.length, self.seed, self.order = text, length, seed, order
        whole = (len(text) - 1) // length
        self.per_epoch = whole if order == "as_it_stands" else max(1, whole - 1)
        self._offsets = len(text) - self.per_epoch * length  # the last one ends a window at the last token
        self._orders: dict[int, Permutation] = {}

    def start(self, index: int) -> int:
        """Where in the stream window `index` begins."""
        if self.order == "drawn":
            return key_bits(self.seed, "drawn", index) % (len(self.text) - self.length)
        epoch, place = divmod(index, self.per_epoch)
        if self.order == "as_it_stands":
            return place * self.length
        if epoch not in self._orders:
            self._orders = {epoch: Permutation(self.per_epoch, self.seed, "order", epoch)}
        offset = key_bits(self.seed, "offset", epoch) % self._offsets
        return offset + self._orders[epoch][place] * self.length

    def window(self, index: int) -> Ids:
        start = self.start(index)
        ids: Ids = self.text.tokens[start : start + self.length + 1]
        return ids

    def documents_of(self, index: int, start: int, stop: int) -> list[str]:
        begin = self.start(index)
        return self.text.documents_between(begin + start, begin + stop)

    def rows(self, first: int, count: int) -> Ids:
        """Windows first … first+count-1 as [count, length + 1] ids."""
        return np.stack([self.window(index) for index in range(first, first + count)])

    def documents(self, first: int, count: int) -> list[str]:
        """Ids of the documents that stand in these windows."""
        found = [id for index in range(first, first + count) for id in self.documents_of(index, 0, self.length + 1)]
        return list(dict.fromkeys(found))
