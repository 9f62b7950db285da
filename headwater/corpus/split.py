"""Which documents are held out for validation? In: hashes of ids (of groups) and strata. Out: a boolean per document.

A document is held out when the hash of its id, as a number between 0 and 1, is below the fraction: more data, another
order or another seed never moves a document across. Documents of one group of duplicates have the group's hash, so that none of
them is on the other side. A stratum (a source's language) that is big enough but by chance has none held out gives the one with the
least hash.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import xxhash

from headwater.core.errors import HeadwaterError
from headwater.corpus.config import Holdout


def hashes_of(ids: pa.Array) -> np.ndarray:
    """uint64 [N]: a number for each id, that depends on the id alone."""
    return np.array([xxhash.xxh3_64_intdigest(id.encode()) for id in ids.to_pylist()], np.uint64)


def held_out(hashes: np.ndarray, strata: np.ndarray, config: Holdout) -> np.ndarray:
    """bool [N] for hashes uint64 [N] and strata int [N]: neither all false nor all true. Raises HeadwaterError for fewer than two."""
    places = hashes / 2.0**64
    if len(places) < 2:
        raise HeadwaterError(f"{len(places)} document is left, so that none can be held out for validation", where="corpus",
                             mend="add sources, or cut the text with a source's `divide:`, `join:` or `longest:`")  # fmt: skip
    held = places < config.fraction
    sizes, outside = np.bincount(strata), np.bincount(strata[held], minlength=strata.max() + 1)
    for stratum in np.flatnonzero((sizes >= config.stratum) & (outside == 0)):
        inside = np.flatnonzero(strata == stratum)
        held |= places == places[inside[np.argmin(places[inside])]]
    if not held.any():
        held = places == places.min()
    if held.all():
        held = places != places.max()
    if not held.any():
        raise HeadwaterError("all documents are one group of duplicates, so that none can be held out for validation", where="corpus",
                             mend="add sources, or let duplicates be dropped")  # fmt: skip
    return held
