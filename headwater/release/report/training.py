"""How did the model learn? The loss, the held-out bits per byte, the guard's incidents and the speed of a training stage."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from headwater.release.report import charts, interventions, telemetry
from headwater.release.report.corpus import documents
from headwater.release.report.evidence import Row, Sample, Shape, Stage, Stages
from headwater.release.report.palette import LIGHT
from headwater.release.report.section import Section
from headwater.release.report.words import Words

DOCUMENTS = 5  # of an incident, shown with their beginning
EXCERPT = 240  # characters


class Dialogue(Shape):
    """sft: a row of dialogues.train.jsonl"""

    id: str
    messages: list[dict[str, str]]


def section(stages: Stages, name: str, words: Words, ngram: tuple[int, float] | None = None) -> Section | None:
    """The section of `pretrain`, `sft` or `finetune`; `ngram` is the order and the bits per byte of a counting model."""
    if (stage := stages.get(name)) is None:
        return None
    rows = stage.rows("metrics.jsonl", Row)
    train, validation, incidents, rollbacks = (_of_kind(rows, kind) for kind in ("train", "validation", "incident", "rollback"))
    timing, norms = telemetry.read(stage)
    figures = {
        **_loss(train, incidents, rollbacks, words, "axis_task_loss" if name == "finetune" else "axis_loss"),
        **(_task(validation, words) if name == "finetune" else _validation(validation, words, ngram)),
        **_steering(train, words),
        **telemetry.figures(timing, norms, words),
    }
    found = _documents(stages, name, incidents)
    body = {
        "name": name,
        "charts": [f"{name}-{key}" for key in figures],
        "incidents": [_incident(row, number, found) for number, row in enumerate(incidents, 1)],
        "measures": interventions.measures(stage, words),
        "changes": interventions.changes(stage, words),
        "validation": validation,
        "languages": sorted({code for row in validation for code in row.by_language}),
    }
    lead = words.sentences(_lead(train, validation, incidents, stage, words), _went_back(rollbacks, words), telemetry.lead(timing, words))
    figures = {f"{name}-{key}": figure for key, figure in figures.items()}
    return Section(name, words(f"{name}_title"), lead, "training", body, figures)


def samples(stages: Stages, words: Words) -> Section | None:
    """What the model wrote to the same prompts as it learnt, later steps first."""
    prompts: dict[tuple[str, str], list[Sample]] = {}
    for name in ("pretrain", "sft", "finetune"):
        if (stage := stages.get(name)) is not None:
            for sample in stage.rows("samples.jsonl", Sample):
                prompts.setdefault((name, sample.prompt), []).append(sample)
    if not prompts:
        return None
    threads = [
        {
            "stage": name,
            "prompt": prompt,
            "before": prompt if name == "pretrain" else "",  # an answer does not go on with its question
            "said": [(row.step, row.text.removeprefix(prompt)) for row in sorted(rows, key=_late)],
        }
        for (name, prompt), rows in prompts.items()
    ]
    steps = sorted({row.step for rows in prompts.values() for row in rows})
    asked, moments = words.many("prompt", len(prompts)), words.many("moment", len(steps))
    lead = words("samples_lead", prompts=asked, moments=moments, first=words.exact(steps[0]), last=words.exact(steps[-1]))
    return Section("samples", words("samples_title"), lead, "samples", {"threads": threads})


def _late(sample: Sample) -> int:
    return -sample.step


def _of_kind(rows: Iterable[Row], kind: str) -> list[Row]:
    """The rows of a kind by step, the last word on each step."""
    return sorted({row.step: row for row in rows if row.kind == kind}.values(), key=lambda row: row.step)


def _lead(train: list[Row], validation: list[Row], incidents: list[Row], stage: Stage, words: Words) -> str:
    said = []
    applied = _applied(train, incidents)
    took = stage.time
    time = words("in_time", time=words.duration(took.seconds)) if took else ""
    if stage.name == "finetune":
        manifest = stage.artifact.manifest if stage.artifact else None
        if manifest and train:
            task = str(manifest.metrics.get("task", ""))
            said.append(words("finetune_lead", steps=words.many("step", train[-1].step), time=time, task=task, figure=manifest.key_figure))
    elif smoothed := charts.smooth(applied):
        said.append(words("loss_lead", steps=words.many("step", train[-1].step), first=words.figure(applied[0][1], 3),
                          last=words.figure(smoothed[-1][1], 3), tokens=words.many("token", train[-1].tokens or 0),
                          time=time))  # fmt: skip
    measured = [row.bits_per_byte for row in validation if row.bits_per_byte is not None]
    if measured:
        key = "validation_lead" if len(measured) > 1 else "validation_once"
        said.append(words(key, first=words.figure(measured[0], 3), last=words.figure(measured[-1], 3)))
    elif stage.name != "finetune" and (nats := [row.loss for row in validation if row.loss is not None]):
        entropy = validation[-1].unigram_loss
        said.append(words("targets_lead", first=words.figure(nats[0], 3), last=words.figure(nats[-1], 3)))
        if entropy is not None:
            said.append(words("targets_entropy", entropy=words.figure(entropy, 3)))
    if train or incidents:
        said.append(words("guard_lead", steps=words.many("step", len(incidents))) if incidents else words("guard_quiet"))
    return words.sentences(*said)


def _went_back(rollbacks: list[Row], words: Words) -> str:
    if not rollbacks:
        return ""
    return words("rollbacks_lead", steps=words.list([words("at_step", step=words.exact(row.step)).lower() for row in rollbacks]))


def _loss(train: list[Row], incidents: list[Row], rollbacks: list[Row], words: Words, axis: str) -> dict[str, dict[str, Any]]:
    points = [(row.step, row.loss) for row in train]
    smoothed = charts.smooth(_applied(train, incidents))
    if not smoothed:
        return {}
    traces = [
        charts.curve(points, words("loss_raw"), LIGHT["faint"], width=1),
        charts.curve(smoothed, words("loss_smoothed"), LIGHT["accent"], width=2.5),
    ]
    if incidents:
        # On the curve, not at their own loss: that one may be a thousand times higher, or no number.
        places = [(row.step, _at(smoothed, row.step)) for row in incidents]
        notes = [words("incident_note", reason=row.reason, loss=words.figure(row.loss)) for row in incidents]
        labels = [str(number) for number in range(1, len(incidents) + 1)]
        traces.append(charts.marks(places, labels, notes, words("incidents")))
    figure = charts.lines(traces, y=words(axis), words=words, height=360)
    for row in rollbacks:
        if row.to is not None:
            charts.band(figure, row.to, row.step, words("back_to", step=words.exact(row.to)))
    return {"loss": charts.as_data(figure)}


def _applied(train: list[Row], incidents: list[Row]) -> list[tuple[float, float | None]]:
    """Steps and losses without those that the guard refused: they are not what the model learnt from."""
    refused = {row.step for row in incidents}
    return [(row.step, row.loss) for row in train if row.step not in refused and row.loss is not None and math.isfinite(row.loss)]


def _validation(rows: list[Row], words: Words, ngram: tuple[int, float] | None) -> dict[str, dict[str, Any]]:
    everything = [(row.step, row.bits_per_byte) for row in rows if row.bits_per_byte is not None]
    if not everything:
        return _targets(rows, words)
    traces = [charts.curve(everything, words("all"), charts.series(0), width=2.5, markers=True)]
    for number, code in enumerate(sorted({code for row in rows for code in row.by_language}), 1):
        points = [(row.step, row.by_language.get(code)) for row in rows]
        traces.append(charts.curve(points, words.language(code), charts.series(number), width=1.5, markers=True))
    figure = charts.lines(traces, y=words("axis_bits"), words=words)
    if ngram is not None:
        charts.level(figure, ngram[1], words("ngram", order=ngram[0]))
    return {"validation": charts.as_data(figure)}


def _targets(rows: list[Row], words: Words) -> dict[str, dict[str, Any]]:
    """Nats per target of an objective that is not plain text's, beside what knowing frequencies would give."""
    points = [(row.step, row.loss) for row in rows if row.loss is not None]
    if not points:
        return {}
    figure = charts.lines(
        [charts.curve(points, words("all"), charts.series(0), width=2.5, markers=True)], y=words("axis_nats"), words=words
    )
    if (entropy := rows[-1].unigram_loss) is not None:
        charts.level(figure, entropy, words("unigram_loss"))
    return {"targets": charts.as_data(figure)}


