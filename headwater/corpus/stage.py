"""The corpus stage: from annotated documents to those that a model is trained on.

    decide what goes (fates)  ->  cut and replace spans  ->  hold out  ->  mix  ->  write

All that costs time was done before (annotate, relate): a changed threshold is a scan over numbers and one copy. Out:
documents/train-*.parquet and documents/validation-*.parquet (document.DOCUMENT), removed.parquet (funnel.LEDGER), funnel.json, and
the relate stage's accounts of duplicates, contamination and classifiers. The run's seed decides nothing here.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headwater.core.artifact import Artifact, Outcome, Work
from headwater.core.storage import read_json, write_json
from headwater.corpus.annotate import BYTES, Account
from headwater.corpus.annotated import Annotated
from headwater.corpus.apply import Replace, apply
from headwater.corpus.augment.augment import augmenter
from headwater.corpus.classify.score import TOPIC
from headwater.corpus.config import Corpus
from headwater.corpus.contamination.config import INDEX, Contamination
from headwater.corpus.contamination.index import load as load_index
from headwater.corpus.contamination.match import found, match
from headwater.corpus.contamination.report import report
from headwater.corpus.document import DOCUMENT, SCORE, bytes_of, finished, spans_of, texts_of, with_texts
from headwater.corpus.fates import REPEATED, Fates, decide
from headwater.corpus.funnel import EXCERPT, LEDGER, Funnel
from headwater.corpus.mixture.config import Mixture
from headwater.corpus.mixture.draw import copies as copies_of
from headwater.corpus.mixture.draw import realised
from headwater.corpus.mixture.plan import Count, make_plan
from headwater.corpus.mixture.subtract import ALONE
from headwater.corpus.relate import FOUND, LICENSE, QUALITY_MODEL, TOPICS
from headwater.corpus.select import KEPT, judge
from headwater.corpus.spans import Marked
from headwater.corpus.split import held_out
from headwater.corpus.statistics.compute import compute
from headwater.corpus.statistics.measures import Measure
from headwater.corpus.write import Shards, Table

ACCOUNTS = ("duplicates.json", INDEX, QUALITY_MODEL, TOPICS)
"""Of the relate stage, for later stages and the report; without texts."""


def run(config: Corpus, work: Work, measures: Callable[[Path], Mapping[str, Measure]] = lambda folder: {}) -> Outcome:
    """Make the corpus below `work.path`. `measures` gives functions text -> number, once the documents are written.

    Raises HeadwaterError when no document is left.
    """
    read, related = work.inputs["annotate"].path, work.inputs["relate"].path
    annotated = Annotated(read, *([related] if any(related.glob("part-*.parquet")) else []))
    fates = decide(annotated, related, config, work.report)
    copies = _copies(annotated, fates, config, work)
    funnel = _funnel(work.inputs["annotate"], annotated.count)
    _Writer(config, work, annotated, fates, copies, Marked(related / "spans.parquet"), funnel).write()
    for name in ACCOUNTS:
        _keep_account(related / name, work.path / name)
    if config.contamination is not None:
        write_json(work.path / "contamination.json", _contamination(annotated, fates, config.contamination, related / INDEX))
    if config.statistics:
        files = sorted((work.path / "documents").glob("*.parquet"))
        write_json(work.path / "statistics.json", compute(files, work.scratch, work.report, measures=measures(work.path)))
    proof = {}
    if config.proof:
        from headwater.corpus.proof.prove import prove

        files = sorted((work.path / "documents").glob("*.parquet"))
        proof = prove(config, files, work.scratch, work.report, related / INDEX)
        write_json(work.path / "proof.json", proof)
    summary = funnel.to_json()
    write_json(work.path / "funnel.json", summary)
    documents, size = (sum(split[what] for split in summary["splits"].values()) for what in ("documents", "bytes"))
    metrics = {"documents": documents, "bytes": size, "read": annotated.count, "splits": summary["splits"],
               "by_language": summary["by_language"]}  # fmt: skip
    if proof:
        metrics["proof"] = {row["detector"]: {name: row[name] for name in ("recall", "precision")} for row in proof["detectors"]}
    return Outcome(metrics, f"{documents:,} documents, {size / 1e6:,.1f} MB")


def _funnel(annotate: Artifact, documents: int) -> Funnel:
    account = Account()
    for path in sorted(annotate.path.glob("part-*.json")):
        account.add(read_json(path))
    return Funnel(documents, account.bytes, account.read, account.bad_rows, account.changed)


HELD_OUT = -1


def _copies(annotated: Annotated, fates: Fates, config: Corpus, work: Work) -> np.ndarray:
    """int16 per place: how often it is written for training; HELD_OUT for validation, 0 for what goes."""
    left = fates.left()
    strata = fates.source[left].astype(np.int64) * len(fates.languages) + fates.language[left]
    held = held_out(fates.hash[left], strata, config.holdout)
    copies = np.zeros(annotated.count, np.int16)
    copies[left] = np.where(held, HELD_OUT, 1)
    if config.mixture is not None:
        train = left[~held]
        copies[train], account = _mixed(annotated, fates, train, config.mixture)
        write_json(work.path / "mixture.json", account)
    return copies


def _mixed(annotated: Annotated, fates: Fates, train: np.ndarray, config: Mixture) -> tuple[np.ndarray, dict[str, Any]]:
    """int16: copies of each training document, and the realised mixture beside the wished one."""
    names, codes = _strata(annotated, fates, config)
    strata, sizes = codes[train], annotated.column(SCORE + BYTES).to_numpy()[train].astype(np.int64)
    documents, held = np.bincount(strata, minlength=len(names)), np.bincount(strata, sizes, len(names))
    there = {
        name: Count(int(documents[code]), int(held[code]))
        for code, name in enumerate(names)
        if documents[code] or name in (config.weights or {})
    }
    plan = make_plan(there, config)
    of_plan = np.array([plan.names.index(name) if name in there else -1 for name in names])[strata]
    drawn = copies_of(fates.hash[train], of_plan, plan, sizes if plan.unit == "bytes" else None)
    return drawn, realised(plan, of_plan, drawn, sizes)


def _strata(annotated: Annotated, fates: Fates, config: Mixture) -> tuple[list[str], np.ndarray]:
    """What the mixture weighs: names, and the number of each document's."""
    if config.by == "source":
        return fates.sources, fates.source
    if config.by == "language":
        return fates.languages, fates.language
    topics = annotated.column(TOPIC).combine_chunks().dictionary_encode()
    return topics.dictionary.to_pylist(), topics.indices.to_numpy()


