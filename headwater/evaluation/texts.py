"""Which held-out texts are judged, and what do training texts say? Reads the corpus artifact's Parquet, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from headwater.tokens.stages import documents


@dataclass(frozen=True)
class Text:
    """What evaluation needs of a document."""

    id: str
    language: str | None
    text: str


def texts(corpus: Path, split: str) -> Iterator[Text]:
    """Documents of a split ("train", "validation") in the corpus's order."""
    names = ["id", "language", "text"]
    for batch in documents(corpus, split, names):
        yield from map(Text, *(batch.column(name).to_pylist() for name in names))


def picked(found: Iterable[Text], rows: Sequence[int]) -> list[Text]:
    """The documents at these places, which must rise."""
    wanted = set(rows)
    return [text for place, text in enumerate(found) if place in wanted]
