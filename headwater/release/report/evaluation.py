"""How good is the model? Bits per byte against counting, tasks against chance, chat against its template, samples against their source.

The classes say what is read of evaluate's evaluation.json.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from headwater.release.report import charts
from headwater.release.report.evidence import Shape, Stages
from headwater.release.report.section import Section
from headwater.release.report.words import Words


class Bits(Shape):
    bits_per_byte: float
    standard_error: float | None = None
    documents: int | None = None
    bytes: int | None = None


class Perplexity(Shape):
    """By language and `all`; beside them stands the n-gram model's `order`."""

    rule: str = ""
    model: dict[str, Bits] = Field(default={})
    ngram: dict[str, Bits | int] = Field(default={})

    @property
    def order(self) -> int | None:
        order = self.ngram.get("order")
        return order if isinstance(order, int) else None

    @property
    def counted(self) -> dict[str, Bits]:
        return {code: bits for code, bits in self.ngram.items() if isinstance(bits, Bits)}


class Figure(Shape):
    value: float
    standard_error: float | None = None
    chance: float | None = None
    count: int | None = None


class Example(Shape):
    """A question of a task: with choices and the place of the true one, or with the answer given and the true one."""

    prompt: str
    language: str | None = None
    choices: list[str] = Field(default=[])
    nats_per_byte: list[float] = Field(default=[])
    truth: int | str
    right: bool | None = None
    answer: str = ""
    score: float | None = None


class Task(Shape):
    name: str
    metric: str = ""
    value: float | None = None
    standard_error: float | None = None
    chance: float | None = None
    count: int | None = None
    by_language: dict[str, Figure] = Field(default={})
    examples: list[Example] = Field(default=[])
    skipped: str = ""


class Answer(Shape):
    prompt: str
    answer: str
    failure: str | None = None


class Chat(Shape):
    rate: float | None = None
    standard_error: float | None = None
    count: int = 0
    failures: dict[str, int] = Field(default={})
    examples: list[Answer] = Field(default=[])
    skipped: str = ""


class Match(Shape):
    characters: int
    text: str
    document: str | None = None


class Sample(Shape):
    prompt: str = ""
    text: str
    longest_match: Match


class Level(Shape):
    """Mean longest match in characters, and the longest of all."""

    characters: float | None = None
    standard_error: float | None = None
    longest: int = 0


class Human(Level):
    """Of held-out passages by people, as long as the samples; `samples` is the same figure of those."""

    count: int = 0
    samples: Level | None = None


class Evaluation(Shape):
    perplexity: Perplexity | None = None
    tasks: list[Task] = Field(default=[])
    chat: Chat | None = None
    samples: list[Sample] = Field(default=[])
    human_match: Human | None = None


def read(stages: Stages) -> Evaluation | None:
    return stages["evaluate"].json("evaluation.json", Evaluation) if "evaluate" in stages else None


def ngram_level(evaluation: Evaluation | None) -> tuple[int, float] | None:
    """Order and bits per byte of the n-gram model on all held-out text."""
    found = evaluation.perplexity if evaluation else None
    if not found or not found.order or "all" not in found.counted:
        return None
    return found.order, found.counted["all"].bits_per_byte


def section(stages: Stages, evaluation: Evaluation | None, words: Words) -> Section | None:
    if "evaluate" not in stages:
        return None
    if evaluation is None:
        return Section("evaluate", words("evaluate_title"), "", "blank")
    scored = [task for task in evaluation.tasks if task.value is not None]
    body = {
        "bits": _bits_rows(evaluation.perplexity, words) if evaluation.perplexity else [],
        "order": evaluation.perplexity.order if evaluation.perplexity else None,
        "rule": evaluation.perplexity.rule if evaluation.perplexity else "",
        "tasks": [row for task in scored for row in _task_rows(task, words)],
        "skipped": [task for task in evaluation.tasks if task.value is None],
        "examples": [task for task in scored if task.examples],
        "chat": evaluation.chat,
        "chat_said": _chat_said(evaluation.chat, words),
        "samples": [_marked(sample) for sample in evaluation.samples],
        "verbatim_said": _verbatim_said(evaluation.human_match, words),
        "human": evaluation.human_match,
    }
    figures = {**_bits_chart(evaluation.perplexity, words), **_tasks_chart(scored, words)}
    return Section("evaluate", words("evaluate_title"), _lead(evaluation, words), "evaluation", body, figures)


