"""Reading order as a pure function: which item is read at place `index` of an epoch.

A keyed permutation of 0 … n-1 (a Feistel network, walked until it lands inside), so that any place of any epoch is known
at once, with no list in memory and no state to save: resume, skip and replay are arithmetic, and neither workers nor
their number can change the order. (Black and Rogaway 2002, "Ciphers with arbitrary finite domains", method 2.)
"""

from __future__ import annotations

from headwater.core.random import key_bits

ROUNDS = 6
MASK64 = (1 << 64) - 1


class Permutation:
    """A permutation of range(size) chosen by `(seed, *key)`; `order[i]` costs a few multiplications."""

    def __init__(self, size: int, seed: int, *key: str | int) -> None:
        assert size > 0, "a permutation of nothing"
        self.size = size
        self._half = max(1, ((size - 1).bit_length() + 1) // 2)
        self._keys = [key_bits(seed, *key, "round", number) & MASK64 for number in range(ROUNDS)]

    def __getitem__(self, index: int) -> int:
        assert 0 <= index < self.size, "outside the permutation"
        while True:
            index = self._shuffle(index)
            if index < self.size:
                return index

    def _shuffle(self, value: int) -> int:
        """A bijection of 2·half bits: each round mixes one half into the other, which can be undone, so nothing collides."""
        mask = (1 << self._half) - 1
        left, right = value >> self._half, value & mask
        for key in self._keys:
            left, right = right, left ^ (_mix(right ^ key) & mask)
        return left << self._half | right


def _mix(value: int) -> int:
    """splitmix64's finaliser (Steele et al. 2014): each input bit moves each output bit about half the time."""
    value = (value + 0x9E3779B97F4A7C15) & MASK64
    value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) & MASK64
    value = ((value ^ value >> 27) * 0x94D049BB133111EB) & MASK64
    return value ^ value >> 31
