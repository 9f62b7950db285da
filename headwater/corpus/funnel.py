"""What did each step take, and from whom? In: census, fates and excerpts. Out: funnel.json and the ledger removed.parquet.

`documents` and `bytes` of a step are what is left after it; bytes count UTF-8 of the text as it then is. The ledger has a
row for every document that was read and is not in the corpus; `kept` names the document that stays in a duplicate's place.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from headwater.corpus.annotate import Census

LEDGER = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("step", pa.string(), nullable=False),
        pa.field("rule", pa.string(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("threshold", pa.float64(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("excerpt", pa.string(), nullable=False),
        pa.field("kept", pa.string()),
    ]
)
STEPS = ("read", "extract", "normalise", "language", "quality", "duplicates")
EXCERPT = 300
EXAMPLES = 3


@dataclass(frozen=True)
class Fate:
    """Why a document is not in the corpus."""

    step: str
    rule: str
    value: float
    threshold: float
    kept: str | None = None


@dataclass
class Taken:
    """What one rule took."""

    documents: int = 0
    bytes: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)


def ledger_rows(batch: pa.RecordBatch, fates: list[Fate], sizes: list[int]) -> pa.RecordBatch:
    """Rows by LEDGER for a batch of removed documents."""
    columns = {name: batch.column(name) for name in ("id", "source", "url")}
    for name in ("step", "rule", "value", "threshold", "kept"):
        columns[name] = [getattr(fate, name) for fate in fates]
    excerpts = [text[:EXCERPT] for text in batch.column("text").to_pylist()]
    return pa.RecordBatch.from_pydict({**columns, "bytes": sizes, "excerpt": excerpts}, schema=LEDGER)


class Funnel:
    def __init__(self, census: Census, fates: dict[int, Fate]) -> None:
        self.census, self.fates = census, fates
        self.taken: dict[str, dict[str, Taken]] = defaultdict(dict)
        for place, fate in sorted(fates.items()):
            taken = self.taken[fate.step].setdefault(fate.rule, Taken())
            taken.documents += 1
            taken.bytes += census.sizes[place]

    def illustrate(self, rows: pa.RecordBatch) -> None:
        """Take the first removals of each rule as its examples."""
        for row in rows.to_pylist():
            examples = self.taken[row["step"]][row["rule"]].examples
            if len(examples) < EXAMPLES:
                examples.append({name: row[name] for name in ("id", "excerpt", "value", "threshold")})

    def steps(self) -> list[dict[str, Any]]:
        documents = len(self.census.ids)
        gone = 0
        found = []
        for step in STEPS:
            removed = self.taken.get(step, {})
            documents -= sum(taken.documents for taken in removed.values())
            gone += sum(taken.bytes for taken in removed.values())
            size = self.census.bytes_after[step if step in ("read", "extract") else "normalise"] - gone
            found.append({"step": step, "documents": documents, "bytes": size, "removed": {rule: vars(t) for rule, t in removed.items()}})
        return found

    def to_json(self, splits: dict[str, list[int]]) -> dict[str, Any]:
        """funnel.json; `splits` has the places of the documents of each split."""
        kept = sorted(place for places in splits.values() for place in places)
        sources = Counter(self.census.sources)
        by_source = {source: {"read": {"documents": sources[source], "bytes": size},
                              "kept": self._sum([place for place in kept if self.census.sources[place] == source])}
                     for source, size in self.census.raw.items()}  # fmt: skip
        by_language = {language: self._sum([place for place in kept if self.census.languages[place] == language])
                       for language in sorted({self.census.languages[place] for place in kept})}  # fmt: skip
        return {
            "steps": self.steps(),
            "by_source": by_source,
            "by_language": by_language,
            "splits": {split: self._sum(places) for split, places in splits.items()},
            "bad_rows": dict(self.census.bad_rows),
        }

    def _sum(self, places: list[int]) -> dict[str, int]:
        return {"documents": len(places), "bytes": sum(self.census.sizes[place] for place in places)}
