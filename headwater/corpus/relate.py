"""The relate stage: what only the whole corpus can tell of a document.

    fingerprints                         ->  groups of duplicates, repeated lines and passages
    classifiers trained on some sources  ->  scores of all      (quality model, topics)
    evaluation sets                      ->  what of them stands in a document
    licence files                        ->  the licence of what lies below them

Nothing is removed here either. Out: groups.parquet, spans.parquet and duplicates.json (duplicates.relate); part-00000.parquet …
where there is something to say of every document (columns that stand beside those of the annotate artifact, row by row); and
whatever they were told by: a folder for each classifier, contamination.npz, licences.json.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headwater.core.artifact import Outcome, Work
from headwater.core.progress import Reporter
from headwater.core.storage import disk_trouble, read_json, write_json
from headwater.corpus.annotated import Annotated
from headwater.corpus.config import Corpus
from headwater.corpus.contamination.config import INDEX
from headwater.corpus.document import SCORE, SPANS, Step, with_score
from headwater.corpus.engine.run import each
from headwater.corpus.licences.config import Licences
from headwater.corpus.write import open_parquet

T = TypeVar("T")
FOUND = "spans.found"
"""Spans that were marked here, beside `spans` of the annotate artifact."""
LICENSE = "license.covering"
"""A document's own licence, or that of the licence file above it."""
QUALITY_MODEL, TOPICS, LICENCES = "quality_model", "topics", "licences.json"


@dataclass(frozen=True)
class Job:
    """One part of the annotate artifact, to be scored."""

    source: Path
    folder: Path
    part: int
    config: Corpus

    @property
    def path(self) -> Path:
        return self.folder / f"part-{self.part:05d}.parquet"


def run(config: Corpus, work: Work) -> Outcome:
    return run_over(config, work.inputs["annotate"].path, work)


def run_over(config: Corpus, source: Path, work: Work) -> Outcome:
    """`source`: the folder of annotated parts."""
    annotated = Annotated(source)
    spread = functools.partial(_map, config, work.report)
    if not (work.path / "duplicates.json").exists():  # written last
        from headwater.corpus.duplicates.relate import relate

        relate(annotated, config.duplicates, work.path, spread, work.report)
    _learn(config, annotated, work, spread)
    if steps_of(config, work.path):
        jobs = [Job(source, work.path, part, config) for part in range(len(annotated.parts))]
        spread(score_part, [job for job in jobs if not job.path.exists()], "scoring")
    for leftover in work.path.glob(".part-*"):
        leftover.unlink()
    return _outcome(work.path)


def _map(config: Corpus, report: Reporter, function: Callable[[T], None], tasks: Sequence[T], what: str) -> None:
    """Every task on the recipe's engine, under a bar."""
    with report.bar(what, total=len(tasks), unit="parts") as bar:
        each(config.engine, function, tasks, lambda _: bar.advance())


def _learn(config: Corpus, annotated: Annotated, work: Work, spread: Callable[..., None]) -> None:
    """What has to be known before any part can be scored; each is saved in the artifact and read from there."""
    from headwater.corpus.classify.train import train
    from headwater.corpus.contamination.index import build
    from headwater.corpus.licences.cover import folders_of

    for name, model in ((QUALITY_MODEL, config.quality_model), (TOPICS, config.topics)):
        if model is not None and not (work.path / name).exists():
            train(annotated, model, work.report).save(work.path / name)
    if config.contamination is not None and not (work.path / INDEX).exists():
        index = build(config.contamination, work.report)
        if config.contamination.frequent is not None:
            index.save(work.scratch / INDEX)
            index = index.without(_documents_with(annotated, len(index.hashes), work, spread) >= config.contamination.frequent)
        index.save(work.path / INDEX)
    if config.licences is not None:
        columns = ["id", "source", "license", SCORE + "licence_file"]
        folders = folders_of(batch for _, batch in annotated.batches(columns))
        write_json(work.path / LICENCES, [[*key, licence] for key, licence in sorted(folders.items())])


@dataclass(frozen=True)
class Counting:
    """In how many documents of one part is each n-gram of the index?"""

    source: Path
    scratch: Path
    part: int
    repeated: np.ndarray
    """Rows of the part that repeat another document."""

    @property
    def path(self) -> Path:
        return self.scratch / f"count-{self.part:05d}.npy"


