"""From a row to an example: typed, or the sentence that says why it is none.

    example_of(task, row, where)        {"text": "…", "label": 1}  ->  Labelled(id="", text="…", second=None, label="1")

Texts keep their white space; labels are text, whole numbers in JSON's spelling. `where` is the row's place.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from headwater.alignment.finetune_config import Classification, Regression, Sequences, Span, Tagging, Task
from headwater.core.errors import HeadwaterError, nearest
from headwater.corpus.read.decode import mend_surrogates
from headwater.corpus.read.rows import BAD_ROW, short


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


def example_of(task: Task, row: dict[str, Any], where: str) -> Example:
    """Without an id. Raises HeadwaterError for a row that is no example."""
    example: Example = PARSERS[task.kind](task, row, where)
    return example


def _labelled(task: Classification | Regression, row: dict[str, Any], where: str) -> Labelled:
    second = None if task.second_field is None else _text(row, task.second_field, where)
    label = _get(row, task.label_field, where)
    if isinstance(task, Classification):
        kept: str | float = _named(_class(label, task.label_field, where), task.labels)
    else:
        kept = _number(label, task.label_field, where)
    return Labelled("", _text(row, task.text_field, where), second, kept)


def _tagged(task: Tagging, row: dict[str, Any], where: str) -> Tagged:
    words, tags = (_words(row, name, where) for name in (task.words_field, task.tags_field))
    if len(words) != len(tags):
        raise HeadwaterError(f"has {len(words)} words and {len(tags)} tags", where=where, mend="give each word one tag")
    if not all(word.strip() for word in words):
        raise HeadwaterError("has a word without letters", where=where, mend=BAD_ROW)
    return Tagged("", words, tuple(_named(tag, task.labels) for tag in tags))


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


def _named(label: str, labels: tuple[str, ...] | None) -> str:
    """A whole number that is no label itself stands for a place in `labels`, as Hugging Face's data sets have it."""
    if labels is None or label in labels or not (label.isascii() and label.isdecimal()) or int(label) >= len(labels):
        return label
    return labels[int(label)]


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