def _lead(evaluation: Evaluation, words: Words) -> str:
    said = []
    measured = evaluation.perplexity
    ours = measured.model.get("all") if measured else None
    level = ngram_level(evaluation)
    if ours and level:
        order, theirs = level
        key = "evaluate_better" if ours.bits_per_byte < theirs else "evaluate_worse"
        said.append(words(key, ours=words.figure(ours.bits_per_byte), theirs=words.figure(theirs), order=order,
                          share=words.percent(abs(1 - ours.bits_per_byte / theirs))))  # fmt: skip
    elif ours:
        said.append(words("evaluate_bits", ours=words.figure(ours.bits_per_byte)))
    scored = [task for task in evaluation.tasks if task.value is not None and task.chance is not None]
    if scored:
        above = [task for task in scored if _above_chance(task)]
        said.append(words("tasks_lead", above=len(above), tasks=words.many("task", len(scored))))
    if evaluation.chat and evaluation.chat.rate is not None:
        said.append(words("chat_lead", kept=round(evaluation.chat.rate * evaluation.chat.count), answers=evaluation.chat.count))
    return words.sentences(*said)


def _chat_said(chat: Chat | None, words: Words) -> str:
    if chat is None or chat.rate is None:
        return ""
    rate = words("chat_rate", rate=words.percent(chat.rate), error=words.percent(chat.standard_error or 0.0), answers=chat.count)
    failures = words.list([f"{words.name('failure', reason)} {number}" for reason, number in chat.failures.items()])
    return words.sentences(rate, words("chat_failures", failures=failures) if failures else "")


def _verbatim_said(human: Human | None, words: Words) -> str:
    ours = human.samples if human else None
    if not human or not ours or human.characters is None or ours.characters is None:
        return words("verbatim_note")
    level = words(
        "verbatim_level", longest=ours.longest, human_longest=human.longest,
        ours=words.measured(ours.characters, ours.standard_error), human=words.measured(human.characters, human.standard_error),
    )  # fmt: skip
    return words.sentences(words("verbatim_note"), level)


def _above_chance(task: Task) -> bool:
    """More than two standard errors above what knowing nothing reaches."""
    assert task.value is not None and task.chance is not None
    return task.value - 2 * (task.standard_error or 0.0) > task.chance


def _bits_rows(measured: Perplexity, words: Words) -> list[dict[str, Any]]:
    return [{"name": _group(code, words), "ours": bits, "theirs": measured.counted.get(code)} for code, bits in measured.model.items()]


def _task_rows(task: Task, words: Words) -> list[dict[str, Any]]:
    """The task over all questions, then by language where there is more than one."""
    whole = Figure(value=task.value or 0.0, standard_error=task.standard_error, chance=task.chance, count=task.count)
    rows = [{"name": task.name, "metric": task.metric, "figure": whole, "part": False}]
    if len(task.by_language) > 1:
        rows += [{"name": _group(code, words), "metric": "", "figure": figure, "part": True} for code, figure in task.by_language.items()]
    return rows


def _bits_chart(measured: Perplexity | None, words: Words) -> dict[str, dict[str, Any]]:
    if not measured or not measured.model:
        return {}
    codes = list(measured.model)
    bars = [_column(words("model"), measured.model, codes)]
    if measured.order:
        bars.append(_column(words("ngram", order=measured.order), measured.counted, codes))
    return {"evaluate-bits": charts.as_data(charts.columns([_group(code, words) for code in codes], bars, y=words("axis_bits")))}


def _column(name: str, found: dict[str, Bits], codes: list[str]) -> tuple[str, list[float | None], list[float | None]]:
    """Name, heights and standard errors of a row of bars, one for each code."""
    bits = [found.get(code) for code in codes]
    return name, [bit.bits_per_byte if bit else None for bit in bits], [bit.standard_error if bit else None for bit in bits]


def _tasks_chart(tasks: list[Task], words: Words) -> dict[str, dict[str, Any]]:
    if not tasks:
        return {}
    names, values, errors, chance = zip(*[(task.name, task.value, task.standard_error, task.chance) for task in tasks], strict=True)
    return {"evaluate-tasks": charts.as_data(charts.shares(names, values, errors, chance, x=words("axis_score"), words=words))}


def _group(code: str, words: Words) -> str:
    return words("all") if code == "all" else words.language(code)


def _marked(sample: Sample) -> dict[str, Any]:
    """The sample in three: before its longest verbatim match, the match, after it."""
    match = sample.longest_match
    place = sample.text.find(match.text) if match.text else -1
    before, inside, after = (sample.text, "", "") if place < 0 else _cut(sample.text, place, len(match.text))
    return {
        "prompt": sample.prompt,
        "before": before,
        "match": inside,
        "after": after,
        "characters": match.characters,
        "document": match.document,
    }


def _cut(text: str, place: int, length: int) -> tuple[str, str, str]:
    return text[:place], text[place : place + length], text[place + length :]
