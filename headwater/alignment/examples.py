"""Which labelled examples are learned, and which are held out? In: the sources and the task of a recipe. Out: typed examples.

A text stands on one side with all the examples that have it, and which side that is depends on the text alone, so that every seed
holds out the same; or sources of their own are held out, and then texts that stand on both sides are told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from headwater.alignment.examples_files import rows_of
from headwater.alignment.examples_rows import Example, Labelled, example_of
from headwater.alignment.finetune_config import Classification, Finetune, Tagging, Task
from headwater.core.errors import HeadwaterError, nearest
from headwater.core.progress import Reporter
from headwater.core.random import key_bits
from headwater.corpus.read.config import Source
from headwater.corpus.read.rows import short
from headwater.corpus.read.source import files_of


@dataclass(frozen=True)
class Gathered:
    """`labels` are the model's classes in their order, empty where the task has none; `notes` what people should know of the rows."""

    learned: list[Any]
    held_out: list[Any]
    labels: tuple[str, ...]
    counts: dict[str, int]
    notes: list[str]


def gather(config: Finetune, report: Reporter) -> Gathered:
    """Both sides and the labels. Raises HeadwaterError for whatever cannot be learned from or judged by."""
    notes: list[str] = []
    examples, counts = _read(config.task, config.sources, "finetune.sources", notes, report)
    distinct = list(dict.fromkeys(examples))
    counts["distinct"] = len(distinct)
    if config.heldout.sources is None:
        learned, held_out = _divided(distinct, config.heldout.fraction)
    else:
        learned = distinct
        held_out, of_held_out = _read(config.task, config.heldout.sources, "finetune.heldout.sources", notes, report)
        counts["bad_rows"] += of_held_out["bad_rows"]
    counts |= {"learned": len(learned), "held_out": len(held_out)}
    known = {example.key for example in learned}
    counts["leaked"] = sum(example.key in known for example in held_out)
    if counts["leaked"]:
        of = f"{counts['leaked']:,} of {len(held_out):,} held-out examples"
        notes.append(f"{of} have a text that is learned too: their figures are flattered")
    if isinstance(config.task, Classification):
        told = Counter((example.text, example.second) for example in distinct if isinstance(example, Labelled))
        counts["contradictory"] = sum(times > 1 for times in told.values())
        if counts["contradictory"]:
            notes.append(f"{counts['contradictory']:,} texts have more than one label")
    labels = _labels(config.task, learned, held_out) if isinstance(config.task, Classification | Tagging) else ()
    return Gathered(learned, held_out, labels, counts, notes)


def _read(task: Task, sources: Sequence[Source], where: str, notes: list[str], report: Reporter) -> tuple[list[Example], dict[str, int]]:
    """All examples in order, and how many rows were none and passed over."""
    examples: list[Example] = []
    bad: Counter[str] = Counter()
    for source in sources:
        for file in files_of(source, report):
            for number, (place, row) in enumerate(rows_of(file, source.format), start=1):
                try:
                    if isinstance(row, HeadwaterError):
                        raise row
                    example = example_of(task, row, place)
                except HeadwaterError:
                    if source.on_bad_row == "fail":
                        raise
                    bad[file.place] += 1
                    continue
                examples.append(replace(example, id=f"{source.label}/{file.name}#{number}"))
    notes.extend(f"{place}: {count:,} rows that are no example were passed over" for place, count in sorted(bad.items()))
    if not examples:
        raise HeadwaterError("the sources have no labelled example", where=where, mend="give rows with the fields that finetune.task names")
    return examples, {"examples": len(examples), "bad_rows": bad.total()}


E = TypeVar("E", bound=Example)


def _divided(examples: Sequence[E], fraction: float) -> tuple[list[E], list[E]]:
    """Learned and held out. An example whose label would be held out everywhere is learned, with all that share its text."""
    keys = {example.key for example in examples}
    if len(keys) < 2:
        raise HeadwaterError("all examples have the same text, so none can be held out", where="finetune.sources",
                             mend="give more, or name finetune.heldout.sources")  # fmt: skip
    out = {key for key in keys if _draw(key) < fraction}
    known = {label for example in examples if example.key not in out for label in example.labels}
    out -= {example.key for example in examples if not known.issuperset(example.labels)}
    # Held out in any case: a few texts may draw no number below the fraction.
    for key in sorted(keys - out, key=_draw) if not out else ():
        rest = {label for example in examples if example.key != key for label in example.labels}
        if all(rest.issuperset(example.labels) for example in examples if example.key == key):
            out = {key}
            break
    if not out or len(out) == len(keys):
        raise HeadwaterError("no example can be held out: each has a label that no other has", where="finetune.sources",
                             mend="give more examples of each label")  # fmt: skip
    return [example for example in examples if example.key not in out], [example for example in examples if example.key in out]


def _draw(key: str) -> float:
    """A number in [0, 1) that depends on the text alone."""
    return key_bits(0, "heldout", key) / 2**128


def _labels(task: Classification | Tagging, learned: Iterable[Example], held_out: Iterable[Example]) -> tuple[str, ...]:
    """Those of the config, else those of the training data in order. Raises HeadwaterError where the sides do not agree."""
    found = {label for example in learned for label in example.labels}
    labels = task.labels or tuple(sorted(found, key=_order(found)))
    for side, examples in (("a training", learned), ("a held-out", held_out)):
        for example in examples:
            for label in example.labels:
                if label not in labels:
                    rest = "finetune.task.labels lacks" if task.labels else "no training example has"
                    raise HeadwaterError(f"{side} example has the label '{short(label)}', which {rest}", where=example.id,
                                         mend=nearest(short(label), labels))  # fmt: skip
    if len(found) < 2:
        only = f"the label '{short(next(iter(found)))}'" if found else "no label"
        raise HeadwaterError(f"all training examples have {only}, so there is nothing to tell apart", where="finetune.sources",
                             mend="give examples of at least 2 labels")  # fmt: skip
    return labels


def _order(labels: Iterable[str]) -> Callable[[str], Any]:
    """Whole numbers by their size, anything else as text."""
    return int if all(label.removeprefix("-").isdecimal() and label.isascii() for label in labels) else str
