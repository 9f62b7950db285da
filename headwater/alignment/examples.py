"""Which labelled examples are learned, and which are held out? In: the sources and the task of a recipe. Out: typed examples.

A text stands on one side with all the examples that have it, and which side that is depends on the text alone, so that every seed
holds out the same; or sources of their own are held out, and then texts that stand on both sides are told.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

from headwater.alignment.examples_files import rows_of
from headwater.alignment.finetune_config import Classification, Finetune, Regression, Sequences, Span, Tagging, Task
from headwater.core.errors import HeadwaterError, nearest
from headwater.core.progress import Reporter
from headwater.core.random import key_bits
from headwater.corpus.read.config import Source
from headwater.corpus.read.decode import mend_surrogates
from headwater.corpus.read.rows import BAD_ROW, short
from headwater.corpus.read.source import files_of


@dataclass(frozen=True)
class Labelled:
    """A text (or two) and its class or value."""

    id: str = field(compare=False)
    text: str
    second: str | None
    label: str | float

    @property
    def key(self) -> str:
        return self.text

    @property
    def labels(self) -> tuple[str, ...]:
        return (self.label,) if isinstance(self.label, str) else ()


@dataclass(frozen=True)
class Tagged:
    """Words, each with its tag."""

    id: str = field(compare=False)
    words: tuple[str, ...]
    tags: tuple[str, ...]

    @property
    def key(self) -> str:
        return "\x1f".join(self.words)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.tags))


@dataclass(frozen=True)
class Question:
    """A question about a text; `answers` are places in it (in characters) and what stands there, none where it has no answer."""

    id: str = field(compare=False)
    question: str
    context: str
    answers: tuple[tuple[int, str], ...]

    @property
    def key(self) -> str:
        return self.context

    @property
    def labels(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True)
class Pair:
    """A source and the target to be written from it."""

    id: str = field(compare=False)
    source: str
    target: str

    @property
    def key(self) -> str:
        return self.source

    @property
    def labels(self) -> tuple[str, ...]:
        return ()


Example = Labelled | Tagged | Question | Pair


@dataclass(frozen=True)
class Gathered:
    """`labels` are the model's classes in their order; empty where the task has none."""

    learned: list[Any]
    held_out: list[Any]
    labels: tuple[str, ...]
    counts: dict[str, int]


def gather(config: Finetune, report: Reporter) -> Gathered:
    """Both sides and the labels. Raises HeadwaterError for whatever cannot be learned from or judged by."""
    examples, counts = _read(config.task, config.sources, "finetune.sources", report)
    distinct = list(dict.fromkeys(examples))
    counts["distinct"] = len(distinct)
    if config.heldout.sources is None:
        learned, held_out = _divided(distinct, config.heldout.fraction)
    else:
        learned = distinct
        held_out, of_held_out = _read(config.task, config.heldout.sources, "finetune.heldout.sources", report)
        counts["bad_rows"] += of_held_out["bad_rows"]
    counts |= {"learned": len(learned), "held_out": len(held_out)}
    known = {example.key for example in learned}
    counts["leaked"] = sum(example.key in known for example in held_out)
    if counts["leaked"]:
        said = f"{counts['leaked']:,} of {len(held_out):,} held-out examples have a text that is learned too: their figures are flattered"
        report.say(f"  finetune: {said}", stage="finetune", leaked=counts["leaked"])
    if isinstance(config.task, Classification):
        told = Counter((example.text, example.second) for example in distinct if isinstance(example, Labelled))
        counts["contradictory"] = sum(times > 1 for times in told.values())
        if counts["contradictory"]:
            report.say(f"  finetune: {counts['contradictory']:,} texts have more than one label", stage="finetune")
    labels = _labels(config.task, learned, held_out) if isinstance(config.task, Classification | Tagging) else ()
    return Gathered(learned, held_out, labels, counts)


def _read(task: Task, sources: Sequence[Source], where: str, report: Reporter) -> tuple[list[Example], dict[str, int]]:
    """All examples in order, and how many rows were none and passed over."""
    parse = PARSERS[task.kind]
    examples: list[Example] = []
    bad: Counter[str] = Counter()
    for source in sources:
        for file in files_of(source, report):
            for number, (place, row) in enumerate(rows_of(file, source.format), start=1):
                try:
                    if isinstance(row, HeadwaterError):
                        raise row
                    example = parse(task, row, place)
                except HeadwaterError:
                    if source.on_bad_row == "fail":
                        raise
                    bad[file.place] += 1
                    continue
                examples.append(replace(example, id=f"{source.label}/{file.name}#{number}"))
    for place, count in sorted(bad.items()):
        report.say(f"  {place}: {count:,} rows that are no example were passed over", stage="finetune", bad_rows=count)
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


