"""The corpus stage: from the sources of a recipe to documents fit for training. Reads like the river that it is:

    annotate (read, extract, normalise, identify, measure)  ->  judge  ->  exact and near duplicates  ->  hold out  ->  write

Out: documents/train-*.parquet and documents/validation-*.parquet (document.DOCUMENT), removed.parquet (funnel.LEDGER),
funnel.json. The run's seed decides nothing here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headwater.core.artifact import Outcome, Work
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.core.storage import write_json
from headwater.corpus.annotate import Census, Texts, annotate
from headwater.corpus.config import Corpus
from headwater.corpus.document import DOCUMENT, finished
from headwater.corpus.duplicates.config import Near
from headwater.corpus.duplicates.groups import exact_duplicates, near_duplicates
from headwater.corpus.funnel import LEDGER, Fate, Funnel, ledger_rows
from headwater.corpus.select import KEPT, Rule, rules_of
from headwater.corpus.split import held_out
from headwater.corpus.write import Shards, Table

ANNOTATED = "annotated.parquet"


def run(config: Corpus, work: Work) -> Outcome:
    """Make the corpus below `work.path`. Raises HeadwaterError for bad sources, or when no document is left."""
    annotated = work.path / ANNOTATED
    rules = rules_of(config)
    census = annotate(config, rules, annotated, work.report)
    if not census.ids:
        raise HeadwaterError("no document was found in the sources", where="corpus.sources", mend="check their patterns and bad rows")
    fates = _judged(census, rules)
    if config.duplicates.exact:
        fates |= _exact(census, fates)
    if config.duplicates.near is not None:
        fates |= _near(census, fates, config.duplicates.near, annotated, work.report)
    splits = _split(census, fates, rules, config)
    funnel = Funnel(census, fates)
    _write(work, annotated, funnel, splits["validation"])
    annotated.unlink()
    summary = funnel.to_json(splits)
    write_json(work.path / "funnel.json", summary)
    documents, size = (sum(split[what] for split in summary["splits"].values()) for what in ("documents", "bytes"))
    metrics = {"documents": documents, "bytes": size, "read": summary["steps"][0]["documents"], "splits": summary["splits"],
               "by_language": summary["by_language"]}  # fmt: skip
    return Outcome(metrics, f"{documents:,} documents, {size / 1e6:,.1f} MB")


def _judged(census: Census, rules: list[Rule]) -> dict[int, Fate]:
    """The fate of every document that a rule takes."""
    verdict = census.verdict()
    failed = np.flatnonzero(verdict.rule != KEPT).tolist()
    return {place: Fate(rules[verdict.rule[place]].step, rules[verdict.rule[place]].name, float(verdict.value[place]),
                        float(verdict.threshold[place])) for place in failed}  # fmt: skip


def _exact(census: Census, fates: dict[int, Fate]) -> dict[int, Fate]:
    places = [place for place in range(len(census.ids)) if place not in fates]
    twins = exact_duplicates([census.digests[place] for place in places], [census.ids[place] for place in places])
    return {places[index]: Fate("duplicates", "exact", 1.0, 1.0, census.ids[places[twin.kept]]) for index, twin in twins.items()}


def _near(census: Census, fates: dict[int, Fate], config: Near, annotated: Path, report: Reporter) -> dict[int, Fate]:
    """Near duplicates among the documents without a fate; an exact copy that is gone already is in no pair."""
    passed = [place for place in range(len(census.ids)) if place not in fates or fates[place].step == "duplicates"]
    rows = [index for index, place in enumerate(passed) if place not in fates]
    places = [passed[index] for index in rows]
    keys = np.concatenate(census.keys)[rows]
    texts = Texts(annotated)
    try:
        with report.bar("comparing near duplicates", total=config.bands, unit="bands") as bar:
            twins = near_duplicates(keys, [census.sizes[place] for place in places], [census.ids[place] for place in places],
                                    lambda index: texts(places[index]), config, bar.advance)  # fmt: skip
    finally:
        texts.close()
    return {places[index]: Fate("duplicates", "near", twin.similarity, config.threshold, census.ids[places[twin.kept]])
            for index, twin in twins.items()}  # fmt: skip


def _split(census: Census, fates: dict[int, Fate], rules: list[Rule], config: Corpus) -> dict[str, list[int]]:
    """Places of train and of validation documents."""
    places = [place for place in range(len(census.ids)) if place not in fates]
    if not places:
        raise _nothing_left(census, fates, rules)
    strata = [(census.sources[place], census.languages[place]) for place in places]
    held = held_out([census.ids[place] for place in places], strata, config.holdout)
    return {"train": [place for place, out in zip(places, held, strict=True) if not out],
            "validation": [place for place, out in zip(places, held, strict=True) if out]}  # fmt: skip


def _nothing_left(census: Census, fates: dict[int, Fate], rules: list[Rule]) -> HeadwaterError:
    """Which rule took how many, the greediest first, and where the recipe sets it."""
    counts: dict[tuple[str, str], int] = {}
    for fate in fates.values():
        counts[fate.step, fate.rule] = counts.get((fate.step, fate.rule), 0) + 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    took = ", ".join(f"{step}.{rule}".replace("language.language", "language") + f" took {count:,}" for (step, rule), count in ranked)
    key = next((rule.key for rule in rules if (rule.step, rule.name) == ranked[0][0]), "duplicates")
    return HeadwaterError(f"no document is left of {len(census.ids):,}: {took}", where="corpus", mend=f"look at corpus.{key}")


def _write(work: Work, annotated: Path, funnel: Funnel, validation: list[int]) -> None:
    """Cut: each annotated document goes to its split or to the ledger."""
    folder = work.path / "documents"
    folder.mkdir(exist_ok=True)
    sinks = {"train": Shards(folder, "train", DOCUMENT), "validation": Shards(folder, "validation", DOCUMENT)}
    ledger = Table(work.path / "removed.parquet", LEDGER)
    held = set(validation)
    place = 0
    file = pq.ParquetFile(annotated)
    with work.report.bar("writing", total=len(funnel.census.ids), unit="documents") as bar:
        for batch in file.iter_batches(batch_size=512):
            places = range(place, place + batch.num_rows)
            fates = [funnel.fates.get(at) for at in places]
            removed = batch.filter(pa.array([fate is not None for fate in fates]))
            rows = ledger_rows(removed, [fate for fate in fates if fate], [funnel.census.sizes[at] for at in places if at in funnel.fates])
            funnel.illustrate(rows)
            ledger.write(rows)
            kept = finished(batch)
            sinks["train"].write(kept.filter(pa.array([fate is None and at not in held for at, fate in zip(places, fates, strict=True)])))
            sinks["validation"].write(kept.filter(pa.array([at in held for at in places])))
            place += batch.num_rows
            bar.advance(batch.num_rows)
    for shards in sinks.values():
        shards.close()
    ledger.close()
    file.close()
