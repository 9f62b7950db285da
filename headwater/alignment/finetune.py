"""The fine-tuning stage: a pretrained model gets a head for a task and learns from labelled examples, by the one training loop.

    pretrain (a Model), or `base: path`, + rows of examples
        ->  finetune (a Model whose headwater.json names its labels), metrics.json, predictions.jsonl of the held-out examples,
            adapters.safetensors where adapters learned

Each kind of task has a module of its own (finetune_texts.py …), which says how its examples stand in rows and how good answers are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import torch

from headwater.alignment.examples import gather
from headwater.alignment.finetune_config import Finetune
from headwater.alignment.finetune_lesson import Lesson, Taught
from headwater.alignment.finetune_pairs import Pairs
from headwater.alignment.finetune_spans import Spans
from headwater.alignment.finetune_tags import Tags
from headwater.alignment.finetune_texts import Texts
from headwater.core.artifact import Outcome, Work
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.core.storage import write_atomically, write_json
from headwater.model import adapters, directory
from headwater.model.directory import Model
from headwater.model.heads import Sequences, Vocabulary
from headwater.model.init import multipliers
from headwater.model.network import Network
from headwater.model.transfer import transfer
from headwater.model.tuning_config import LoRA, about
from headwater.objectives.labelled import TextRows
from headwater.training.config import Training
from headwater.training.epochs import in_steps
from headwater.training.loop import train
from headwater.training.loss import Loss
from headwater.training.loss_config import LossConfig
from headwater.training.precision import resolve
from headwater.training.sinks import check as check_sinks

KINDS: dict[str, Callable[[Lesson], Taught]] = {
    "classification": Texts, "regression": Texts, "tagging": Tags, "span": Spans, "seq2seq": Pairs,
}  # fmt: skip
SHOWN = 3  # held-out examples that are said during training


def check(config: Finetune, report: Reporter) -> None:
    """Find a mistake in the examples or the base before hours of pretraining are spent."""
    resolve(config.precision)
    check_sinks(config.watch.sinks)
    gather(config, report)
    if config.base is not None:
        about(config.base)
        base = directory.load(config.base)
        _fits(config, base)
        if config.adapter is not None:
            adapters.adapt(base.network, config.adapter)


def run(config: Finetune, work: Work) -> Outcome:
    base = directory.load(work.inputs["pretrain"].path if config.base is None else config.base)
    kind = config.task.kind
    _fits(config, base)
    found = gather(config, work.report)
    lesson = Lesson(config, base.config, base.tokenizer, found, work.seed)
    taught = KINDS[kind](lesson)
    network = _with_head(base, taught, work.seed)
    adapted = [] if config.adapter is None else adapters.adapt(network, _beside_head(config.adapter, network, base), work.seed)
    for note in found.notes:
        work.report.say(f"  finetune: {note}", stage="finetune")
    counts = {**found.counts, **taught.counts}
    for name, said in (("cut", "texts are longer than the model's context (or a limit of the task) and were cut"),
                       ("too_long", "pairs do not fit into the model's context and were left out")):  # fmt: skip
        if counts.get(name):
            work.report.say(f"  finetune: {counts[name]:,} {said}", stage="finetune", **{name: counts[name]})
    stopping = config.stopping
    if stopping.figure == "bits_per_byte":  # what pretraining looks at, and there is no such figure here
        stopping = stopping.model_copy(update={"figure": "loss"})
    lesson.sizes.fit(taught.rows_per_epoch, "finetune.batch_size")
    config = in_steps(config, lesson.sizes, taught.rows_per_epoch, "finetune")
    losses = [Loss(config.loss)]  # the one that holds stands last
    trained = train(
        network,
        taught.data,
        lambda network, batch: losses[-1](network, batch),
        config.model_copy(update={"stopping": stopping}),
        work=work,
        name="finetune",
        validate=lambda: _rounded(taught.look(network, lesson.some)),
        sample=lambda: _shown(taught, network, min(SHOWN, len(found.held_out))),
        multipliers=multipliers(network.config),
        sizes=lesson.sizes,
        adopt=lambda _, now: losses.append(Loss(_terms(now))),
    )
    learning = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    if config.adapter is not None:
        adapters.save_adapters(work.path, network, _beside_head(config.adapter, network, base), about(base.path)["weights"])
        adapters.merge(network)
    network.eval()
    with torch.no_grad():
        taught.finish(network)
        figures, answers = taught.judge(network)
    figures = _rounded(figures)
    write_atomically(work.path / "predictions.jsonl", "".join(json.dumps(answer, ensure_ascii=False) + "\n" for answer in answers))
    lineage = {
        "base": about(base.path)["weights"],
        "seed": work.seed,
        "task": config.task.model_dump(mode="json"),
        "labels": list(found.labels),
    }
    directory.save(work.path, network, network.config, base.tokenizer, lineage=lineage)
    directory.name_labels(work.path, found.labels)
    metrics = {
        "task": kind,
        "labels": list(found.labels),
        **counts,
        "loss": trained.loss,
        "validation": trained.validation,
        "held_out_figures": figures,
        "refused_steps": trained.refused,
        "epochs": round(lesson.rows(trained.place)[0] / taught.rows_per_epoch, 3),
        "learned_parameters": learning,
        "adapted": adapted,
    }
    write_json(work.path / "metrics.json", metrics)
    leaked = f"; {counts['leaked']:,} of the held-out texts were learned too" if counts["leaked"] else ""
    return Outcome(metrics, taught.told(figures) + leaked)


def _terms(config: Training) -> LossConfig:
    assert isinstance(config, Finetune), "a fine-tuning's settings become a fine-tuning's"
    return config.loss


def _fits(config: Finetune, base: Model) -> None:
    """Raises HeadwaterError where this model cannot learn the task."""
    if (reason := config.task.fits(base.config)) is not None:
        raise HeadwaterError(f"cannot learn {config.task.kind}: {reason}", where=base.path)
    if config.task.kind != "seq2seq":
        TextRows.of(base.config, base.tokenizer)


def _beside_head(adapter: LoRA, network: Network, base: Model) -> LoRA:
    """A head that is new learns whole."""
    head = () if network is base.network else ("output.*",)
    return adapter.model_copy(update={"learned": (*adapter.learned, *head)})


def _with_head(base: Model, taught: Taught, seed: int) -> Network:
    """The base's body under a head of its own; BERT's dense layer before the head goes on where pretraining has made one."""
    if taught.head == base.config.head and isinstance(base.network.output, Vocabulary):
        return base.network
    network = base.config.model_copy(update={"head": taught.head}).build(seed)
    transfer(network, base, base.tokenizer, "body", seed)
    ours, theirs = network.output, base.network.output
    if isinstance(ours, Sequences) and isinstance(theirs, Vocabulary) and ours.dense is not None and theirs.pool is not None:
        ours.dense.load_state_dict(theirs.pool.state_dict())
    return network


def _shown(taught: Taught, network: Network, count: int) -> Iterator[tuple[str, str]]:
    for answer in taught.answer(network, range(count)):
        said = answer.pop("said")
        asked = next(answer[name] for name in ("question", "text", "source", "words") if name in answer)
        yield _line(asked), _line(said)


def _line(value: Any) -> str:
    return " ".join(value) if isinstance(value, list | tuple) else str(value)


def _rounded(value: Any) -> Any:
    """Figures to six digits: what lies behind depends on the machine."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value
