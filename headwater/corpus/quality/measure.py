"""What can be told of a text's quality by counting? In: a batch. Out: the batch with one attribute per rule, and lines marked for cutting.

Text that puts spaces between words is measured in words, other text (Chinese, Japanese, Thai …) in characters; the attribute
`spaceless` (share of letters from scripts without spaces) says which, and with it which thresholds hold. The attributes are named
as the rules in config.py are, `<set>.<rule>` (those of the set `headwater` without prefix), and explained there. Lines that C4 and
RefinedWeb cut are spans of the kind `line:<set>.<reason>`; what the other rules say is said of the whole text.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from headwater.corpus.document import Span, Step, buffers_of, with_score, with_spans
from headwater.corpus.quality.config import Quality
from headwater.corpus.quality.cut import REASONS
from headwater.corpus.quality.domains import denier
from headwater.corpus.quality.rules import DOMAIN
from headwater.corpus.quality.sets import SETS, Attributes
from headwater.corpus.quality.texts import Tables, Texts

MARK = "line:"
STRETCH = 1 << 19
"""Bytes that go through the kernels together: what they make of them stays in the processor's cache (a tenth faster than 4 MB at once)."""


def measurer(config: Quality) -> Step:
    """Measures what the rules of the config ask for, and nothing more. Its tables are built once, here.

    Raises HeadwaterError for a list of domains that cannot be read.
    """
    tables = Tables(config)
    denies = denier(config.domains) if config.domains is not None else None
    cuts = "c4" in config.rules or "refinedweb" in config.rules

    def step(batch: pa.RecordBatch) -> pa.RecordBatch:
        found, spans = measured(*buffers_of(batch), tables, config)
        for name, values in found.items():
            batch = with_score(batch, name, values)
        if denies is not None:
            batch = with_score(batch, DOMAIN, [float(denies(url)) for url in batch.column("url").to_pylist()])
        return with_spans(batch, spans) if cuts else batch

    return step


def measured(data: np.ndarray, offsets: np.ndarray, tables: Tables, config: Quality) -> tuple[Attributes, list[list[Span]]]:
    """`(float64 [N] by name, lines to cut of each document)` of the texts in Arrow's buffers, some at a time."""
    parts: list[Attributes] = []
    spans: list[list[Span]] = []
    first = 0
    while first < len(offsets) - 1 or not parts:
        after = max(first + 1, int(np.searchsorted(offsets, offsets[first] + STRETCH, "right")) - 1)
        texts = Texts(data, offsets[first : after + 1], tables)
        parts.append(attributes(texts, config))
        if tables.c4[0] or tables.refinedweb[0]:
            spans += _spans(texts)
        first = after
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, spans


def attributes(texts: Texts, config: Quality) -> Attributes:
    """float64 [N] by name: `spaceless`, and one for each rule of the chosen sets."""
    found: Attributes = {"spaceless": texts.spaceless}
    for chosen in dict.fromkeys(config.rules):
        prefix = "" if chosen == "headwater" else f"{chosen}."
        found |= {prefix + name: values for name, values in SETS[chosen](texts).items()}
    return found


def _spans(texts: Texts) -> list[list[Span]]:
    """For each document the lines to cut, without the newline that ends them."""
    rows: list[list[Span]] = [[] for _ in range(len(texts.starts) - 1)]
    for document, start, end, reason in texts.cut[0].tolist():
        rows[document].append((start, end, MARK + REASONS[reason]))
    return rows
