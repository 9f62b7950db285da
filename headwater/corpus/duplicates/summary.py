"""What do the groups look like? In: places and their groups. Out: the figures of duplicates.json.

groups        how many there are of which size, and of which kind their members are
largest       the biggest, with the ids of their first members, how many of these each source has, and how the first begins
sources       per source: documents, bytes, and how many of them stand in a group behind its first member
spans         how many stretches and characters are marked, by kind
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headwater.corpus.annotated import Annotated
from headwater.corpus.document import SCORE
from headwater.corpus.duplicates.candidates import columns_of, different

BYTES = SCORE + "bytes"
"""Attribute of every annotated document: its length in UTF-8."""
LARGEST = 10
MEMBERS = 10
EXCERPT = 240
BOUNDS = (2, 3, 5, 10, 100, 1000)
"""Groups are counted by size from one of these to the next."""


class Share(TypedDict):
    """What of a source stands in groups."""

    documents: int
    bytes: int
    repeated_documents: int
    repeated_bytes: int


def summary(annotated: Annotated, places: np.ndarray, groups: np.ndarray, kinds: pa.ChunkedArray, spans: Path,
            advance: Callable[[], None]) -> dict[str, object]:  # fmt: skip
    """What duplicates.json says; `advance` is called after each part."""
    sizes = np.bincount(np.searchsorted(places, groups), minlength=len(places)) if len(places) else np.empty(0, np.int64)
    firsts = np.flatnonzero(sizes)
    buckets = np.searchsorted(BOUNDS, sizes[firsts], side="right") - 1
    names = [f"{low}" if high == low + 1 else f"{low}-{high - 1}" for low, high in itertools.pairwise(BOUNDS)]
    names.append(f"{BOUNDS[-1]} and more")
    by_size = {name: int(count) for name, count in zip(names, np.bincount(buckets, minlength=len(BOUNDS)), strict=True)}
    by_kind = {item["values"]: item["counts"] for item in pc.value_counts(kinds).to_pylist()}
    largest = firsts[np.lexsort((firsts, -sizes[firsts]))][:LARGEST]
    members = [places[groups == places[index]][:MEMBERS] for index in largest]
    sources, named = _sources(annotated, places[places != groups], different(np.concatenate([np.empty(0, np.int64), *members])), advance)
    excerpts = {
        place: " ".join(annotated.text(place)[: 4 * EXCERPT].split())[:EXCERPT] for place in sorted(int(group[0]) for group in members)
    }
    return {
        "groups": {"count": len(firsts), "documents": len(places), "beyond_the_first": len(places) - len(firsts), "by_size": by_size,
                   "by_kind": by_kind},
        "largest": [{"documents": int(sizes[index]), "ids": [named[place][0] for place in group.tolist()],
                     "sources": _counted(named[place][1] for place in group.tolist()), "excerpt": excerpts[int(group[0])]}
                    for index, group in zip(largest, members, strict=True)],
        "sources": sources,
        "spans": _spans(spans),
    }  # fmt: skip


def _counted(sources: Iterable[str]) -> dict[str, int]:
    """How many of the members that are named each source has."""
    return dict(sorted(Counter(sources).items()))


def _sources(annotated: Annotated, repeated: np.ndarray, asked: np.ndarray,
             advance: Callable[[], None]) -> tuple[dict[str, Share], dict[int, tuple[str, str]]]:  # fmt: skip
    """Figures of each source, where `repeated` stand behind the first of their group; and id and source of the places `asked`."""
    shares: dict[str, Share] = {}
    found: dict[int, tuple[str, str]] = {}
    for part, path in enumerate(annotated.parts):
        start, end = int(annotated.starts[part]), int(annotated.starts[part + 1])
        ids, sources, sizes = columns_of(path, ["id", "source", BYTES])
        names = sources.dictionary_encode()
        codes = names.indices.to_numpy(zero_copy_only=False)
        lengths = np.asarray(sizes)
        behind = np.zeros(end - start, bool)
        behind[_between(repeated, start, end) - start] = True
        for code, name in enumerate(names.dictionary.to_pylist()):
            mine = codes == code
            share = shares.setdefault(name, Share(documents=0, bytes=0, repeated_documents=0, repeated_bytes=0))
            share["documents"] += int(mine.sum())
            share["bytes"] += int(lengths[mine].sum())
            share["repeated_documents"] += int((mine & behind).sum())
            share["repeated_bytes"] += int(lengths[mine & behind].sum())
        for place in _between(asked, start, end).tolist():
            found[place] = (ids[place - start].as_py(), sources[place - start].as_py())
        advance()
    return dict(sorted(shares.items())), found


def _between(places: np.ndarray, start: int, end: int) -> np.ndarray:
    """Those of ascending places that stand in a part."""
    return places[np.searchsorted(places, start) : np.searchsorted(places, end)]


def _spans(path: Path) -> dict[str, dict[str, int]]:
    """By kind: stretches, documents that have one, characters (of stretches of different kinds that overlap: once each)."""
    table = pq.read_table(path)
    lengths = pc.subtract(table.column("end"), table.column("start"))
    table = table.append_column("length", lengths)
    rows = table.group_by("kind").aggregate([("place", "count"), ("place", "count_distinct"), ("length", "sum")]).to_pylist()
    return {row["kind"]: {"spans": row["place_count"], "documents": row["place_count_distinct"], "characters": row["length_sum"]}
            for row in sorted(rows, key=lambda row: row["kind"])}  # fmt: skip
