"""What becomes of every document? In: the annotate and relate artifacts. Out: per place a few bytes that say why it goes, or that it stays.

    rules, keep expression  ->  classifier's choice  ->  subtraction  ->  the best kept member of each group of duplicates

The arrays here are all that is kept of a document in memory: 30 bytes and what a group of duplicates asks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.corpus.annotate import BYTES
from headwater.corpus.annotated import Annotated
from headwater.corpus.classify.choose import choose
from headwater.corpus.classify.score import QUALITY
from headwater.corpus.config import Corpus
from headwater.corpus.document import SCORE
from headwater.corpus.mixture.subtract import ALONE, matches
from headwater.corpus.quality.rules import Rule
from headwater.corpus.select import KEPT, Keep, columns_of, judge, rules_of
from headwater.corpus.split import hashes_of

NOT_ASKED_FOR = ("text", "meta", "digest", "spans", "spans.found")
"""Columns that are large and no rule looks at."""
REPEATED = "repeated_substring"
"""Kind of the spans that `duplicates.substrings` marks."""


@dataclass(frozen=True)
class Reason:
    """Why documents go: a step of the funnel and a rule in it."""

    step: str
    rule: str
    key: str
    """Where the recipe sets it, below `corpus.`."""


@dataclass
class Groups:
    """Documents that have duplicates, ascending by place."""

    place: np.ndarray
    group: np.ndarray
    similarity: np.ndarray
    kind: np.ndarray

    @classmethod
    def read(cls, path: Path) -> Groups:
        table = pq.read_table(path)
        return cls(*(table.column(name).to_numpy() for name in ("place", "group", "similarity", "kind")))


@dataclass(frozen=True)
class Notes:
    """What the ledger is told of documents that no rule took, ascending by place."""

    place: np.ndarray
    instead: np.ndarray
    """int64: place of the document that stays in its place; ALONE: none does."""
    value: np.ndarray
    threshold: np.ndarray

    @classmethod
    def none(cls) -> Notes:
        return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.float32))

    def and_also(self, place: np.ndarray, instead: np.ndarray, value: np.ndarray, threshold: np.ndarray) -> Notes:
        """With more of them; nobody is noted twice."""
        both = [np.concatenate(pair) for pair in zip(vars(self).values(), (place, instead, value, threshold), strict=True)]
        order = np.argsort(both[0])
        return Notes(*(values[order].astype(kind) for values, kind in zip(both, (np.int64, np.int64, np.float32, np.float32), strict=True)))

    def of(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`(instead, value, threshold)` for each of some places; ALONE, 0, 1 where nothing is noted."""
        instead, value, threshold = np.full(len(places), ALONE), np.zeros(len(places)), np.ones(len(places))
        if len(self.place):
            at = np.minimum(np.searchsorted(self.place, places), len(self.place) - 1)
            here = self.place[at] == places
            instead[here], value[here], threshold[here] = self.instead[at[here]], self.value[at[here]], self.threshold[at[here]]
        return instead, value, threshold


@dataclass
class Fates:
    """Per place: the reason (index into `reasons`, KEPT: none), the hash that splits and samples, source and language as numbers."""

    reasons: list[Reason]
    rules: list[Rule]
    keep: Keep | None
    taken: np.ndarray
    hash: np.ndarray
    source: np.ndarray
    language: np.ndarray
    sources: list[str]
    languages: list[str]
    notes: Notes = field(default_factory=Notes.none)

    def left(self) -> np.ndarray:
        return np.flatnonzero(self.taken == KEPT)


def decide(annotated: Annotated, related: Path, config: Corpus, report: Reporter) -> Fates:
    """`related` is the relate artifact. Raises HeadwaterError when no document is left, naming the greediest rule."""
    groups = Groups.read(related / "groups.parquet")
    fates = _judged(annotated, config, report)
    _chosen(annotated, fates, config)
    _subtracted(annotated, groups, fates, config)
    _one_of_each_group(annotated, groups, fates, config)
    if config.duplicates.substrings is not None and config.duplicates.substrings.action == "drop":
        _repeating(related / "spans.parquet", fates)
    if not len(fates.left()):
        raise _nothing_left(fates)
    return fates


