"""Which documents hold examples of an evaluation set? In: a batch and the index. Out: attributes, spans, and who was found where.

`contaminated` is the number of matched n-grams (places in the document), `contaminated_share` the share of its characters
that they cover; the spans are of the kind `contamination:<set>`, overlapping ones of a set joined.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headwater.corpus.apply import joined
from headwater.corpus.contamination.config import Contamination
from headwater.corpus.contamination.grams import find, table
from headwater.corpus.contamination.index import Index
from headwater.corpus.document import Span, Step, buffers_of, with_score, with_spans
from headwater.corpus.quality.config import Bounds
from headwater.corpus.quality.rules import Rule

KIND = "contamination:"


@dataclass(frozen=True)
class Matches:
    """Verified hits, ascending by row and place; H hits."""

    rows: np.ndarray
    """int64 [H]: row of the batch."""
    starts: np.ndarray
    ends: np.ndarray
    """int64 [H]: characters `[start, end)` of the row's text."""
    grams: np.ndarray
    """int64 [H]: n-gram of the index."""


def match(batch: pa.RecordBatch, index: Index) -> Matches:
    """All n-grams of the index in the texts of a batch."""
    data, offsets = buffers_of(batch)
    found = np.empty((1024, 4), np.int64)
    while True:
        count = find(data, offsets, table(), index.lengths, index.hashes, index.seconds, index.field, index.field_bits, index.places,
                     index.place_bits, found)  # fmt: skip
        if count <= len(found):
            return Matches(*np.ascontiguousarray(found[:count].T))
        found = np.empty((count, 4), np.int64)


def marker(index: Index, cut: int | None = None) -> Step:
    """A step that marks what is in the index; with `cut`, spans are so many characters wider on both sides."""
    return lambda batch: mark(batch, match(batch, index), index, cut or 0)


def mark(batch: pa.RecordBatch, matches: Matches, index: Index, wider: int = 0) -> pa.RecordBatch:
    """The batch with the attributes and spans of matches that are known."""
    lengths = pc.utf8_length(batch.column("text")).to_numpy(zero_copy_only=False)
    spans: list[list[Span]] = [[] for _ in range(batch.num_rows)]
    covered = np.zeros(batch.num_rows)
    counts = np.zeros(batch.num_rows)
    borders = np.searchsorted(matches.rows, np.arange(batch.num_rows + 1))
    for row in np.unique(matches.rows).tolist():
        part = slice(borders[row], borders[row + 1])
        starts, ends, grams = matches.starts[part], matches.ends[part], matches.grams[part]
        counts[row] = len(np.unique(starts))
        matched = joined(zip(starts.tolist(), ends.tolist(), strict=True))
        covered[row] = sum(end - start for start, end in matched) / max(1, int(lengths[row]))
        different, which = np.unique(grams, return_inverse=True)
        sets_of = [set(index.set_of[index.owners[index.starts[gram] : index.starts[gram + 1]]].tolist()) for gram in different.tolist()]
        for number in sorted(set().union(*sets_of)):
            own = np.array([number in sets for sets in sets_of])[which]
            first, last = np.maximum(0, starts[own] - wider), np.minimum(int(lengths[row]), ends[own] + wider)
            wide = joined(zip(first.tolist(), last.tolist(), strict=True))
            spans[row] += [(start, end, KIND + index.sets[number]) for start, end in wide]
    return with_spans(with_score(with_score(batch, "contaminated", counts), "contaminated_share", covered), spans)


def found(matches: Matches) -> tuple[np.ndarray, np.ndarray]:
    """`(rows int64, n-grams int32)`: each n-gram once a document; what the report is made of."""
    pairs = np.unique(np.stack([matches.rows, matches.grams], axis=1), axis=0)
    return pairs[:, 0], pairs[:, 1].astype(np.int32)


def count(index: Index, batches: Iterable[pa.RecordBatch]) -> np.ndarray:
    """int64 [G]: in how many documents each n-gram is; `index.without(count(…) >= frequent)` leaves out turns of phrase.

    Give it documents that differ (after exact and near duplicates are out), or a set that was copied ten times is let through.
    """
    counts = np.zeros(len(index.hashes), np.int64)
    for batch in batches:
        counts += np.bincount(found(match(batch, index))[1], minlength=len(counts))
    return counts


def recheck(index: Index, texts: Sequence[str]) -> np.ndarray:
    """int64 [N]: matched n-grams of each text; the tokens stage asks again before it writes."""
    batch = pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.string())})
    matches = match(batch, index)
    places = np.unique(np.stack([matches.rows, matches.starts], axis=1), axis=0)[:, 0]
    return np.bincount(places, minlength=len(texts))


def rules_of(config: Contamination | None) -> list[Rule]:
    """A contaminated document goes as a whole, unless only what matched is cut."""
    if config is None or config.cut is not None:
        return []
    return [Rule("contamination", "contaminated", "contaminated", Bounds(max=config.most), Bounds(max=config.most))]
