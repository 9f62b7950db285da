"""The order of reading: which window of the token stream stands at place `index` of the whole run.

A pure function of `(seed, index)`: epoch and place follow by division, the place goes through that epoch's permutation, and
each epoch cuts the stream at another offset, so that the same text is seen in other windows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from headwater.core.errors import HeadwaterError
from headwater.core.random import key_bits
from headwater.tokens.order import Permutation
from headwater.tokens.shards import Shards


class Windows:
    """Windows of `length + 1` tokens: `length` inputs and, one place ahead, `length` targets."""

    def __init__(self, shards: Shards, length: int, seed: int) -> None:
        if len(shards) <= length:
            raise HeadwaterError(
                f"a sequence of {length:,} tokens is longer than the training text ({len(shards):,} tokens)",
                where="pretrain.model.context",
                mend="shorten it, or give more text",
            )
        self.shards, self.length, self.seed = shards, length, seed
        whole = (len(shards) - 1) // length
        self.per_epoch = max(1, whole - 1)
        self._offsets = len(shards) - self.per_epoch * length  # the last one ends a window at the last token
        self._orders: dict[int, Permutation] = {}

    def start(self, index: int) -> int:
        """Where in the stream window `index` begins."""
        epoch, place = divmod(index, self.per_epoch)
        if epoch not in self._orders:
            self._orders = {epoch: Permutation(self.per_epoch, self.seed, "order", epoch)}
        offset = key_bits(self.seed, "offset", epoch) % self._offsets
        return offset + self._orders[epoch][place] * self.length

    def rows(self, first: int, count: int) -> np.ndarray[Any, Any]:
        """Windows first … first+count-1 as [count, length + 1] ids."""
        starts = (self.start(index) for index in range(first, first + count))
        return np.stack([self.shards.tokens[start : start + self.length + 1] for start in starts])

    def documents(self, first: int, count: int) -> list[str]:
        """Ids of the documents that stand in these windows."""
        found: dict[str, None] = {}
        for index in range(first, first + count):
            start = self.start(index)
            found.update(dict.fromkeys(self.shards.documents_between(start, start + self.length + 1)))
        return list(found)
