"""What did each step take, and from whom? In: removed and kept documents as they are written. Out: funnel.json and the ledger.

`documents` and `bytes` of a step are what is left after it; bytes count UTF-8 of the text as it then is. The ledger removed.parquet
has a row for every document that was read and is not in the corpus; `kept` names the document that stays in a duplicate's place.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

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
ALWAYS = ("read", "extract", "normalise", "language", "quality", "duplicates")
STEPS = ("read", "extract", "normalise", "language", "quality", "licences", "privacy", "contamination", "keep", "quality_model", "subtract",
         "duplicates", "spans", "mixture")  # fmt: skip
"""In the order in which they take documents; those beyond ALWAYS are told of where they took something."""
EXCERPT = 300
EXAMPLES = 3


@dataclass
class Taken:
    """What one rule took."""

    documents: int = 0
    bytes: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Passage:
    """Documents and bytes that came through."""

    documents: int = 0
    bytes: int = 0

    def add(self, documents: int, size: int) -> None:
        self.documents += documents
        self.bytes += size


class Funnel:
    """`sizes`: bytes of all texts after read, extract and normalise; `read`: bytes of each source as read; `changed`: characters that
    each option of `normalise` changed."""

    def __init__(
        self, documents: int, sizes: dict[str, int], read: dict[str, int], bad_rows: dict[str, int], changed: dict[str, int]
    ) -> None:
        self.documents, self.sizes, self.read_bytes, self.bad_rows, self.changed = documents, sizes, read, bad_rows, changed
        self.read: dict[str, int] = dict.fromkeys(read, 0)
        self.taken: dict[str, dict[str, Taken]] = defaultdict(dict)
        self.splits: dict[str, Passage] = {"train": Passage(), "validation": Passage()}
        self.by_source: dict[str, Passage] = defaultdict(Passage)
        self.by_language: dict[str, Passage] = defaultdict(Passage)
        self.cut = 0
        """Bytes that cut and replaced spans took from documents that stayed."""

    def remove(self, rows: pa.RecordBatch) -> None:
        """Count rows of the ledger; the first removals of each rule are its examples."""
        columns = (rows.column(name).to_pylist() for name in ("step", "rule", "bytes"))
        for index, (step, rule, size) in enumerate(zip(*columns, strict=True)):
            taken = self.taken[step].setdefault(rule, Taken())
            taken.documents += 1
            taken.bytes += size
            if len(taken.examples) < EXAMPLES:
                taken.examples.append({name: rows.column(name)[index].as_py() for name in ("id", "excerpt", "value", "threshold")})

    def keep(self, split: str, sources: list[str], languages: list[str | None], sizes: list[int]) -> None:
        """Count written documents, copies of the mixture included."""
        for source, language, size in zip(sources, languages, sizes, strict=True):
            for passage in (self.splits[split], self.by_source[source], self.by_language[language or "und"]):
                passage.add(1, size)

    def to_json(self) -> dict[str, Any]:
        return {
            "steps": self._steps(),
            "by_source": {source: {"read": {"documents": self.read[source], "bytes": size}, "kept": vars(self.by_source[source])}
                          for source, size in self.read_bytes.items()},
            "by_language": {language: vars(self.by_language[language]) for language in sorted(self.by_language)},
            "splits": {split: vars(passage) for split, passage in self.splits.items()},
            "bad_rows": self.bad_rows,
            "changed": self.changed,
        }  # fmt: skip

    def _steps(self) -> list[dict[str, Any]]:
        """What is left after each step. Copies that the mixture adds are told of under `splits`, not here."""
        documents, gone = self.documents, 0
        found = []
        assert set(self.taken) <= set(STEPS), "a step that the funnel does not know"
        for step in STEPS:
            removed = self.taken.get(step, {})
            documents -= sum(taken.documents for taken in removed.values())
            gone += sum(taken.bytes for taken in removed.values()) + (self.cut if step == "spans" else 0)
            size = self.sizes[step if step in ("read", "extract") else "normalise"] - gone
            if step in ALWAYS or removed or (step == "spans" and self.cut):
                of_rule = {rule: vars(removed[rule]) for rule in removed}
                found.append({"step": step, "documents": documents, "bytes": size, "removed": of_rule})
        return found
