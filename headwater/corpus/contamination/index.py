"""What is looked for? In: the examples of the evaluation sets. Out: an index of their n-grams, kept as an .npz of plain arrays.

Every field of an example gives its n-grams (grams.py); when no field is long enough for any, all fields together are one
text. The index knows of each n-gram the examples that have it, so that a hit in a document can be laid to them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.core.storage import read_bytes, write_atomically
from headwater.corpus.contamination.config import Contamination
from headwater.corpus.contamination.examples import Example, examples_of
from headwater.corpus.contamination.grams import filled, grams_of, lengths_of, slots

ARRAYS = ("hashes", "seconds", "heads", "starts", "owners", "set_of", "sizes")
FILTER_BITS_A_GRAM = 32


@dataclass(frozen=True)
class Index:
    """Legend: G n-grams, E examples, S sets, M pairs of n-gram and example."""

    sets: list[str]
    ids: list[str]
    """Of the examples [E]."""
    shape: tuple[int, int, int, int]
    """words, characters, least_words, least_characters."""
    hashes: np.ndarray
    """uint64 [G], ascending."""
    seconds: np.ndarray
    """uint64 [G]: the hashes that verify."""
    heads: np.ndarray
    """uint64 [G]: hashes of the first units."""
    starts: np.ndarray
    """int64 [G + 1]: n-gram g is in the examples `owners[starts[g]:starts[g + 1]]`."""
    owners: np.ndarray
    """int32 [M]."""
    set_of: np.ndarray
    """int32 [E]."""
    sizes: np.ndarray
    """int32 [E]: different n-grams of each example; 0: it is too short to be looked for."""

    @cached_property
    def lengths(self) -> np.ndarray:
        return lengths_of(*self.shape)

    @cached_property
    def field_bits(self) -> int:
        return min(27, max(10, int(np.ceil(np.log2(FILTER_BITS_A_GRAM * max(1, len(self.hashes)))))))

    @cached_property
    def field(self) -> np.ndarray:
        return np.asarray(filled(self.heads, self.field_bits))

    @cached_property
    def place_bits(self) -> int:
        return max(4, int(np.ceil(np.log2(2 * max(1, len(self.hashes))))))

    @cached_property
    def places(self) -> np.ndarray:
        return np.asarray(slots(self.hashes, self.place_bits))

    def without(self, grams: np.ndarray) -> Index:
        """The index without some n-grams (bool [G]); examples keep their sizes less those."""
        keep = ~np.asarray(grams, bool)
        counts = np.diff(self.starts)
        sizes = self.sizes - np.bincount(self.owners[np.repeat(~keep, counts)], minlength=len(self.sizes)).astype(np.int32)
        starts = np.concatenate([[0], np.cumsum(counts[keep])]).astype(np.int64)
        owners = self.owners[np.repeat(keep, counts)]
        return Index(self.sets, self.ids, self.shape, self.hashes[keep], self.seconds[keep], self.heads[keep], starts, owners, self.set_of,
                     sizes.astype(np.int32))  # fmt: skip

    def save(self, path: Path) -> None:
        """A zip of .npy files, the same bytes for the same index; nothing of it is pickled."""
        header = json.dumps({"sets": self.sets, "ids": self.ids, "shape": self.shape}, ensure_ascii=False, sort_keys=True).encode()
        file = io.BytesIO()
        np.savez(file, header=np.frombuffer(header, np.uint8), **{name: getattr(self, name) for name in ARRAYS})
        write_atomically(path, file.getvalue())


def load(path: Path) -> Index:
    """Raises HeadwaterError for a file that is missing or no index."""
    try:
        with np.load(io.BytesIO(read_bytes(str(path))), allow_pickle=False) as file:
            header = json.loads(file["header"].tobytes().decode())
            arrays = {name: file[name] for name in ARRAYS}
            return Index(header["sets"], header["ids"], tuple(header["shape"]), **arrays)
    except (ValueError, KeyError, OSError, EOFError) as error:
        raise HeadwaterError("is no index of evaluation sets", where=path, mend="it was damaged: delete it and run again") from error


def build(config: Contamination, report: Reporter | None = None) -> Index:
    """The index of all sets. Raises HeadwaterError for what is wrong with a set."""
    shape = (config.words, config.characters, config.least_words, config.least_characters)
    return index_of(examples_of(config, report), [each.label for each in config.sets], shape)


def index_of(examples: Iterable[Example], sets: list[str], shape: tuple[int, int, int, int]) -> Index:
    ids: list[str] = []
    set_of: list[int] = []
    parts: list[np.ndarray] = []
    for number, example in enumerate(examples):
        ids.append(example.id)
        set_of.append(example.set)
        grams = [grams_of(text, *shape) for text in example.texts]
        if not any(map(len, grams)):
            grams = [grams_of(" ".join(example.texts), *shape)]
        rows = np.concatenate(grams)
        parts.append(np.column_stack([rows, np.full(len(rows), number, np.uint64)]))
    rows = np.unique(np.concatenate(parts), axis=0) if parts else np.empty((0, 4), np.uint64)
    first = np.ones(len(rows), bool)
    first[1:] = rows[1:, 0] != rows[:-1, 0]
    owners = rows[:, 3].astype(np.int32)
    starts = np.concatenate([np.flatnonzero(first), [len(rows)]]).astype(np.int64)
    sizes = np.bincount(owners, minlength=len(ids)).astype(np.int32)
    hashes, seconds, heads = (np.ascontiguousarray(rows[first, column]) for column in range(3))
    return Index(sets, ids, shape, hashes, seconds, heads, starts, owners, np.array(set_of, np.int32), sizes)