def _judged(annotated: Annotated, config: Corpus, report: Reporter) -> Fates:
    rules = rules_of(config)
    keep = Keep(config.keep) if config.keep is not None else None
    reasons = [Reason(rule.step, rule.name, rule.key) for rule in rules] + [Reason("keep", "keep", "keep")]
    columns = ["id", "source", "language", *columns_of(rules)]
    if keep is not None:
        columns = [name for name in annotated.names if name not in NOT_ASKED_FOR and not name.startswith("band.")]
    count = annotated.count
    fates = Fates(reasons, rules, keep, np.full(count, KEPT, np.int16), np.empty(count, np.uint64), np.empty(count, np.int32),
                  np.empty(count, np.int32), [], [])  # fmt: skip
    codes: tuple[dict[str, int], dict[str, int]] = ({}, {})
    with report.bar("judging", total=count, unit="documents") as bar:
        for place, batch in annotated.batches(columns):
            here = slice(place, place + batch.num_rows)
            taken = judge(batch, rules).rule
            if keep is not None:
                taken = np.where((taken == KEPT) & ~keep(batch), len(rules), taken)
            fates.taken[here] = taken
            fates.hash[here] = hashes_of(batch.column("id"))
            fates.source[here] = _coded(batch.column("source"), codes[0])
            fates.language[here] = _coded(batch.column("language"), codes[1])
            bar.advance(batch.num_rows)
    fates.sources, fates.languages = list(codes[0]), list(codes[1])
    return fates


def _coded(column: pa.Array, known: dict[str, int]) -> np.ndarray:
    """int32: each value's number; new ones are added to `known`, in order of appearance."""
    words = column.dictionary_encode()
    numbers = np.array([known.setdefault(word, len(known)) for word in words.dictionary.to_pylist()] or [0], np.int32)
    found: np.ndarray = numbers[words.indices.to_numpy(zero_copy_only=False)]
    return found


def _chosen(annotated: Annotated, fates: Fates, config: Corpus) -> None:
    """The quality model's choice among what is left."""
    model = config.quality_model
    if model is None:
        return
    judged = (fates.taken == KEPT) & np.array([model.judges(source) for source in fates.sources])[fates.source]
    places = np.flatnonzero(judged)
    scores = annotated.column(SCORE + QUALITY).to_numpy()[places]
    stays, bounds = choose(model.choose, _ids(annotated, judged), scores)
    gone = places[~stays]
    fates.taken[gone] = _reason(fates, "quality_model", model.choose.kind, "quality_model.choose")
    fates.notes = fates.notes.and_also(gone, np.full(len(gone), ALONE), scores[~stays], bounds[~stays])


def _ids(annotated: Annotated, wanted: np.ndarray) -> Iterator[str]:
    """Ids where `wanted` is true, in order."""
    for place, batch in annotated.batches(["id"]):
        yield from batch.column(0).filter(pa.array(wanted[place : place + batch.num_rows])).to_pylist()


def _subtracted(annotated: Annotated, groups: Groups, fates: Fates, config: Corpus) -> None:
    """Documents of one source that another has too, whether or not that one's are left."""
    for number, item in enumerate(config.subtract):
        sources = annotated.column("source")
        if item.by == "near":
            group = np.full(annotated.count, -1, np.int64)
            group[groups.place] = groups.group
            found = matches(item, sources, groups=group)
        elif item.by == "exact":
            found = matches(item, sources, digests=annotated.column("digest"))
        else:
            found = matches(item, sources, urls=annotated.column("url"))
        gone = np.flatnonzero((found >= 0) & (fates.taken == KEPT))
        fates.taken[gone] = _reason(fates, "subtract", f"{'+'.join(item.of)} minus {'+'.join(item.minus)}", f"subtract[{number}]")
        fates.notes = fates.notes.and_also(gone, found[gone], np.ones(len(gone)), np.ones(len(gone)))


