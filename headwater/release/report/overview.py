"""What is this run, at a glance? Its name, when and where it ran, how long it took, and the six figures to look at first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from headwater.release.report.evaluation import Evaluation, ngram_level
from headwater.release.report.evidence import Architecture, Funnel, Parity, Row, Stages, Tokens, parameters
from headwater.release.report.provenance import machine_name
from headwater.release.report.words import Words


@dataclass(frozen=True)
class KeyFigure:
    """A large number, what it is, and what it is to be compared with."""

    value: str
    label: str
    note: str = ""


@dataclass(frozen=True)
class Overview:
    name: str
    facts: list[str]
    figures: list[KeyFigure]


def overview(root: Path, stages: Stages, evaluation: Evaluation | None, words: Words) -> Overview:
    figures = [_documents(stages, words), _tokens(stages, words), _parameters(stages, words), _bits(stages, evaluation, words),
               _chat(evaluation, words), _parity(stages, words)]  # fmt: skip
    return Overview(root.resolve().name, _facts(stages, words), [figure for figure in figures if figure])


def _facts(stages: Stages, words: Words) -> list[str]:
    times = [time for stage in stages.values() if (time := stage.time)]
    machine = next((machine for stage in reversed(stages.values()) if (machine := stage.environment)), None)
    facts = []
    if times:
        facts.append(words("started", when=words.when(min((time.started for time in times), key=lambda moment: moment.timestamp()))))
        facts.append(words("took", time=words.duration(sum(time.seconds for time in times))))
    if machine:
        facts.append(machine_name(machine, words))
    return [fact for fact in facts if fact]


def _documents(stages: Stages, words: Words) -> KeyFigure | None:
    funnel = stages["corpus"].json("funnel.json", Funnel) if "corpus" in stages else None
    if not funnel or not funnel.steps:
        return None
    first, last = funnel.steps[0], funnel.steps[-1]
    note = words("of_read", read=words.count(first.documents), size=words.size(last.bytes))
    return KeyFigure(words.count(last.documents), words("documents"), note)


def _tokens(stages: Stages, words: Words) -> KeyFigure | None:
    index = stages["tokens"].json("tokens.json", Tokens) if "tokens" in stages else None
    if not index or "train" not in index.splits:
        return None
    note = words("of_vocabulary", vocabulary=words.count(index.vocab_size))
    return KeyFigure(words.count(index.splits["train"].tokens), words("tokens_to_learn"), note)


def _parameters(stages: Stages, words: Words) -> KeyFigure | None:
    for name in ("pretrain", "sft", "finetune", "release"):
        if name in stages and (number := parameters(stages[name])):
            shape = stages[name].json("config.json", Architecture)
            note = words("of_layers", layers=shape.layers, width=shape.width) if shape and shape.layers and shape.width else ""
            return KeyFigure(words.count(number), words("parameters"), note)
    return None


def _bits(stages: Stages, evaluation: Evaluation | None, words: Words) -> KeyFigure | None:
    """As evaluated on all held-out documents; before that stage, the last figure of pretraining."""
    ours = evaluation.perplexity.model.get("all") if evaluation and evaluation.perplexity else None
    if ours:
        level = ngram_level(evaluation)
        note = words("against_ngram", order=level[0], bits=words.figure(level[1])) if level else ""
        return KeyFigure(words.figure(ours.bits_per_byte), words("bits_per_byte"), note)
    rows = stages["pretrain"].rows("metrics.jsonl", Row) if "pretrain" in stages else []
    measured = [row.bits_per_byte for row in rows if row.kind == "validation" and row.bits_per_byte is not None]
    return KeyFigure(words.figure(measured[-1]), words("bits_per_byte")) if measured else None


def _chat(evaluation: Evaluation | None, words: Words) -> KeyFigure | None:
    chat = evaluation.chat if evaluation else None
    if not chat or chat.rate is None:
        return None
    return KeyFigure(words("of", part=round(chat.rate * chat.count), whole=chat.count), words("template_kept"), words("template_note"))


def _parity(stages: Stages, words: Words) -> KeyFigure | None:
    parity = stages["release"].json("parity.json", Parity) if "release" in stages else None
    if not parity:
        return None
    if parity.max_difference is None or parity.tolerance is None:
        return KeyFigure(words("unproven"), words("release_parity"))
    note = words("of_tolerance", tolerance=words.figure(parity.tolerance, 2), against=parity.against)
    return KeyFigure(words.figure(parity.max_difference, 2), words("release_parity"), note)
