"""The annotate stage: all documents of the sources, in normal form, with everything that can be told of each by itself.

    read  ->  extract  ->  normalise  ->  language  ->  quality  ->  privacy  ->  licences  ->  fingerprints of duplicates

Nothing is removed here: a document that a rule will take is in the artifact like any other, so that another threshold asks
for no second reading. Out: part-00000.parquet … (document.WORKING with columns for attributes, spans and fingerprints), one for
each unit of input, and beside each its account part-00000.json, which says that the part is whole.
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from headwater.core.artifact import Outcome, Work
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.core.storage import disk_trouble, read_json, write_json
from headwater.corpus.config import Corpus
from headwater.corpus.document import SCORE, WORKING, Document, Step, batch_of, batches, bytes_of, joined, with_score
from headwater.corpus.engine.run import each
from headwater.corpus.read.units import Unit, documents_of, units_of
from headwater.corpus.write import open_parquet

CHANGED = SCORE + "normalise."
BYTES = "bytes"
"""Attribute: UTF-8 bytes of the text as it is in the artifact."""


@dataclass(frozen=True)
class Job:
    """One part to be made; the same on every engine."""

    folder: Path
    index: int
    unit: Unit
    config: Corpus

    @property
    def path(self) -> Path:
        return self.folder / f"part-{self.index:05d}.parquet"

    @property
    def account(self) -> Path:
        return self.path.with_suffix(".json")


@dataclass
class Account:
    """What came of one unit; `bytes` of texts after each step, `read` by source."""

    documents: int = 0
    read: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    bad_rows: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    """Characters that each option of `normalise` changed."""

    def add(self, other: dict[str, Any]) -> None:
        self.documents += other["documents"]
        for name in ("read", "bytes", "bad_rows", "changed"):
            mine: dict[str, int] = getattr(self, name)
            for key, count in other[name].items():
                mine[key] = mine.get(key, 0) + count


def run(config: Corpus, work: Work) -> Outcome:
    """Make the parts that are not there yet. Raises HeadwaterError for bad sources, or when there is no document."""
    jobs = jobs_of(config, work.path, work.report)
    make_parts(config, jobs, work.report)
    account = Account()
    for job in jobs:
        account.add(read_json(job.account))
    for leftover in work.path.glob(".part-*"):
        leftover.unlink()
    if not account.documents:
        raise HeadwaterError("no document was found in the sources", where="corpus.sources", mend="check their patterns and bad rows")
    size = account.bytes["normalise"]
    metrics = {"documents": account.documents, "bytes": size, "parts": len(jobs)}
    return Outcome(metrics, f"{account.documents:,} documents, {size / 1e6:,.1f} MB, {len(jobs):,} parts")


def run_share(config: Corpus, folder: Path, report: Reporter, rank: int, world_size: int) -> int:
    """Make every `world_size`th part, beginning with `rank`: what one of many machines does. Returns how many parts there are in all."""
    jobs = jobs_of(config, folder, report)
    make_parts(config, jobs[rank::world_size], report)
    return len(jobs)


def jobs_of(config: Corpus, folder: Path, report: Reporter) -> list[Job]:
    units = units_of(config.sources, report, 2 * config.part_bytes, config.part_bytes)
    return [Job(folder, index, unit, config) for index, unit in enumerate(units)]


def make_parts(config: Corpus, jobs: list[Job], report: Reporter) -> None:
    """Those that are not there yet, on the recipe's engine."""
    with _settled():
        _prepare(config, report)
    done = sum(job.unit.bytes for job in jobs if job.account.exists())
    total = sum(job.unit.bytes for job in jobs)
    with _settled(), report.bar("reading and measuring", total=total / 1e6, unit="MB", done=done / 1e6) as bar:
        each(config.engine, make_part, [job for job in jobs if not job.account.exists()], lambda job: bar.advance(job.unit.bytes / 1e6))