def _task(rows: list[Row], words: Words) -> dict[str, dict[str, Any]]:
    """The held-out loss of a task: nats of a class, or the square of an error."""
    points = [(row.step, row.loss) for row in rows if row.loss is not None]
    return {"held_out": _small(points, words("axis_task_loss"), charts.series(0), words)} if points else {}


def _steering(rows: list[Row], words: Words) -> dict[str, dict[str, Any]]:
    parts = {
        "rate": ([(row.step, row.lr) for row in rows], words("axis_rate"), charts.series(0)),
        "norm": ([(row.step, row.grad_norm) for row in rows], words("axis_norm"), charts.series(2)),
    }
    return {
        key: _small(points, name, colour, words) for key, (points, name, colour) in parts.items() if any(y is not None for _, y in points)
    }


def _small(points: charts.Points, name: str, colour: str, words: Words) -> dict[str, Any]:
    figure = charts.lines([charts.curve(points, name, colour, width=1.5)], y=name, words=words, height=220, rangemode="tozero")
    return charts.as_data(figure)


def _at(points: charts.Points, step: float) -> float | None:
    """The curve's height at a step, or just before it."""
    before = [y for x, y in points if x <= step]
    return before[-1] if before else points[0][1]


def _incident(row: Row, number: int, found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    known = [{"source": "", "language": "", "text": "", **found.get(id, {}), "id": id} for id in row.documents[:DOCUMENTS]]
    return {"number": number, "row": row, "documents": known, "more": row.documents[DOCUMENTS:]}


def _documents(stages: Stages, name: str, incidents: list[Row]) -> dict[str, dict[str, Any]]:
    """What is known of the incidents' documents: source, language and their beginning."""
    ids = {id for row in incidents for id in row.documents[:DOCUMENTS]}
    if name == "finetune":
        found = {}
    elif name == "sft":
        dialogues = [row for row in stages[name].rows("dialogues.train.jsonl", Dialogue) if row.id in ids] if ids else []
        found = {row.id: {"id": row.id, "text": _transcript(row)} for row in dialogues}
    else:
        found = documents(stages, ids)
    return {id: {**row, "text": _begun(row["text"])} for id, row in found.items()}


def _begun(text: str) -> str:
    return text if len(text) <= EXCERPT else text[:EXCERPT].rstrip() + "…"


def _transcript(dialogue: Dialogue) -> str:
    return "\n".join(f"{message.get('role', '')}: {message.get('content', '')}" for message in dialogue.messages)
