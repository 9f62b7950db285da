"""The pretraining stage: hands corpus tokens, an objective, a network and the held-out measures to the one training loop."""

from __future__ import annotations

from typing import Any

from headwater.core.artifact import Outcome, Work
from headwater.core.progress import Reporter
from headwater.evaluation.perplexity import bits_per_byte
from headwater.model import directory
from headwater.model.init import empty, multipliers
from headwater.model.network import Network
from headwater.model.transfer import transfer
from headwater.model.tuning_config import about
from headwater.objectives.build import build
from headwater.objectives.data import TextData, held_out, unigram_entropy
from headwater.recipe.pretrain_config import Pretrain
from headwater.recipe.speaking import speak
from headwater.tokens.batch import Batch
from headwater.tokens.shards import Shards
from headwater.tokens.tokenizer import Tokenizer
from headwater.training.loop import train
from headwater.training.loss import Loss, follows_rate, mean_loss
from headwater.training.precision import autocast, resolve
from headwater.training.ramp import first_row, size_at
from headwater.training.telemetry import Told


def check(config: Pretrain, report: Reporter) -> None:
    """Open the model that a run starts from and see that its weights fit, before time is spent on the corpus."""
    if config.init_from is None:
        return
    about(config.init_from.model)
    source = directory.load(config.init_from.model)
    rows = max(config.model.vocab_size or 0, source.tokenizer.vocab_size)
    transfer(empty(config.model.with_vocabulary(rows)), source, source.tokenizer, config.init_from.parts)


def run(config: Pretrain, work: Work) -> Outcome:
    """tokenizer, tokens -> a Model directory with metrics.jsonl and samples.jsonl."""
    tokenizer = Tokenizer.load(work.inputs["tokenizer"].path / "tokenizer.json")
    shards = work.inputs["tokens"].path
    architecture = config.model if config.model.vocab_size is not None else config.model.with_vocabulary(tokenizer.vocab_size)
    objective = build(config.objective, architecture, tokenizer, "pretrain.objective")
    network = architecture.build(work.seed)
    lineage = {"seed": work.seed, "objective": config.objective.kind, **_begin(network, tokenizer, config, work)}
    raw = config.objective.raw_length(architecture)
    data = TextData(
        objective,
        Shards.open(shards, "train"),
        lambda step: (first_row(config.batch_size, step, raw), size_at(config.batch_size, step, raw)),
        work.seed,
    )
    validation = Shards.open(shards, "validation")
    rows = [] if config.speaks else held_out(objective, validation, config.validation_rows, _micro(config), work.seed)
    figure = "bits_per_byte" if config.speaks else "loss"
    stopping = config.stopping
    if stopping.figure not in (figure, "loss"):
        stopping = stopping.model_copy(update={"figure": figure})
    told = Told()
    trained = train(
        network,
        data,
        Loss(config.loss, told),
        config.model_copy(update={"stopping": stopping}),
        work=work,
        name="pretrain",
        validate=lambda: _of_text(network, validation, config) if config.speaks else _of_rows(network, rows, config),
        sample=lambda: speak(network, tokenizer, config, work.seed),
        multipliers=multipliers(architecture),
        told=told,
    )
    directory.save(work.path, network, architecture, tokenizer, lineage=lineage)
    count, read = architecture.parameter_count(), first_row(config.batch_size, trained.step, raw)
    metrics = {
        "parameters": count,
        "objective": config.objective.kind,
        "tokens": read * raw,
        "epochs": round(read / data.rows_per_epoch, 3),
        "loss": trained.loss,
        "validation": trained.validation,
        "refused_steps": trained.refused,
    }
    size = f"{count / 1e6:.1f} M" if count >= 1e5 else f"{count:,}"
    return Outcome(metrics, f"{size} parameters, {_said(trained.validation)}")


def _begin(network: Network, tokenizer: Tokenizer, config: Pretrain, work: Work) -> dict[str, Any]:
    """Put in another model's weights, where the recipe names one; what headwater.json says of it."""
    start = config.init_from
    if start is None:
        return {}
    drawn = transfer(network, directory.load(start.model), tokenizer, start.parts, work.seed)
    of = len(network.state_dict())
    said = f"{of - len(drawn)} of {of} tensors begin as in {start.model}"
    work.report.say(f"pretrain: {said}", stage="pretrain", drawn=drawn)
    return {"init_from": {"parts": start.parts, "weights": about(start.model)["weights"]}}


def _micro(config: Pretrain) -> int:
    """Rows that are surely held at once."""
    return config.micro_batch if isinstance(config.micro_batch, int) else size_at(config.batch_size, 0)


def _said(figures: dict[str, Any]) -> str:
    if "bits_per_byte" in figures:
        return f"{figures['bits_per_byte']:.3f} bits/byte held out"
    return f"{figures['loss']:.3f} nats a target held out (knowing frequencies alone: {figures['unigram_entropy']:.3f})"


def _of_text(network: Network, shards: Shards, config: Pretrain) -> dict[str, Any]:
    """Bits per byte of the fixed subset, overall and by language, and the same as a loss in nats per token."""
    figures = bits_per_byte(
        network,
        shards,
        context=config.model.context,
        batch_size=_micro(config),
        precision=resolve(config.precision),
        documents=config.validation_documents,
        stride=config.model.context,
    )
    whole = figures.pop("all")
    by_language = {language: figure["bits_per_byte"] for language, figure in figures.items()}
    return {"bits_per_byte": whole["bits_per_byte"], "loss": whole["loss"], "by_language": by_language}


def _of_rows(network: Network, batches: list[Batch], config: Pretrain) -> dict[str, Any]:
    """Nats per target of the fixed held-out rows, beside what knowing only the targets' frequencies would give."""
    with autocast(resolve(config.precision)):
        loss, follows = mean_loss(network, batches), follows_rate(network, batches)
    figures = {"loss": round(loss, 6), "unigram_entropy": round(unigram_entropy(batches), 6)}
    return figures if follows is None else {**figures, "next_sentence": round(follows, 4)}
