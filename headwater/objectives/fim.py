"""Fill in the middle (Bavarian et al. 2022, section 3): a causal model learns to write what stands between two pieces of text.

    a b c d e f end   ->   prefix a b suffix e f middle c d end          PSM
                           prefix suffix e f middle a b c d end          SPM (their variant that is trained beside PSM)

Rows are causal ones; every token is learned. A document that goes on past the row gets an end token after its middle, which says that
the middle has met the suffix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headwater.objectives.causal import causal_layout, causal_row
from headwater.objectives.rows import Ids, Layout, Row


@dataclass(frozen=True)
class FIM:
    raw: int
    rate: float
    spm: float
    across_documents: bool
    prefix: int
    middle: int
    suffix: int
    end: int
    pad: int
    windows: int = 1

    @property
    def layout(self) -> Layout:
        return causal_layout(self.raw, self.pad, self.across_documents)

    def row(self, texts: Sequence[Ids], stream: np.random.Generator) -> Row:
        return causal_row(self.rewritten(texts[0][: self.raw + 1], stream), self.end, self.across_documents)

    def rewritten(self, ids: Ids, stream: np.random.Generator) -> Ids:
        """As many tokens as before: what the marks need is taken from the end of the text."""
        room = len(ids)
        written: list[Ids] = []
        for document in np.split(ids, np.flatnonzero(ids[:-1] == self.end) + 1):
            chosen = stream.random() < self.rate
            if chosen and room > 4:
                text = document[:-1] if document[-1] == self.end else document
                document = self.rearranged(text[: room - 4], stream)
            written.append(document[:room])
            room -= len(written[-1])
            if not room:
                break
        return np.concatenate(written)

    def rearranged(self, text: Ids, stream: np.random.Generator) -> Ids:
        """Four tokens longer."""
        first, second = np.sort(stream.integers(0, len(text) + 1, 2))
        before, between, after = text[:first], text[first:second], text[second:]
        prefix, middle, suffix, end = (np.array([id]) for id in (self.prefix, self.middle, self.suffix, self.end))
        if stream.random() < self.spm:
            return np.concatenate([prefix, suffix, after, middle, before, between, end])
        return np.concatenate([prefix, before, suffix, after, middle, between, end])
