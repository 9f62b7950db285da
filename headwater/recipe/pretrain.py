"""The pretraining stage: hands corpus tokens, an objective, a network and the held-out measures to the one training loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from headwater.core.artifact import Outcome, Work
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.evaluation.perplexity import bits_per_byte
from headwater.model import directory
from headwater.model.activation import switch_activation
from headwater.model.config import ModelConfig
from headwater.model.init import empty, multipliers
from headwater.model.network import Network
from headwater.model.transfer import transfer
from headwater.model.tuning_config import about
from headwater.objectives.build import build
from headwater.objectives.data import TextData, held_out, unigram_loss
from headwater.recipe.pretrain_config import SHORTENS, Pretrain
from headwater.recipe.speaking import speak
from headwater.tokens.batch import Batch
from headwater.tokens.shards import Shards
from headwater.tokens.tokenizer import Tokenizer
from headwater.training.config import Training
from headwater.training.epochs import in_steps
from headwater.training.loop import train
from headwater.training.loss import Loss, follows_rate, mean_loss
from headwater.training.memory import unlearned_rows
from headwater.training.precision import autocast, compiled_beside, resolve
from headwater.training.ramp import Sizes, size_at
from headwater.training.sinks import check as check_sinks
from headwater.training.telemetry import Told

REHEARSED = 1  # held-out documents, or batches of rows, on which validation is tried before the first step


def check(config: Pretrain, report: Reporter) -> None:
    """See that the machine has the precision and that the weights of a model to start from fit, before time is spent on the corpus; what
    training runs is compiled beside the stages before it."""
    precision = resolve(config.precision)
    check_sinks(config.watch.sinks)
    compiled_beside(config.model, precision, "cuda" if torch.cuda.is_available() else "cpu")
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
    _covers(architecture, tokenizer, Shards.open(shards, "train"))
    objective = build(config.objective, architecture, tokenizer, "pretrain.objective")
    network = architecture.build(work.seed)
    lineage = {"seed": work.seed, "objective": config.objective.kind, **_begin(network, tokenizer, config, work)}
    sizes = Sizes(config.batch_size, config.objective.raw_length(architecture), config.length)
    pieces = sizes.portion if config.objective.kind in SHORTENS else None
    learned = Shards.open(shards, "train")
    data = TextData(objective, learned, sizes.rows, work.seed, order=config.order, pieces=pieces,
                    decode=tokenizer.decode)  # fmt: skip
    sizes.fit(data.rows_per_epoch, "pretrain.batch_size")
    config = in_steps(config, sizes, data.rows_per_epoch, "pretrain")
    validation = Shards.open(shards, "validation")
    if not len(validation):
        raise HeadwaterError("no text is held out, so that nothing can be validated", where="validation", mend="hold some out")
    rows = [] if config.speaks else held_out(objective, validation, config.validation_rows, _micro(config), work.seed)
    counting = 0.0 if config.speaks else unigram_loss(rows, objective, learned, architecture.vocabulary, work.seed)
    figure = "bits_per_byte" if config.speaks else "loss"
    stopping = config.stopping
    if stopping.figure not in (figure, "loss"):
        stopping = stopping.model_copy(update={"figure": figure})
    told = Told()
    held = _Held(config, Loss(config.loss, told))

    def adopt(trained: Network, now: Training) -> None:
        assert isinstance(now, Pretrain), "a pretraining's settings become a pretraining's"
        held.config, held.loss = now, Loss(now.loss, told)
        for one in {id(one): one for one in (network, trained)}.values():
            switch_activation(one, now.model.feed_forward)

    def validate(some: int | None = None) -> dict[str, Any]:
        """Of so many documents or batches; of all that the config asks for."""
        if config.speaks:
            return _of_text(network, validation, held.config, some)
        return _of_rows(network, rows[:some], config, counting)

    trained = train(
        network,
        data,
        lambda network, batch: held.loss(network, batch),
        config.model_copy(update={"stopping": stopping}),
        work=work,
        name="pretrain",
        validate=validate,
        rehearse=(lambda: validate(REHEARSED)) if config.init_from is None else None,
        sample=lambda: speak(network, tokenizer, held.config, work.seed),
        multipliers=multipliers(architecture),
        told=told,
        sizes=sizes,
        adopt=adopt,
    )
    architecture = network.config
    directory.save(work.path, network, architecture, tokenizer, lineage=lineage)
    count, read = architecture.parameter_count(), sizes.tokens_before(trained.place)
    metrics = {
        "parameters": count,
        "objective": config.objective.kind,
        "tokens": read,
        "epochs": round(read / (data.rows_per_epoch * sizes.row_tokens), 3),
        "loss": trained.loss,
        "validation": trained.validation,
        "refused_steps": trained.refused,
    }
    size = f"{count / 1e6:.1f} M" if count >= 1e5 else f"{count:,}"
    return Outcome(metrics, f"{size} parameters, {_said(trained.validation)}")


@dataclass
class _Held:
    """The settings that hold, and the loss that they make."""

    config: Pretrain
    loss: Loss


def _covers(architecture: ModelConfig, tokenizer: Tokenizer, learned: Shards) -> None:
    """Raises HeadwaterError for tokens that the model has no row for."""
    needed = max(tokenizer.vocab_size, learned.vocab_size)
    if architecture.vocabulary < needed:
        said = f"the model's vocabulary has {architecture.vocabulary:,} tokens, and the text is made of {needed:,}"
        raise HeadwaterError(said, where="pretrain.model.vocab_size", mend="leave it out, and it is the tokenizer's")


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
    """Rows of a validation that are held at once."""
    return unlearned_rows(config.micro_batch, size_at(config.batch_size, 0), config.model.context)


def _said(figures: dict[str, Any]) -> str:
    if "bits_per_byte" in figures:
        return f"{figures['bits_per_byte']:.3f} bits/byte held out"
    return f"{figures['loss']:.3f} nats a target held out (knowing frequencies alone: {figures['unigram_loss']:.3f})"


def _of_text(network: Network, shards: Shards, config: Pretrain, some: int | None = None) -> dict[str, Any]:
    """Bits per byte of the fixed subset (of so many documents), overall and by language, and the same as a loss in nats per token."""
    figures = bits_per_byte(
        network,
        shards,
        context=config.model.context,
        batch_size=_micro(config),
        precision=resolve(config.precision),
        documents=some or config.validation_documents,
        stride=config.model.context,
    )
    whole = figures.pop("all")
    by_language = {language: figure["bits_per_byte"] for language, figure in figures.items()}
    return {"bits_per_byte": whole["bits_per_byte"], "loss": whole["loss"], "by_language": by_language}


def _of_rows(network: Network, batches: list[Batch], config: Pretrain, counting: float) -> dict[str, Any]:
    """Nats per target of the fixed held-out rows, beside what `counting` targets would give."""
    with autocast(resolve(config.precision), network.device):
        loss, follows = mean_loss(network, batches), follows_rate(network, batches)
    figures = {"loss": round(loss, 6), "unigram_loss": round(counting, 6)}
    return figures if follows is None else {**figures, "next_sentence": round(follows, 4)}