def _documents_with(annotated: Annotated, grams: int, work: Work, spread: Callable[..., None]) -> np.ndarray:
    """int64 [G]: documents that hold each n-gram; of duplicates one counts, or a set that was copied often would be let through."""
    groups = pq.read_table(work.path / "groups.parquet", columns=["place", "group"])
    places, firsts = (groups.column(name).to_numpy() for name in ("place", "group"))
    repeated = places[places != firsts]
    borders = np.searchsorted(repeated, annotated.starts)
    jobs = [Counting(annotated.folders[0], work.scratch, part, repeated[borders[part] : borders[part + 1]] - annotated.starts[part])
            for part in range(len(annotated.parts))]  # fmt: skip
    spread(count_part, jobs, "counting n-grams of evaluation sets")
    return sum((np.load(job.path) for job in jobs), np.zeros(grams, np.int64))


def count_part(job: Counting) -> None:
    from headwater.corpus.contamination.index import load
    from headwater.corpus.contamination.match import count

    index = load(job.scratch / INDEX)
    annotated = Annotated(job.source)
    first = int(annotated.starts[job.part])
    counts = np.zeros(len(index.hashes), np.int64)
    for place, batch in annotated.batches_of(job.part, ["text"]):
        rows = np.ones(batch.num_rows, bool)
        here = job.repeated[(job.repeated >= place - first) & (job.repeated < place - first + batch.num_rows)]
        rows[here - (place - first)] = False
        counts += count(index, [batch.filter(pa.array(rows))])
    np.save(job.path, counts)


def steps_of(config: Corpus, folder: Path) -> list[Step]:
    """The steps of this stage over each batch of documents."""
    from headwater.corpus.classify.classifier import load as load_classifier
    from headwater.corpus.classify.score import scorer, topic_scorer
    from headwater.corpus.contamination.index import load as load_index
    from headwater.corpus.contamination.match import marker

    steps = []
    if config.contamination is not None:
        steps.append(marker(load_index(folder / INDEX), config.contamination.cut))
    if config.quality_model is not None:
        steps.append(scorer(load_classifier(folder / QUALITY_MODEL)))
    if config.topics is not None:
        steps.append(topic_scorer(load_classifier(folder / TOPICS), config.topics.confidence))
    if config.licences is not None:
        steps.append(_licenser(config.licences, folder))
    return steps


def _licenser(config: Licences, folder: Path) -> Step:
    from headwater.corpus.licences.cover import judged

    folders = {(source, below): licence for source, below, licence in read_json(folder / LICENCES)}

    def step(batch: pa.RecordBatch) -> pa.RecordBatch:
        licences, denied = judged(batch, folders, config)
        return with_score(batch, "licence_denied", denied).append_column(LICENSE, pa.array(licences, pa.string()))

    return step


def score_part(job: Job) -> None:
    """Write the columns that the steps add to one part."""
    steps = _steps(job.config.model_dump_json(), job.folder)
    temporary = job.path.with_name(f".{job.path.name}.{os.getpid()}")
    writer: pq.ParquetWriter | None = None
    with disk_trouble(job.folder):
        try:
            for _, batch in Annotated(job.source).batches_of(job.part):
                added = _added(batch, steps)
                writer = writer or open_parquet(temporary, added.schema)
                writer.write_batch(added)
            if writer is not None:
                writer.close()
                os.replace(temporary, job.path)
        finally:
            temporary.unlink(missing_ok=True)


def _added(batch: pa.RecordBatch, steps: Sequence[Step]) -> pa.RecordBatch:
    """Only what the steps add to a batch."""
    before = batch.drop_columns([SPANS]) if SPANS in batch.schema.names else batch
    after = before
    for step in steps:
        after = step(after)
    names = [name for name in after.schema.names if name not in before.schema.names]
    return after.select(names).rename_columns([FOUND if name == SPANS else name for name in names])


@functools.lru_cache(maxsize=1)
def _steps(config: str, folder: Path) -> list[Step]:
    """The steps of this process, made once."""
    return steps_of(Corpus.model_validate_json(config), folder)


def _outcome(folder: Path) -> Outcome:
    found: dict[str, Any] = read_json(folder / "duplicates.json")
    groups = pq.read_metadata(folder / "groups.parquet").num_rows
    return Outcome({"duplicates": found.get("groups", {}), "documents_in_groups": groups}, f"{groups:,} documents in groups of duplicates")