@contextmanager
def _settled() -> Iterator[None]:
    """What is there by now is not looked through for garbage: with all that libraries hold, that took a tenth of a small corpus's time."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _prepare(config: Corpus, report: Reporter) -> None:
    """Have models fetched and kernels compiled once, here, before every worker does it: the first time it takes half a minute."""
    page = Document("page", "<title>T</title><p>One sentence, to begin with.</p>", "warm", form="html")
    with report.bar("preparing", unit="steps") as bar:
        batch = batch_of([page, Document("text", "A second one. 又一句话。", "warm")])
        for step in _steps(config, report).values():
            batch = step(batch)
            bar.advance()


def make_part(job: Job) -> None:
    """Annotate one unit. Its file is renamed when whole, its account written last."""
    account = Account()
    steps = _steps(job.config)
    temporary = job.path.with_name(f".{job.path.name}.{os.getpid()}")
    with disk_trouble(job.folder):
        try:
            _write_part(temporary, job, steps, account)
            os.replace(temporary, job.path)
        finally:
            temporary.unlink(missing_ok=True)
        write_json(job.account, vars(account))


def _write_part(path: Path, job: Job, steps: dict[str, Step], account: Account) -> None:
    """A row group for each batch of texts, and one without rows for a unit without documents, which tells the schema."""
    from headwater.corpus.duplicates.fingerprints import incompressible

    plain = incompressible(job.config.duplicates)
    writer = None
    bad_rows: Counter[str] = Counter()
    try:
        for batch in joined(_extracted(documents_of(job.unit, job.config.sources, bad_rows), steps["extract"], account)):
            batch = annotated(batch, steps, account)
            writer = writer or open_parquet(path, batch.schema, plain)
            writer.write_batch(batch)
        if writer is None:
            empty = annotated(steps["extract"](pa.RecordBatch.from_pylist([], schema=WORKING)), steps, account)
            writer = open_parquet(path, empty.schema, plain)
    finally:
        if writer is not None:
            writer.close()
    account.bad_rows = dict(bad_rows)
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _extracted(documents: Iterator[Document], extract: Step, account: Account) -> Iterator[pa.RecordBatch]:
    """Batches after the first step; the account counts what was read."""
    for batch in batches(documents):
        sizes = bytes_of(batch)
        account.documents += batch.num_rows
        for source, size in zip(batch.column("source").to_pylist(), sizes.tolist(), strict=True):
            account.read[source] = account.read.get(source, 0) + size
        batch = extract(batch)
        for name, size in (("read", sizes.sum()), ("extract", bytes_of(batch).sum())):
            account.bytes[name] = account.bytes.get(name, 0) + int(size)
        yield batch


def annotated(batch: pa.RecordBatch, steps: dict[str, Step], account: Account) -> pa.RecordBatch:
    """The batch after all steps but the first; the account counts what normalisation changes."""
    for name, step in steps.items():
        if name == "extract":
            continue
        batch = step(batch)
        if name == "normalise":
            account.bytes[name] = account.bytes.get(name, 0) + int(bytes_of(batch).sum())
            for option in (column.removeprefix(CHANGED) for column in batch.schema.names if column.startswith(CHANGED)):
                account.changed[option] = account.changed.get(option, 0) + int(np.asarray(batch.column(CHANGED + option)).sum())
    return with_score(batch, BYTES, bytes_of(batch))


def steps_of(config: Corpus, report: Reporter | None) -> dict[str, Step]:
    """The steps of a recipe by name, in their order."""
    from headwater.corpus.duplicates.fingerprints import fingerprinter
    from headwater.corpus.extract.page import extractor
    from headwater.corpus.language.identify import identifier
    from headwater.corpus.licences.detect import detector as licence_detector
    from headwater.corpus.normalise.normal import normaliser
    from headwater.corpus.privacy.detect import detector as privacy_detector
    from headwater.corpus.quality.measure import measurer

    steps = {
        "extract": extractor(config.extract, report),
        "normalise": normaliser(config.normalise, report),
        "language": identifier(config.language, report),
        "quality": measurer(config.quality),
    }
    if config.privacy is not None:
        steps["privacy"] = privacy_detector(config.privacy)
    if config.licences is not None:
        steps["licences"] = licence_detector(config.licences)
    steps["fingerprints"] = fingerprinter(config.duplicates)
    return steps


_MADE: dict[str, dict[str, Step]] = {}
"""The steps of this process, by their config: models and kernels are loaded once."""


def _steps(config: Corpus, report: Reporter | None = None) -> dict[str, Step]:
    key = config.model_dump_json()
    if key not in _MADE:
        _MADE.clear()
        _MADE[key] = steps_of(config, report)
    return _MADE[key]