def _contamination(annotated: Annotated, fates: Fates, config: Contamination, path: Path) -> dict[str, Any]:
    """contamination.json: whose examples are in documents that were read, and in those that stay as they are."""
    index = load_index(path)
    places = np.flatnonzero(annotated.column(SCORE + "contaminated").to_numpy() > 0)
    rows, grams = found(match(pa.RecordBatch.from_pydict({"text": pa.array(annotated.texts(places), pa.string())}), index))
    whole = (fates.taken == KEPT) & (config.cut is None)
    ids = _ids_at(annotated, places)
    return {**report(index, places[rows], grams, whole, ids.__getitem__, config.dirty), "most": config.most, "cut": config.cut}


class _Writer:
    """One pass over all documents: each goes to its split or to the ledger."""

    def __init__(self, config: Corpus, work: Work, annotated: Annotated, fates: Fates, copies: np.ndarray, marked: Marked,
                 funnel: Funnel) -> None:  # fmt: skip
        self.work, self.annotated, self.fates, self.copies, self.marked, self.funnel = work, annotated, fates, copies, marked, funnel
        self.config, self.replace = config, replacement(config)
        self.augmented = augmenter(config.augment, 0) if config.augment is not None else None
        folder = work.path / "documents"
        folder.mkdir(exist_ok=True)
        self.splits = {split: Shards(folder, split, DOCUMENT) for split in ("train", "validation")}
        self.ledger = Table(work.path / "removed.parquet", LEDGER)
        self.staying = _ids_at(annotated, np.unique(fates.notes.instead[fates.notes.instead != ALONE]))

    def write(self) -> None:
        columns = [name for name in self.annotated.names if name != "digest" and not name.startswith("band.")]
        with self.work.report.bar("writing", total=self.annotated.count, unit="documents") as bar:
            for place, batch in self.annotated.batches(columns):
                self._batch(place, _licensed(batch))
                bar.advance(batch.num_rows)
        for shards in self.splits.values():
            shards.close()
        self.ledger.close()

    def _batch(self, place: int, batch: pa.RecordBatch) -> None:
        for source, count in zip(*np.unique(batch.column("source").to_pylist(), return_counts=True), strict=True):
            self.funnel.read[str(source)] += int(count)
        places = np.arange(place, place + batch.num_rows)
        gone = self.fates.taken[places] != KEPT
        if gone.any():
            self._remove(self._why(batch.filter(pa.array(gone)), places[gone]))
        stays = batch.filter(pa.array(~gone))
        places = places[~gone]
        stays, places = self._without_spans(stays, places)
        copies = self.copies[places]
        if (copies == 0).any():
            self._remove(self._unmixed(stays.filter(pa.array(copies == 0))))
        self._write("validation", stays.filter(pa.array(copies == HELD_OUT)))
        train = _copied(stays, copies)
        self._write("train", train)
        if self.augmented is not None:
            self._write("train", self.augmented(train))

    def _write(self, split: str, batch: pa.RecordBatch) -> None:
        if batch.num_rows:
            self.splits[split].write(finished(batch))
            self.funnel.keep(split, batch.column("source").to_pylist(), batch.column("language").to_pylist(), bytes_of(batch).tolist())

    def _remove(self, rows: pa.RecordBatch) -> None:
        self.ledger.write(rows)
        self.funnel.remove(rows)

    def _why(self, batch: pa.RecordBatch, places: np.ndarray) -> pa.RecordBatch:
        """Rows of the ledger for documents that `fates` takes."""
        reasons = [self.fates.reasons[index] for index in self.fates.taken[places]]
        verdicts = judge(batch, self.fates.rules)
        by_rule = self.fates.taken[places] < len(self.fates.rules)
        instead, value, threshold = self.fates.notes.of(places)
        value = np.where(by_rule, verdicts.value, value)
        threshold = np.where(by_rule, verdicts.threshold, threshold)
        kept = [self.staying.get(place) for place in instead.tolist()]
        return _rows(batch, [reason.step for reason in reasons], [reason.rule for reason in reasons], value, threshold, kept)

    def _unmixed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        count = batch.num_rows
        return _rows(batch, ["mixture"] * count, ["not drawn"] * count, np.zeros(count), np.ones(count), [None] * count)

    def _without_spans(self, batch: pa.RecordBatch, places: np.ndarray) -> tuple[pa.RecordBatch, np.ndarray]:
        """The batch with its marked spans cut or replaced; a document of which nothing is left goes."""
        marks = zip(spans_of(batch), spans_of(batch, FOUND), self.marked.of(places), strict=True)
        spans = [[span for span in sorted({*old, *new, *more}) if is_acted_on(span[2], self.config)] for old, new, more in marks]
        before = bytes_of(batch)
        texts = [apply(text, marks, id, self.replace) if marks else text
                 for text, marks, id in zip(texts_of(batch), spans, batch.column("id").to_pylist(), strict=True)]  # fmt: skip
        after = with_texts(batch, texts)
        empty = np.array([bool(marks) and not text.strip() for text, marks in zip(texts, spans, strict=True)], bool)
        self.funnel.cut += int((before - bytes_of(after))[~empty].sum())
        if not empty.any():
            return after, places
        count = int(empty.sum())
        lost = batch.filter(pa.array(empty))
        self._remove(_rows(lost, ["spans"] * count, ["nothing left"] * count, np.zeros(count), np.ones(count), [None] * count))
        return after.filter(pa.array(~empty)), places[~empty]


