"""Causal language modelling: predict each token from those before it (Bengio et al. 2003; Radford et al. 2018); with `future`, also
the tokens further ahead (Gloeckle et al. 2024, section 2).

    a text of T + 1 tokens  ->  a row of T positions, every target learned

Legend: B rows, T positions, F further targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headwater.objectives.rows import Ids, Layout, Row, documents_in, make
from headwater.tokens.batch import Batch


@dataclass(frozen=True)
class Causal:
    """With `across_documents` a token may see earlier documents of its row (as GPT-3's did); without, positions start anew and
    attention stops at each `end` token."""

    raw: int
    end: int
    pad: int
    across_documents: bool = True
    future: int = 0
    windows: int = 1

    @property
    def layout(self) -> Layout:
        return causal_layout(self.raw, self.pad, self.across_documents, self.future)

    def row(self, texts: Sequence[Ids], stream: np.random.Generator) -> Row:
        return causal_row(texts[0][: self.raw + 1], self.end, self.across_documents, self.future)


def causal_layout(length: int, pad: int, across_documents: bool, future: int = 0) -> Layout:
    fields = frozenset() if across_documents else frozenset({"positions", "segments"})
    return Layout(length, pad, apart=not across_documents, fields=fields, future=future)


def causal_row(ids: Ids, end: int, across_documents: bool, future: int = 0) -> Row:
    tokens, targets = ids[:-1], ids[1:]
    segments, positions = (None, None) if across_documents else documents_in(tokens, end)
    ahead, ahead_weights = _ahead(targets, segments, future) if future else (None, None)
    return Row(tokens, targets, positions=positions, segments=segments, ahead=ahead, ahead_weights=ahead_weights)


def _ahead(targets: Ids, segments: Ids | None, future: int) -> tuple[Ids, Ids]:
    """Targets 2 … F + 1 places ahead and their weights: 0 past the row's end, and past that of a document that stands alone."""
    ahead_TF = np.zeros((len(targets), future), np.int64)
    weights_TF = np.zeros((len(targets), future), np.float32)
    for place in range(min(future, len(targets) - 1)):
        shift = place + 1
        ahead_TF[:-shift, place] = targets[shift:]
        weights_TF[:-shift, place] = 1.0 if segments is None else segments[shift:] == segments[:-shift]
    return ahead_TF, weights_TF


def causal_rows(rows: Ids, end: int, across_documents: bool) -> Batch:
    """`rows` is [B, T + 1] ids."""
    objective = Causal(rows.shape[1] - 1, end, pad=0, across_documents=across_documents)
    nothing_drawn = np.random.Generator(np.random.Philox(0))
    return make(objective, [[row] for row in rows], [nothing_drawn] * len(rows))
