"""Which documents are held out for validation? In: ids and strata. Out: a boolean per document.

A document is held out when the hash of its id, as a number between 0 and 1, is below the fraction: more data, another
order or another seed never moves a document across. A stratum (a source's language) that is big enough but by chance has
none held out gives the one with the least hash.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import xxhash

from headwater.core.errors import HeadwaterError
from headwater.corpus.config import Holdout


def held_out(ids: Sequence[str], strata: Sequence[Hashable], config: Holdout) -> np.ndarray:
    """bool [N]: neither all false nor all true. Raises HeadwaterError when there are fewer than two documents."""
    if len(ids) < 2:
        raise HeadwaterError(f"{len(ids)} document is left, so that none can be held out for validation", where="corpus",
                             mend="add sources, or cut the text with a source's `divide:`, `join:` or `longest:`")  # fmt: skip
    places = np.array([xxhash.xxh3_64_intdigest(id.encode()) / 2**64 for id in ids])
    held = places < config.fraction
    members: dict[Hashable, list[int]] = {}
    for index, stratum in enumerate(strata):
        members.setdefault(stratum, []).append(index)
    for inside in members.values():
        if len(inside) >= config.stratum and not held[inside].any():
            held[min(inside, key=lambda index: (places[index], ids[index]))] = True
    if not held.any():
        held[int(np.argmin(places))] = True
    if held.all():
        held[int(np.argmax(places))] = False
    return held
