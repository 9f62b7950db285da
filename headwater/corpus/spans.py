"""Which passages of a document were marked as repeated? In: spans.parquet of the relate stage, sorted by place. Out: spans by place.

Read row group by row group, as the places that are asked for go up.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from headwater.corpus.document import Span


class Marked:
    def __init__(self, path: Path) -> None:
        self.file = pq.ParquetFile(path)
        self.group = 0
        self.waiting: list[dict[str, object]] = []

    def of(self, places: np.ndarray) -> list[list[Span]]:
        """Spans of ascending places, which are above all places asked for before."""
        found: dict[int, list[Span]] = {}
        last = int(places[-1]) if len(places) else -1
        while self._next() is not None and int(str(self.waiting[-1]["place"])) <= last:
            row = self.waiting.pop()
            found.setdefault(int(str(row["place"])), []).append((int(str(row["start"])), int(str(row["end"])), str(row["kind"])))
        return [found.get(place, []) for place in places.tolist()]

    def _next(self) -> dict[str, object] | None:
        """The first row that was not taken yet."""
        while not self.waiting and self.group < self.file.num_row_groups:
            self.waiting = self.file.read_row_group(self.group).to_pylist()[::-1]
            self.group += 1
        return self.waiting[-1] if self.waiting else None
