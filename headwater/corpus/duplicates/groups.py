"""Which documents say the same as another? In: digests, band keys and a way to read texts. Out: who is removed for whom.

Exact: equal xxh3-128 of the normalised text. Near: a shared MinHash band proposes a pair, the true Jaccard similarity of
the two texts decides, and what hangs together by such pairs is one group (union-find). Of a group the best stays: the
longest, then the one with the least id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import xxhash

from headwater.corpus.duplicates.config import Near

SETS = 2048
"""Shingle sets kept at hand while pairs are verified."""


@dataclass(frozen=True)
class Twin:
    """Why a document goes: the one that stays in its place, and their similarity (of a chain: to the link that tied it)."""

    kept: int
    similarity: float


def digest(text: str) -> bytes:
    return xxhash.xxh3_128_digest(text.encode())


def exact_duplicates(digests: Sequence[bytes], ids: Sequence[str]) -> dict[int, Twin]:
    """`{place: Twin}` of every document whose digest another has; equal texts are equally long, so the least id stays."""
    best: dict[bytes, int] = {}
    for place, key in enumerate(digests):
        if key not in best or ids[place] < ids[best[key]]:
            best[key] = place
    return {place: Twin(best[key], 1.0) for place, key in enumerate(digests) if best[key] != place}


def near_duplicates(keys: np.ndarray, lengths: Sequence[int], ids: Sequence[str], text_at: Callable[[int], str], config: Near,
                    progress: Callable[[], None] = lambda: None) -> dict[int, Twin]:  # fmt: skip
    """`{place: Twin}` of near duplicates; `keys` is uint64 [N, bands] from minhash.band_keys.

    Within a bucket each document is compared with one member of each group found there so far, so that a bucket of ten
    thousand copies costs ten thousand comparisons and not fifty million.
    """
    from headwater.corpus.duplicates.minhash import jaccard, shingle_set

    groups = Groups(len(ids))
    strongest = np.zeros(len(ids))
    sets = lru_cache(maxsize=SETS)(lambda place: shingle_set(text_at(place), config.shingle))
    apart: set[tuple[int, int]] = set()
    for bucket in _buckets(keys, progress):
        leaders = [bucket[0]]
        for place in bucket[1:]:
            for leader in leaders:
                if groups.root(leader) == groups.root(place):
                    break
                if (leader, place) in apart:
                    continue
                similarity = float(jaccard(sets(leader), sets(place)))
                if similarity >= config.threshold:
                    groups.join(leader, place)
                    strongest[[leader, place]] = np.maximum(strongest[[leader, place]], similarity)
                    break
                apart.add((leader, place))
            else:
                leaders.append(place)
    return {place: Twin(best, float(strongest[place])) for place, best in groups.best(lengths, ids).items()}


def _buckets(keys: np.ndarray, progress: Callable[[], None]) -> Iterator[list[int]]:
    """Places of documents that share a key in a band, ascending; band after band."""
    for band in range(keys.shape[1] if len(keys) else 0):
        order = np.argsort(keys[:, band], kind="stable")
        ordered = keys[order, band]
        borders = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1], [True]]))
        for index in np.flatnonzero(np.diff(borders) > 1):
            yield order[borders[index] : borders[index + 1]].tolist()
        progress()


class Groups:
    """Union-find over places, with path halving; the least place is the root, so the order of joins leaves no trace."""

    def __init__(self, count: int) -> None:
        self.parent = list(range(count))

    def root(self, place: int) -> int:
        while self.parent[place] != place:
            self.parent[place] = self.parent[self.parent[place]]
            place = self.parent[place]
        return place

    def join(self, a: int, b: int) -> None:
        a, b = self.root(a), self.root(b)
        self.parent[max(a, b)] = min(a, b)

    def best(self, lengths: Sequence[int], ids: Sequence[str]) -> dict[int, int]:
        """`{place: the best of its group}` for all that are not the best themselves."""
        best: dict[int, int] = {}
        for place in range(len(self.parent)):
            root = self.root(place)
            now = best.setdefault(root, place)
            if (-lengths[place], ids[place]) < (-lengths[now], ids[now]):
                best[root] = place
        return {place: best[self.root(place)] for place in range(len(self.parent)) if best[self.root(place)] != place}
