"""How much of each evaluation set is in the corpus? In: which n-grams were found in which documents. Out: `contamination.json`.

Of every set: its examples, those that are too short to be looked for, and the dirty ones before removal (in any document
that was read) and after it (in a document that is kept), with how much of them and in which documents. Evaluation scores the
clean examples beside all of them (GPT-3, appendix C).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from headwater.corpus.contamination.index import Index

DOCUMENTS_NAMED = 10
"""Documents that are named of each dirty example."""


def report(
    index: Index, places: np.ndarray, grams: np.ndarray, kept: np.ndarray, id_of: Callable[[int], str], dirty: float = 0.0
) -> dict[str, Any]:
    """`places` int64 [P] and `grams` [P]: n-gram `grams[i]` is in the document at `places[i]`, each pair once; `kept` bool by place.

    What select cut out of a document is no longer in it: such a place is not kept here.
    """
    stays = np.asarray(kept, bool)[places]
    before, after = _shares(index, grams), _shares(index, grams[stays])
    where = _documents(index, places, grams)
    sets = {}
    for number, name in enumerate(index.sets):
        members = np.flatnonzero(index.set_of == number)
        dirty_before, dirty_after = ([int(each) for each in members if shares[each] > dirty] for shares in (before, after))
        sets[name] = {
            "examples": len(members),
            "too_short": int((index.sizes[members] == 0).sum()),
            "dirty_before": len(dirty_before),
            "dirty_after": len(dirty_after),
            "dirty_ids_before": [index.ids[each] for each in dirty_before],
            "dirty_ids_after": [index.ids[each] for each in dirty_after],
            "found": [
                {
                    "id": index.ids[each],
                    "share_before": round(float(before[each]), 4),
                    "share_after": round(float(after[each]), 4),
                    "documents": [id_of(place) for place in where.get(each, [])[:DOCUMENTS_NAMED]],
                    "document_count": len(where.get(each, [])),
                }
                for each in members.tolist()
                if before[each] > 0
            ],
        }
    shape = dict(zip(("words", "characters", "least_words", "least_characters"), index.shape, strict=True))
    return {"ngrams": len(index.hashes), "shape": shape, "contaminated_documents": len(np.unique(places)), "sets": sets}


def _shares(index: Index, grams: np.ndarray) -> np.ndarray:
    """float64 [E]: the share of each example's different n-grams that are among these."""
    there = np.zeros(len(index.hashes), bool)
    there[grams] = True
    counts = np.bincount(index.owners[np.repeat(there, np.diff(index.starts))], minlength=len(index.sizes))
    return np.asarray(counts / np.maximum(1, index.sizes))


def _documents(index: Index, places: np.ndarray, grams: np.ndarray) -> dict[int, list[int]]:
    """Of each example the places of the documents that hold some of it, ascending."""
    where: dict[int, set[int]] = {}
    for place, gram in zip(places.tolist(), grams.tolist(), strict=True):
        for example in index.owners[index.starts[gram] : index.starts[gram + 1]].tolist():
            where.setdefault(example, set()).add(place)
    return {example: sorted(found) for example, found in where.items()}
