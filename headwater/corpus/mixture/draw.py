"""How often is each document written? In: hashes of ids, strata and a plan. Out: copies, 0 and up.

Of a stratum that is to be written 2.3 times, every document is written twice, and then the first of them in the order of a
keyed hash of their ids once more, until what they hold comes nearest to the plan. The order is the id's own, so more data, another
order of reading or another number of workers reshuffles nothing: new documents step into the row, and the border moves.
A stratum misses its wished size by at most half of the document at the border.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from headwater.core.random import key_bits
from headwater.corpus.mixture.plan import Plan

KEY = np.uint64(key_bits(0, "corpus", "mixture") & 0xFFFF_FFFF_FFFF_FFFF)
MOST = np.iinfo(np.int16).max


def copies(ids_hash: np.ndarray, strata: np.ndarray, plan: Plan, sizes: np.ndarray | None = None) -> np.ndarray:
    """int16 [N]: how often each document is written.

    `ids_hash` uint64 [N] (xxh3_64 of the id), `strata` int [N] (places in plan.names), `sizes` int64 [N] bytes: needed by a
    plan in bytes.
    """
    assert (plan.unit == "bytes") == (sizes is not None), "a plan in bytes needs the documents' sizes, one in documents has no use for them"
    found = np.zeros(len(ids_hash), np.int16)
    keyed = scramble(ids_hash)
    weights = np.ones(len(ids_hash), np.int64) if sizes is None else sizes
    for index, epochs in enumerate(plan.epochs):
        places = np.flatnonzero(strata == index)
        whole = int(epochs)
        assert whole < MOST, "so many copies of a document are no mixture"
        found[places] = whole
        wanted = (epochs - whole) * int(weights[places].sum())
        order = places[np.argsort(keyed[places], kind="stable")]
        found[order[: _nearest(np.cumsum(weights[order]), wanted)]] += 1
    return found


def _nearest(sums: np.ndarray, wanted: float) -> int:
    """How many to take from the front for the sum that comes nearest; the fewer of two that are as near."""
    after = int(np.searchsorted(sums, wanted))
    if after == len(sums):
        return after
    before = float(sums[after - 1]) if after else 0.0
    return after if wanted - before <= float(sums[after]) - wanted else after + 1


def scramble(hashes: np.ndarray) -> np.ndarray:
    """uint64 [N]: a bijection of the keyed hashes in which each bit counts (splitmix64's finalizer): who is held out for validation
    by the same hash is not who is drawn first."""
    value = hashes.astype(np.uint64) ^ KEY
    with np.errstate(over="ignore"):
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def realised(plan: Plan, strata: np.ndarray, drawn: np.ndarray, sizes: np.ndarray) -> dict[str, Any]:
    """mixture.json: the realised mixture beside the wished one, in documents and bytes."""
    times = drawn.astype(np.int64)
    rows = {}
    written = {"documents": np.bincount(strata, times, len(plan.parts)), "bytes": np.bincount(strata, times * sizes, len(plan.parts))}
    used = np.bincount(strata, times > 0, len(plan.parts))
    totals = {what: float(amount.sum()) for what, amount in written.items()}
    for index, part in enumerate(plan.parts):
        rows[part.name] = {
            "there": {"documents": part.there.documents, "bytes": part.there.bytes},
            "used": int(used[index]),
            "written": {what: int(amount[index]) for what, amount in written.items()},
            "epochs": part.epochs,
            "capped": part.capped,
            "wished": part.share,
            "realised": {what: float(amount[index]) / totals[what] if totals[what] else 0.0 for what, amount in written.items()},
        }
    return {"unit": plan.unit, "size": {"wished": plan.size, "realised": totals[plan.unit]}, "strata": rows}