def _one_of_each_group(annotated: Annotated, groups: Groups, fates: Fates, config: Corpus) -> None:
    """Of each group the best member that is left stays; `prefer` says what is best, and the least id decides in the end."""
    member = fates.taken[groups.place] == KEPT
    place, group, similarity, kind = (values[member] for values in (groups.place, groups.group, groups.similarity, groups.kind))
    if not len(place):
        return
    order = np.lexsort((*reversed(_preferences(annotated, place, fates, config)), group))
    place, group, similarity, kind = place[order], group[order], similarity[order], kind[order]
    first = np.concatenate([[True], group[1:] != group[:-1]])
    best = place[np.maximum.accumulate(np.where(first, np.arange(len(place)), 0))]
    fates.hash[place] = fates.hash[best]
    if not config.duplicates.drop:
        return
    near, semantic = (1.0 if how is None else how.threshold for how in (config.duplicates.near, config.duplicates.semantic))
    least = np.select([kind == "exact", kind == "semantic"], [1.0, semantic], near)
    fates.notes = fates.notes.and_also(place[~first], best[~first], similarity[~first], least[~first])
    for name in sorted(set(kind[~first].tolist())):
        of_kind = ~first & (kind == name)
        fates.taken[place[of_kind]] = _reason(fates, "duplicates", name, f"duplicates.{name}")


def _repeating(spans: Path, fates: Fates) -> None:
    """Documents with a passage that stands elsewhere before."""
    with pq.ParquetFile(spans) as file:
        for batch in file.iter_batches(columns=["place", "kind"]):
            places = np.unique(batch.filter(pc.equal(batch.column("kind"), REPEATED)).column("place").to_numpy())
            gone = places[fates.taken[places] == KEPT]
            fates.taken[gone] = _reason(fates, "duplicates", "substring", "duplicates.substrings")


def _preferences(annotated: Annotated, places: np.ndarray, fates: Fates, config: Corpus) -> list[np.ndarray]:
    """Keys to sort members by, the most important first; less is better."""
    keys = []
    for name in config.duplicates.prefer:
        if name == "source":
            order = {source.label: number for number, source in enumerate(config.sources)}
            keys.append(np.array([order[fates.sources[code]] for code in fates.source[places]]))
        else:
            keys.append(-_values(annotated, SCORE + (BYTES if name == "longest" else name), places))
    ids = _values(annotated, "id", places)
    keys.append(pc.rank(pa.array(ids, pa.string()), tiebreaker="first").to_numpy())
    return keys


def _values(annotated: Annotated, name: str, places: np.ndarray) -> np.ndarray:
    """A column at some places."""
    if name not in annotated.names:
        known = ", ".join(sorted(found.removeprefix(SCORE) for found in annotated.names if found.startswith(SCORE)))
        raise HeadwaterError(
            f"there is no attribute '{name.removeprefix(SCORE)}'", where="corpus.duplicates.prefer", mend=f"known here: {known}"
        )
    found = []
    order = np.sort(places)
    for start, batch in annotated.batches([name]):
        here = order[np.searchsorted(order, start) : np.searchsorted(order, start + batch.num_rows)] - start
        found.append(batch.column(0).take(pa.array(here)).to_numpy(zero_copy_only=False))
    values: np.ndarray = np.concatenate(found)
    return values[np.searchsorted(order, places)]


def _reason(fates: Fates, step: str, rule: str, key: str) -> int:
    """The number of a reason, which is added when it is new."""
    reason = Reason(step, rule, key)
    if reason not in fates.reasons:
        fates.reasons.append(reason)
    return fates.reasons.index(reason)


def _nothing_left(fates: Fates) -> HeadwaterError:
    """Which rule took how many, the greediest first, and where the recipe sets it."""
    counts = np.bincount(fates.taken, minlength=len(fates.reasons))
    ranked: Sequence[int] = sorted(np.flatnonzero(counts).tolist(), key=lambda index: (-counts[index], index))
    names = [f"{fates.reasons[index].step}.{fates.reasons[index].rule}".replace("language.language", "language") for index in ranked]
    took = ", ".join(f"{name} took {counts[index]:,}" for name, index in zip(names, ranked, strict=True))
    return HeadwaterError(f"no document is left of {len(fates.taken):,}: {took}", where="corpus",
                          mend=f"look at corpus.{fates.reasons[ranked[0]].key}")  # fmt: skip
