"""Which names do tags mark, and how many were found? BIO, and BIOES, as conlleval and seqeval read them.

    entities(["B-PER", "I-PER", "O", "I-LOC"])  ->  {("PER", 0, 2), ("LOC", 3, 4)}

A name begins at B or S, and also at an I or E that continues nothing (Tjong Kim Sang and De Meulder 2003); it ends at E or S, and
before whatever does not continue it. It counts as found when its type and both its ends are right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Entity = tuple[str, int, int]  # type, first word, the word behind the last


def marks_entities(tags: Iterable[str]) -> bool:
    """Whether the tags of a task are of this kind (parts of speech are not)."""
    tags = set(tags)
    return "O" in tags and len(tags) > 1 and all(tag == "O" or tag[:2] in ("B-", "I-", "E-", "S-") for tag in tags)


def entities(tags: Sequence[str]) -> set[Entity]:
    found: set[Entity] = set()
    begun, before, type_before = 0, "O", ""
    for place, tag in enumerate([*tags, "O"]):
        mark, _, type = tag.partition("-")
        goes_on = mark in ("I", "E") and before in ("B", "I") and type == type_before
        if before != "O" and not goes_on:
            found.add((type_before, begun, place))
        if mark != "O" and not goes_on:
            begun = place
        # After its last word a name is over, whatever follows.
        before, type_before = mark, type
    return found


def of_entities(truths: Sequence[Sequence[str]], said: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Precision, recall and F1 over all names, and F1 by type; 0 where nothing was found."""
    counts: dict[str, list[int]] = {}
    for true_tags, said_tags in zip(truths, said, strict=True):
        true, claimed = entities(true_tags), entities(said_tags)
        for place, names in enumerate((true & claimed, claimed, true)):
            for type, _, _ in names:
                counts.setdefault(type, [0, 0, 0])[place] += 1
    right, claims, truth = (sum(count[place] for count in counts.values()) for place in range(3))
    return {
        "entity_precision": right / claims if claims else 0.0,
        "entity_recall": right / truth if truth else 0.0,
        "entity_f1": _f1(right, claims, truth),
        "entities": truth,
        "by_type": {type: {"f1": _f1(*count), "count": count[2]} for type, count in sorted(counts.items())},
    }


def _f1(right: int, claims: int, truth: int) -> float:
    return 2 * right / (claims + truth) if claims + truth else 0.0
