"""Which stretches of a text are personal? In: a batch. Out: the batch with spans, and their number as the attribute `privacy`.

The gate (gate.py) names places, the checks judge them. Where two kinds claim overlapping characters, the one that is
checked more strictly wins (the order of config.KINDS), then the longer one.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from headwater.corpus.document import Span, Step, buffers_of, with_score, with_spans
from headwater.corpus.overlap import apart
from headwater.corpus.privacy import gate, network, numbers, phones, secrets
from headwater.corpus.privacy.config import KINDS, Privacy
from headwater.corpus.privacy.names import names
from headwater.corpus.quality.config import Bounds
from headwater.corpus.quality.rules import Rule

RANK = {kind: rank for rank, kind in enumerate(KINDS)}


def detector(config: Privacy) -> Step:
    """A step that marks the kinds of spans that the config asks for."""

    def detect(batch: pa.RecordBatch) -> pa.RecordBatch:
        spans: list[list[Span]] = [[] for _ in range(batch.num_rows)]
        texts = batch.column("text")
        document, text = -1, ""
        for row, what, start, end in gate.anchors(*buffers_of(batch)).tolist():
            if row != document:
                document, text = row, texts[row].as_py()
            spans[row] += around(text, what, start, end, config)
        if config.name:
            for row, value in enumerate(texts):
                spans[row] += names(value.as_py())
        settled = [settle(row) for row in spans]
        return with_spans(with_score(batch, "privacy", [len(row) for row in settled]), settled)

    return detect


def spans_in(text: str, config: Privacy) -> list[Span]:
    """What the step marks in one text."""
    batch = pa.RecordBatch.from_pydict({"text": pa.array([text], pa.string())})
    marked = detector(config)(batch).column("spans")[0].as_py()
    return [(span["start"], span["end"], span["kind"]) for span in marked]


def around(text: str, what: int, start: int, end: int, config: Privacy) -> Iterator[Span]:
    """The spans that the checks find at an anchor."""
    if what == gate.NUMBER:
        if config.chinese_id:
            yield from numbers.chinese_ids(text, start, end)
        if config.card:
            yield from numbers.cards(text, start, end)
        if config.ip:
            yield from network.ipv4s(text, start, end, config.reserved)
        if config.phone:
            yield from phones.phones(text, start, end, config.reserved)
    elif what == gate.EMAIL:
        if config.email or config.secret:
            found = network.emails(text, start, config.reserved)
            yield from (span for span in found if (config.email if span[2] == "email" else config.secret))
    elif what == gate.PASSPORT:
        if config.passport:
            yield from numbers.passports(text, end, config.reserved)
    elif what == gate.IPV6:
        if config.ip:
            yield from network.ipv6s(text, start, config.reserved)
    elif what == gate.IBAN:
        if config.iban:
            yield from numbers.ibans(text, start)
        if config.secret and end - start >= gate.LETTERS_OF_TOKEN:
            yield from secrets.known(text, start, end, config.reserved)
    elif config.secret and what == gate.TOKEN:
        yield from secrets.known(text, start, end, config.reserved)
    elif config.secret and what == gate.ASSIGNMENT:
        yield from secrets.assigned(text, start, config.reserved)
    elif config.secret and what == gate.KEY_BLOCK:
        yield from secrets.blocks(text, start, config.reserved)


def settle(spans: list[Span]) -> list[Span]:
    """Spans that do not overlap, in order."""
    return apart(spans, lambda span: (RANK[span[2]], span[0] - span[1])) if len(spans) > 1 else spans


def rules_of(config: Privacy | None) -> list[Rule]:
    """Nothing is removed for a few spans, which select replaces; a document full of them can be."""
    if config is None or config.most is None:
        return []
    return [Rule("privacy", "privacy", "privacy", Bounds(max=config.most), Bounds(max=config.most))]