def replacement(config: Corpus) -> Replace:
    """What stands in the place of a marked span; None: nothing."""
    if config.privacy is None:
        return lambda kind, text, id: None
    from headwater.corpus.privacy.replace import replacer

    return replacer(config.privacy)


def is_acted_on(kind: str, config: Corpus) -> bool:
    """Is a span of this kind cut or replaced? Others are marks alone: senses of words, evaluation sets whose documents go as a whole."""
    if kind.startswith("contamination:"):
        return config.contamination is not None and config.contamination.cut is not None
    if kind == REPEATED:
        return config.duplicates.substrings is not None and config.duplicates.substrings.action == "cut"
    return not kind.startswith("homograph:")


def _rows(batch: pa.RecordBatch, steps: Sequence[str], rules: Sequence[str], value: np.ndarray, threshold: np.ndarray,
          kept: Sequence[str | None]) -> pa.RecordBatch:  # fmt: skip
    """Rows by LEDGER."""
    columns: dict[str, Any] = {name: batch.column(name) for name in ("id", "source", "url")}
    excerpts = pc.utf8_slice_codeunits(batch.column("text"), 0, EXCERPT)
    columns |= {
        "step": steps,
        "rule": rules,
        "value": value,
        "threshold": threshold,
        "bytes": bytes_of(batch),
        "excerpt": excerpts,
        "kept": kept,
    }
    return pa.RecordBatch.from_pydict(columns, schema=LEDGER)


def _licensed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """With the licence that covers a document as its own."""
    if LICENSE not in batch.schema.names:
        return batch
    place = batch.schema.get_field_index("license")
    return batch.set_column(place, batch.schema.field(place), batch.column(LICENSE)).drop_columns([LICENSE])


def _copied(batch: pa.RecordBatch, copies: np.ndarray) -> pa.RecordBatch:
    """Each row so often; the ids of further copies end in `~2`, `~3` …"""
    times = np.maximum(copies, 0)
    if (times <= 1).all():
        return batch.filter(pa.array(times == 1))
    rows = np.repeat(np.arange(len(times)), times)
    number = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times) + 1
    taken = batch.take(pa.array(rows))
    ids = [id if copy == 1 else f"{id}~{copy}" for id, copy in zip(taken.column("id").to_pylist(), number, strict=True)]
    return taken.set_column(taken.schema.get_field_index("id"), taken.schema.field("id"), pa.array(ids, pa.string()))


def _ids_at(annotated: Annotated, places: np.ndarray) -> dict[int, str]:
    """Ids of ascending places."""
    found: dict[int, str] = {}
    if len(places):
        for start, batch in annotated.batches(["id"]):
            here = places[np.searchsorted(places, start) : np.searchsorted(places, start + batch.num_rows)]
            found.update(zip(here.tolist(), batch.column(0).take(pa.array(here - start)).to_pylist(), strict=True))
    return found


def _keep_account(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.exists():
        shutil.copyfile(source, target)
