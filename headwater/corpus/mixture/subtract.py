"""Which documents of one source does another have as well? In: columns of all documents, config. Out: for each, whom it repeats.

    match = matches(subtract, sources, urls=urls)      match[n] = place of the document that n repeats, or -1

Pure: who has a match is for the caller to remove, with the match's id in the ledger's `kept`. A document without an address,
or in no group, matches nothing. Memory: 30 bytes a document.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from headwater.core.errors import HeadwaterError, nearest
from headwater.corpus.mixture.address import domain_of, page_of
from headwater.corpus.mixture.config import Subtract

ALONE = -1
AT_ONCE = 1 << 16


def matches(
    config: Subtract,
    sources: pa.ChunkedArray | pa.Array,
    *,
    urls: pa.ChunkedArray | pa.Array | None = None,
    digests: pa.ChunkedArray | pa.Array | None = None,
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """int64 [N]: the first document of `minus` with the same key, for documents of `of`; -1 for all others.

    `sources` strings [N]; and by what is compared: `urls` strings [N], `digests` bytes [N], or `groups` int [N] (near duplicates;
    -1 is in no group). Raises HeadwaterError for a source that there is not.
    """
    losing, keeping = (_is_of(sources, names, key) for names, key in ((config.of, "of"), (config.minus, "minus")))
    if config.by in ("url", "domain"):
        assert urls is not None, "to subtract by address the urls are needed"
        name_of = page_of if config.by == "url" else domain_of
        keys = _keys(urls, losing | keeping, lambda url: None if (name := name_of(url)) is None else name.encode())
    elif config.by == "exact":
        assert digests is not None, "to subtract equal texts their digests are needed"
        keys = _keys(digests, losing | keeping, lambda digest: digest)
    else:
        assert groups is not None, "to subtract near duplicates their groups are needed"
        keys = np.asarray(groups, np.int64)
    return _first_match(keys, losing, keeping)


def _is_of(sources: pa.ChunkedArray | pa.Array, names: list[str], key: str) -> np.ndarray:
    known = set(sources.unique().to_pylist())
    if unknown := [name for name in names if name not in known]:
        raise HeadwaterError(f"there is no source '{unknown[0]}'", where=f"corpus.subtract.{key}", mend=nearest(unknown[0], known))
    import pyarrow.compute as pc

    return np.asarray(pc.is_in(sources, value_set=pa.array(names, pa.string())).to_numpy(zero_copy_only=False))


def _keys(column: pa.ChunkedArray | pa.Array, asked: np.ndarray, name_of: Callable[[Any], bytes | None]) -> np.ndarray:
    """int64 [N]: 63 bits of the hash of each value's name; -1 for what has none, or is not asked for. A few thousand names at a time."""
    keys = np.full(len(column), ALONE, np.int64)
    chosen = np.flatnonzero(asked)
    for start in range(0, len(chosen), AT_ONCE):
        places = chosen[start : start + AT_ONCE]
        names = map(name_of, column.take(pa.array(places)).to_pylist())
        keys[places] = [ALONE if name is None else xxhash.xxh3_64_intdigest(name) >> 1 for name in names]
    return keys


def _first_match(keys: np.ndarray, losing: np.ndarray, keeping: np.ndarray) -> np.ndarray:
    found = np.full(len(keys), ALONE, np.int64)
    there = np.flatnonzero(keeping & (keys != ALONE))
    if len(there) == 0:
        return found
    known, first = np.unique(keys[there], return_index=True)  # the first place of each key
    asked = np.flatnonzero(losing & (keys != ALONE))
    at = np.minimum(np.searchsorted(known, keys[asked]), len(known) - 1)
    hit = known[at] == keys[asked]
    found[asked[hit]] = there[first[at[hit]]]
    return found
