"""What does a classifier see of a text? In: texts as UTF-8 in Arrow's memory. Out: sparse rows of hashed n-grams (CSR):

    starts int64 [N + 1], buckets int32 [F], values float32 [F]        row n: starts[n] to starts[n + 1]

Tokens are words (in small letters), single characters of scripts without spaces, and signs. n-grams of words reach over
signs; n-grams of characters are of neighbours. `mean`: values are shares that add up to one (fastText's average), else
1 + ln(count), each row of length one.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import numpy as np

from headwater.core.compiled import njit
from headwater.core.kept import kept
from headwater.corpus.classify.config import Features

END = 0x30000
SPACE, WORD, CHARACTER, SIGN = range(4)
SPACELESS = ((0xE00, 0xFFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF),
             (0xFF66, 0xFF9F), (0x20000, 0x2FFFF))  # fmt: skip
"""Thai, Lao, Tibetan, Burmese, Khmer, kana, Han."""
BASE = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Rows:
    """Sparse rows, as above."""

    starts: np.ndarray
    buckets: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    def take(self, rows: np.ndarray) -> Rows:
        return Rows(*_take(self.starts, self.buckets, self.values, rows))


def joined(parts: list[Rows]) -> Rows:
    """The rows of all parts, in order."""
    sizes = np.concatenate([np.diff(part.starts) for part in parts]) if parts else np.empty(0, np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    buckets = np.concatenate([part.buckets for part in parts]) if parts else np.empty(0, np.int32)
    return Rows(starts, buckets, np.concatenate([part.values for part in parts]) if parts else np.empty(0, np.float32))


def features(data: np.ndarray, offsets: np.ndarray, config: Features, mean: bool) -> Rows:
    kinds, small = tables()
    return Rows(*_features(data, offsets, kinds, small, config.words, config.characters, config.bits, config.limit, mean))


@kept
def tables() -> tuple[np.ndarray, np.ndarray]:
    """`(kind uint8, small letter int32)` of every character below END; what has no single small letter is its own."""
    kinds = np.full(END, SIGN, np.uint8)
    small = np.arange(END, dtype=np.int32)
    for point in range(END):
        character = chr(point)
        if character.isalnum() or unicodedata.category(character)[0] == "M":  # accents and vowel signs are part of their word
            kinds[point] = WORD
            lower = character.lower()
            if len(lower) == 1:
                small[point] = ord(lower)
        elif not character.isprintable() or character == " ":
            kinds[point] = SPACE
    for first, last in SPACELESS:
        block = kinds[first : last + 1]
        block[block == WORD] = CHARACTER
    return kinds, small


@njit(cache=True, nogil=True)
def _take(starts: np.ndarray, buckets: np.ndarray, values: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """These rows, in this order, without an index of every feature between."""
    new_starts = np.zeros(len(rows) + 1, np.int64)
    for place in range(len(rows)):
        new_starts[place + 1] = new_starts[place] + starts[rows[place] + 1] - starts[rows[place]]
    new_buckets, new_values = np.empty(new_starts[-1], buckets.dtype), np.empty(new_starts[-1], values.dtype)
    for place in range(len(rows)):
        new_buckets[new_starts[place] : new_starts[place + 1]] = buckets[starts[rows[place]] : starts[rows[place] + 1]]
        new_values[new_starts[place] : new_starts[place + 1]] = values[starts[rows[place]] : starts[rows[place] + 1]]
    return new_starts, new_buckets, new_values


@njit(cache=True, nogil=True)
def _mix(value: np.uint64) -> np.uint64:
    """A bijection of 64 bits (splitmix64's finalizer)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@njit(cache=True, nogil=True)
def _tokens(data: np.ndarray, at: int, end: int, kinds: np.ndarray, small: np.ndarray, hashes: np.ndarray, types: np.ndarray) -> int:
    """Fill in the hash and the kind of each token; returns how many there are (at most the arrays' length)."""
    count = 0
    word = np.uint64(0)
    inside = False
    while at <= end and count < len(hashes):
        if at == end:
            point, at = np.int64(10), at + 1
        elif data[at] < 0x80:
            point, at = np.int64(data[at]), at + 1
        elif data[at] < 0xE0:
            point, at = (np.int64(data[at] & 0x1F) << 6) | (data[at + 1] & 0x3F), at + 2
        elif data[at] < 0xF0:
            point, at = (np.int64(data[at] & 0x0F) << 12) | (np.int64(data[at + 1] & 0x3F) << 6) | (data[at + 2] & 0x3F), at + 3
        else:
            point = (np.int64(data[at] & 0x07) << 18) | (np.int64(data[at + 1] & 0x3F) << 12)
            point, at = point | (np.int64(data[at + 2] & 0x3F) << 6) | (data[at + 3] & 0x3F), at + 4
        kind = kinds[point] if point < END else np.uint8(SIGN)
        if kind == WORD:
            word = _mix(word * BASE + np.uint64(small[point]) + np.uint64(1))
            inside = True
            continue
        if inside:
            hashes[count], types[count] = word, WORD
            count += 1
            word, inside = np.uint64(0), False
        if kind != SPACE and count < len(hashes):
            hashes[count], types[count] = _mix(np.uint64(point) + BASE), kind
            count += 1
    return count


@njit(cache=True, nogil=True)
def _features(
    data: np.ndarray,
    offsets: np.ndarray,
    kinds: np.ndarray,
    small: np.ndarray,
    words: int,
    characters: int,
    bits: int,
    limit: int,
    mean: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    total = len(offsets) - 1
    longest = max(words, characters)
    room = np.int64(0)
    for document in range(total):
        room += min(offsets[document + 1] - offsets[document] + 1, limit) * longest
    starts = np.zeros(total + 1, np.int64)
    buckets, values = np.empty(room, np.int32), np.empty(room, np.float32)
    counts = np.zeros(1 << bits, np.int32)
    hashes, types = np.empty(limit, np.uint64), np.empty(limit, np.uint8)
    filled = 0
    for document in range(total):
        first = filled
        count = _tokens(data, offsets[document], offsets[document + 1], kinds, small, hashes, types)
        for token in range(count):
            gram = np.uint64(0)
            reach = characters if types[token] == CHARACTER else words
            for back in range(min(reach, token + 1)):
                if back > 0 and (types[token - back] == CHARACTER) != (types[token] == CHARACTER):
                    break
                gram = _mix(gram * BASE + hashes[token - back] + np.uint64(back))
                bucket = np.int64(gram >> np.uint64(64 - bits))
                if counts[bucket] == 0:
                    buckets[filled] = bucket
                    filled += 1
                counts[bucket] += 1
        norm = 0.0
        for place in range(first, filled):
            times = counts[buckets[place]]
            counts[buckets[place]] = 0
            value = float(times) if mean else 1.0 + np.log(times)
            norm += value if mean else value * value
            values[place] = value
        if norm > 0:
            scale = 1.0 / (norm if mean else np.sqrt(norm))
            for place in range(first, filled):
                values[place] *= scale
        starts[document + 1] = filled
    return starts, buckets[:filled].copy(), values[:filled].copy()
