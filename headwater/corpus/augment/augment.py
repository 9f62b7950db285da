"""Which documents can be made from those that are there? In: a batch. Out: a batch of additional documents, of the same columns.

The only place of this room that adds rows. A copy has the id `<id>~aug1`, its text, and in `meta` what it was made from and how;
all other columns are its parent's. A copy that is no different from its parent or an earlier copy is left out. Draws are
keyed by the document's id: the same copies, whatever else is in the batch.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from headwater.core.random import stream
from headwater.corpus.augment.config import Augment, BackTranslate, Noise, Paraphrase, Synonyms
from headwater.corpus.augment.noise import noisy
from headwater.corpus.augment.program import ask
from headwater.corpus.augment.synonyms import replacer
from headwater.corpus.document import SPANS, texts_of

Draw = Callable[[int], np.random.Generator]
"""The random stream of a row."""
Way = Callable[[pa.RecordBatch, list[str], Draw], list[str]]
"""Texts of a batch's rows to other ones."""


def augmenter(config: Augment, seed: int) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    """Raises HeadwaterError for a dictionary that cannot be read; the function for a program that fails."""
    ways = [(way.kind, _way(way)) for way in config.ways]

    def augmented(batch: pa.RecordBatch) -> pa.RecordBatch:
        ids: list[str] = batch.column("id").to_pylist()
        rows = [row for row, (id, source) in enumerate(zip(ids, batch.column("source").to_pylist(), strict=True))
                if (not config.sources or source in config.sources)
                and (config.share == 1 or stream(seed, "augment", "share", id).random() < config.share)]  # fmt: skip
        parents = batch.take(pa.array(rows, pa.int64()))
        seen = [{text} for text in texts_of(parents)]
        copies = []
        for copy in range(1, config.copies + 1):
            texts = texts_of(parents)
            for number, (kind, way) in enumerate(ways):
                texts = way(parents, texts, _draws(seed, parents.column("id").to_pylist(), copy, number, kind))
            fresh = [row for row, text in enumerate(texts) if text.strip() and text not in seen[row]]
            for row in fresh:
                seen[row].add(texts[row])
            copies.append(_copies(parents, texts, fresh, copy, [kind for kind, _ in ways]))
        return pa.Table.from_batches(copies).combine_chunks().to_batches()[0] if any(map(len, copies)) else batch.slice(0, 0)

    return augmented


def _draws(seed: int, ids: list[str], copy: int, number: int, kind: str) -> Draw:
    return lambda row: stream(seed, "augment", ids[row], copy, number, kind)


def _way(config: Synonyms | Noise | BackTranslate | Paraphrase) -> Way:
    if isinstance(config, Synonyms):
        replace = replacer(config)
        return lambda batch, texts, draw: [replace(text, draw(row)) for row, text in enumerate(texts)]
    if isinstance(config, Noise):
        return lambda batch, texts, draw: [noisy(text, config, draw(row)) for row, text in enumerate(texts)]
    if isinstance(config, BackTranslate):
        return lambda batch, texts, draw: _there_and_back(batch, texts, config)
    return lambda batch, texts, draw: ask(config.command, _requests(batch, texts, [{"language": own} for own in _languages(batch)]),
                                          config.timeout, "paraphrase")  # fmt: skip


def _there_and_back(batch: pa.RecordBatch, texts: list[str], config: BackTranslate) -> list[str]:
    pairs = [(own, config.through if own != config.through else "en") for own in _languages(batch)]
    there = [{"from": own, "to": other} for own, other in pairs]
    back = [{"from": other, "to": own} for own, other in pairs]
    translated = ask(config.command, _requests(batch, texts, there), config.timeout, "back_translate")
    return ask(config.command, _requests(batch, translated, back), config.timeout, "back_translate")


def _languages(batch: pa.RecordBatch) -> list[str]:
    return [language or "und" for language in batch.column("language").to_pylist()]


def _requests(batch: pa.RecordBatch, texts: list[str], more: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"id": id, "text": text, **rest} for id, text, rest in zip(batch.column("id").to_pylist(), texts, more, strict=True)]


def _copies(parents: pa.RecordBatch, texts: list[str], rows: list[int], copy: int, kinds: list[str]) -> pa.RecordBatch:
    batch = parents.take(pa.array(rows, pa.int64()))
    ids: list[str] = batch.column("id").to_pylist()
    metas = [json.dumps({**json.loads(meta), "augmented": {"from": id, "by": kinds}}, ensure_ascii=False, sort_keys=True)
             for id, meta in zip(ids, batch.column("meta").to_pylist(), strict=True)]  # fmt: skip
    columns = {"id": [f"{id}~aug{copy}" for id in ids], "text": [texts[row] for row in rows], "meta": metas}
    for name, values in columns.items():
        index = batch.schema.get_field_index(name)
        batch = batch.set_column(index, batch.schema.field(index), pa.array(values, pa.string()))
    if SPANS in batch.schema.names:  # they are places in the parent's text
        index = batch.schema.get_field_index(SPANS)
        field = batch.schema.field(index)
        batch = batch.set_column(index, field, pa.array([[]] * len(rows), field.type))
    return batch
