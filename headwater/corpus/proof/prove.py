"""How much of what was planted does this recipe find, and what does it find besides? In: the recipe, texts of its corpus. Out: figures.

The planted documents and the untouched carriers become a small corpus of their own, which goes through the recipe's own reading, steps
and relations (annotate, relate). Of each detector: `planted`, `found` of them, `false`: found where nothing was planted. Recall is
found / planted, precision found / (found + false); without anything to divide by they are None.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import xxhash

from headwater.core.artifact import Work
from headwater.core.progress import Reporter
from headwater.corpus import annotate, relate
from headwater.corpus.annotated import Annotated
from headwater.corpus.config import Corpus
from headwater.corpus.contamination.config import INDEX
from headwater.corpus.document import SCORE, Span, spans_of
from headwater.corpus.engine.config import LocalEngine
from headwater.corpus.language.identify import UNKNOWN
from headwater.corpus.privacy.config import KINDS
from headwater.corpus.proof.plant import LEAST, MOST, NOTHING, Plant, plants_of
from headwater.corpus.read.config import PathSource

CARRIERS = 160
GROUPS = 16
EXAMPLES = 2000
"""Examples of evaluation sets that are looked through for long ones."""
TEXTS, CODE = "planted", "code"


def prove(config: Corpus, documents: Sequence[Path], folder: Path, report: Reporter, index: Path | None = None) -> dict[str, Any]:
    """`{"carriers": how many, "detectors": [rows as above; with "kinds" where several kinds are planted]}`.

    `documents`: files of the finished corpus; `folder` is for scratch; `index`: of evaluation sets, the one that the corpus was searched
    with (else one is built).
    """
    texts = carriers_of(documents)
    plants = plants_of(config, texts, _examples(config))
    texts = texts[: 1 + max((plant.carrier for plant in plants if plant.carrier is not None), default=-1)]
    said = _through(config, texts, plants, folder / "proof", report, index)
    seen = Seen(said[: len(texts)], list(zip(plants, said[len(texts) :], strict=True)))
    return {"carriers": len(texts), "detectors": [_row(name, seen) for name in dict.fromkeys(plant.detector for plant in plants)]}


def carriers_of(documents: Sequence[Path], count: int = CARRIERS) -> list[str]:
    """Texts that can carry something: of GROUPS row groups, evenly spaced over the corpus, those with the least hash of their id."""
    places = [(path, group) for path in documents for group in range(pq.read_metadata(path).num_row_groups)]
    chosen = {places[number * len(places) // GROUPS] for number in range(GROUPS)} if places else set()
    best: list[tuple[int, str]] = []
    for path, group in sorted(chosen):
        with pq.ParquetFile(path) as file:
            rows = file.read_row_group(group, ["id", "text"]).to_pylist()
        keyed = [(xxhash.xxh3_64_intdigest(row["id"].encode()), row["text"]) for row in rows if LEAST <= len(row["text"]) <= MOST]
        best = sorted(best + keyed)[:count]
    return [text for _, text in best]


def _examples(config: Corpus) -> list[str]:
    if config.contamination is None:
        return []
    from headwater.corpus.contamination.examples import examples_of

    return [text for example in islice(examples_of(config.contamination), EXAMPLES) for text in example.texts]


@dataclass(frozen=True)
class Said:
    """What the steps say of a document. `group`: its place, or that of the first document that it duplicates."""

    text: str
    language: str
    license: str
    scores: dict[str, float]
    spans: list[Span]
    group: int


Pairs = Sequence[tuple[Plant, Said]]


@dataclass(frozen=True)
class Seen:
    """What was said of the carriers as they are, and of what was planted."""

    carriers: list[Said]
    plants: list[tuple[Plant, Said]]


def _through(
    config: Corpus, texts: Sequence[str], plants: Sequence[Plant], folder: Path, report: Reporter, index: Path | None
) -> list[Said]:
    """The carriers and then the plants as a corpus of their own: what was noted of each."""
    (folder / CODE).mkdir(parents=True)
    rows = [*texts, *(plant.text for plant in plants if plant.path is None)]
    (folder / f"{TEXTS}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in rows), "utf-8")
    sources: list[Any] = [PathSource(path=[str(folder / f"{TEXTS}.jsonl")], name=TEXTS, longest=1 << 20)]
    for plant in plants:
        if plant.path is not None:
            (folder / CODE / plant.path).write_text(plant.text, "utf-8")
    if len(rows) < len(texts) + len(plants):
        sources.append(PathSource(path=[str(folder / CODE / "*")], name=CODE, format="code"))
    duplicates = config.duplicates.model_copy(update={"semantic": None, "lines": None, "paragraphs": None, "substrings": None})
    small = config.model_copy(update={"sources": sources, "quality_model": None, "topics": None, "duplicates": duplicates,
                                      "part_bytes": 32 << 20, "engine": LocalEngine(workers=1)})  # fmt: skip
    works = [Work(folder / name, {}, 0, report) for name in ("annotate", "relate")]
    for work in works:
        work.path.mkdir()
    if index is not None and config.contamination is not None:
        shutil.copyfile(index, works[1].path / INDEX)
    annotate.run(small, works[0])
    relate.run_over(small, works[0].path, works[1])
    return list(_said(works[0].path, works[1].path))


def _said(read: Path, related: Path) -> Iterator[Said]:
    """In the order of the documents."""
    annotated = Annotated(read, *([related] if any(related.glob("part-*.parquet")) else []))
    groups = pq.read_table(related / "groups.parquet", columns=["place", "group"])
    group_of = dict(zip(groups.column("place").to_pylist(), groups.column("group").to_pylist(), strict=True))
    names = [name for name in annotated.names if not name.startswith("band.") and name != "digest"]
    for start, batch in annotated.batches(names):
        spans = spans_of(batch)
        for row, values in enumerate(batch.to_pylist()):
            scores = {name.removeprefix(SCORE): value for name, value in values.items() if name.startswith(SCORE)}
            group = group_of.get(start + row, start + row)
            yield Said(values["text"], values["language"] or "", values["license"] or "", scores, spans[row], group)


def _row(detector: str, seen: Seen) -> dict[str, Any]:
    """The figures of one detector."""
    right, wrong = JUDGES[detector]
    mine = [(plant, said) for plant, said in seen.plants if plant.detector == detector]
    kinds: dict[str, dict[str, int]] = {}
    for plant, said in mine:
        kind = kinds.setdefault(plant.kind, {"planted": 0, "found": 0})
        kind["planted"] += plant.truth != NOTHING
        kind["found"] += right(plant, said, seen)
    planted, found = (sum(kind[name] for kind in kinds.values()) for name in ("planted", "found"))
    false = wrong(mine, seen)
    shares = {"recall": found / planted if planted else None, "precision": found / (found + false) if found + false else None}
    row = {"detector": detector, "planted": planted, "found": found, "false": false, **shares}
    return {**row, "kinds": kinds} if len(kinds) > 1 else row


def _right_language(plant: Plant, said: Said, seen: Seen) -> bool:
    language, _, script = plant.truth.partition("-")
    return said.language == language and (not script or (said.scores["traditional"] > 0.5) == (script == "Hant"))


def _wrong_languages(mine: Pairs, seen: Seen) -> int:
    return sum(said.language not in ("", UNKNOWN) and not _right_language(plant, said, seen) for plant, said in mine)


def _in_one_group(plant: Plant, said: Said, seen: Seen) -> bool:
    assert plant.carrier is not None
    return said.group == seen.carriers[plant.carrier].group


def _strangers(mine: Pairs, seen: Seen) -> int:
    """Documents that are in one group with another carrier."""
    carriers = [*range(len(seen.carriers)), *(plant.carrier for plant, _ in seen.plants)]
    everything = [*seen.carriers, *(said for _, said in seen.plants)]
    known = [(carrier, carriers[said.group]) for carrier, said in zip(carriers, everything, strict=True)]
    return sum(carrier is not None and first is not None and carrier != first for carrier, first in known)


def _repaired(plant: Plant, said: Said, seen: Seen) -> bool:
    return said.text == plant.truth


def _changed(mine: Pairs, seen: Seen) -> int:
    sound = [said for plant, said in seen.plants if plant.detector == "languages"]
    return sum(said.scores["normalise.repair"] > 0 for said in [*seen.carriers, *sound])


def _marked(plant: Plant, said: Said, seen: Seen) -> bool:
    return any(kind == plant.kind and _meet(plant, said, start, end) for start, end, kind in said.spans)


def _marked_besides(mine: Pairs, seen: Seen) -> int:
    """Spans of what was not planted; those that the carrier has as well are its own."""
    false = 0
    for plant, said in mine:
        assert plant.carrier is not None
        carrier = seen.carriers[plant.carrier]
        own = {carrier.text[start:end] for start, end, _ in carrier.spans}
        spans = [(start, end) for start, end, kind in said.spans if kind in KINDS and not _meet(plant, said, start, end)]
        false += sum(said.text[start:end] not in own for start, end in spans)
    return false


def _meet(plant: Plant, said: Said, start: int, end: int) -> bool:
    """Whether a span has something of the planted item."""
    at = said.text.find(plant.truth)
    return at >= 0 and start < at + len(plant.truth) and end > at


def _contaminated(plant: Plant, said: Said, seen: Seen) -> bool:
    return said.scores["contaminated"] > 0


def _contaminated_besides(mine: Pairs, seen: Seen) -> int:
    return sum(said.scores["contaminated"] > 0 for said in seen.carriers)


def _right_licence(plant: Plant, said: Said, seen: Seen) -> bool:
    return plant.truth != NOTHING and said.license == plant.truth


def _wrong_licences(mine: Pairs, seen: Seen) -> int:
    return sum(said.license not in ("", plant.truth) for plant, said in mine)


JUDGES: dict[str, tuple[Callable[[Plant, Said, Seen], bool], Callable[[Pairs, Seen], int]]] = {
    "duplicates": (_in_one_group, _strangers),
    "languages": (_right_language, _wrong_languages),
    "decoding": (_repaired, _changed),
    "privacy": (_marked, _marked_besides),
    "contamination": (_contaminated, _contaminated_besides),
    "licences": (_right_licence, _wrong_licences),
}
"""Of each detector: was this plant found, and how much was found where nothing was planted?"""