# From a row to an example. `where` is the row's place.


def _labelled(task: Classification | Regression, row: dict[str, Any], where: str) -> Labelled:
    second = None if task.second_field is None else _text(row, task.second_field, where)
    label = _get(row, task.label_field, where)
    kept = _class(label, task.label_field, where) if isinstance(task, Classification) else _number(label, task.label_field, where)
    return Labelled("", _text(row, task.text_field, where), second, kept)


def _tagged(task: Tagging, row: dict[str, Any], where: str) -> Tagged:
    words, tags = (_words(row, name, where) for name in (task.words_field, task.tags_field))
    if len(words) != len(tags):
        raise HeadwaterError(f"has {len(words)} words and {len(tags)} tags", where=where, mend="give each word one tag")
    if not all(word.strip() for word in words):
        raise HeadwaterError("has a word without letters", where=where, mend=BAD_ROW)
    return Tagged("", words, tags)


def _question(task: Span, row: dict[str, Any], where: str) -> Question:
    context = _text(row, task.context_field, where)
    places = []
    for start, answer in _answers(_get(row, task.answer_field, where), where):
        found = start if start is not None else context.find(answer)
        if not answer.strip() or found < 0 or context[found : found + len(answer)] != answer:
            at = "in its context" if start is None else f"at place {start} of its context"
            raise HeadwaterError(f"the answer '{short(answer)}' does not stand {at}", where=where, mend=BAD_ROW)
        places.append((found, answer))
    return Question("", _text(row, task.question_field, where), context, tuple(places))


def _answers(value: Any, where: str) -> list[tuple[int | None, str]]:
    """`(place or None, text)` of an answer, a list of answers, or `{text: […], answer_start: […]}`."""
    if isinstance(value, dict) and isinstance(value.get("text"), list):
        texts, starts = value["text"], value.get("answer_start") or [None] * len(value["text"])
    else:
        several = value if isinstance(value, list) else [] if value in (None, "") else [value]
        texts = [answer.get("text") if isinstance(answer, dict) else answer for answer in several]
        starts = [answer.get("answer_start") if isinstance(answer, dict) else None for answer in several]
    good = len(texts) == len(starts) and all(isinstance(text, str) for text in texts)
    if not good or not all(start is None or (isinstance(start, int) and start >= 0) for start in starts):
        raise HeadwaterError("has answers that are no text with a place", where=where, mend="give answers: {text: […], answer_start: […]}")
    return list(zip(starts, texts, strict=True))


def _pair(task: Sequences, row: dict[str, Any], where: str) -> Pair:
    return Pair("", _text(row, task.source_field, where), _text(row, task.target_field, where))


PARSERS: dict[str, Callable[[Any, dict[str, Any], str], Any]] = {
    "classification": _labelled, "regression": _labelled, "tagging": _tagged, "span": _question, "seq2seq": _pair,
}  # fmt: skip


def _get(row: dict[str, Any], name: str, where: str) -> Any:
    if name not in row:
        mend = nearest(name, [short(known) for known in row if isinstance(known, str)][:20]) if row else "it has no fields"
        raise HeadwaterError(f"has no field '{name}'", where=where, mend=mend)
    return row[name]


def _text(row: dict[str, Any], name: str, where: str) -> str:
    value = _get(row, name, where)
    if not isinstance(value, str) or not value.strip():
        raise HeadwaterError(f"the field '{name}' holds no text", where=where, mend=BAD_ROW)
    return mend_surrogates(value)


def _words(row: dict[str, Any], name: str, where: str) -> tuple[str, ...]:
    value = _get(row, name, where)
    if isinstance(value, str):
        value = value.split()
    if not isinstance(value, list) or not value or not all(isinstance(word, str | int) for word in value):
        raise HeadwaterError(f"the field '{name}' holds no list of words", where=where, mend=BAD_ROW)
    return tuple(mend_surrogates(str(word)) for word in value)


def _class(value: Any, name: str, where: str) -> str:
    """The label as text: what is no text as JSON writes it."""
    if isinstance(value, str) and value.strip():
        return mend_surrogates(value.strip())
    if isinstance(value, bool | int | float) and math.isfinite(value):
        return json.dumps(value)
    raise HeadwaterError(f"the field '{name}' holds no label", where=where, mend=BAD_ROW)


def _number(value: Any, name: str, where: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise HeadwaterError(f"the field '{name}' holds no number ({short(value)})", where=where, mend=BAD_ROW)
    return number


def row(example: Example) -> dict[str, Any]:
    """An example as JSON can hold it."""
    return {key: value for key, value in asdict(example).items() if value is not None}
