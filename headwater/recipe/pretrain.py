"""The pretraining stage: hands corpus tokens, a network and the held-out measures to the one training loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headwater.core.artifact import Outcome, Work
from headwater.evaluation.perplexity import bits_per_byte
from headwater.generation.generate import generate
from headwater.generation.sampling import Sampling
from headwater.model import directory
from headwater.model.network import Network
from headwater.objectives.causal import causal_rows
from headwater.recipe.pretrain_config import Pretrain
from headwater.tokens.batch import Batch
from headwater.tokens.reading import Windows
from headwater.tokens.shards import Shards
from headwater.tokens.tokenizer import Tokenizer
from headwater.training.loop import train
from headwater.training.loss import token_loss
from headwater.training.precision import resolve


class CausalData:
    """Batch `step` is windows `step · batch_size …` of the reading order."""

    def __init__(self, windows: Windows, batch_size: int, end: int, across_documents: bool) -> None:
        self.windows, self.batch_size, self.end, self.across = windows, batch_size, end, across_documents

    def batch(self, step: int) -> Batch:
        return causal_rows(self.windows.rows(step * self.batch_size, self.batch_size), self.end, self.across)

    def documents(self, step: int) -> list[str]:
        return self.windows.documents(step * self.batch_size, self.batch_size)


def run(config: Pretrain, work: Work) -> Outcome:
    """tokenizer, tokens -> a Model directory with metrics.jsonl and samples.jsonl."""
    tokenizer = Tokenizer.load(work.inputs["tokenizer"].path / "tokenizer.json")
    shards = work.inputs["tokens"].path
    architecture = config.model.with_vocabulary(tokenizer.vocab_size)
    network = architecture.build(work.seed)
    windows = Windows(Shards.open(shards, "train"), architecture.context, work.seed)
    held_out = Shards.open(shards, "validation")
    data = CausalData(windows, config.batch_size, tokenizer.special("end"), config.across_documents)
    trained = train(
        network,
        data,
        token_loss,
        config,
        work=work,
        name="pretrain",
        validate=lambda: _held_out(network, held_out, config),
        sample=lambda: speak(network, tokenizer, config.prompts, config.sampling, work.seed),
    )
    directory.save(work.path, network, architecture, tokenizer, lineage={"seed": work.seed})
    metrics = {
        "parameters": architecture.parameter_count(),
        "tokens": config.steps * config.batch_size * architecture.context,
        "epochs": round(config.steps * config.batch_size / windows.per_epoch, 3),
        "loss": trained.loss,
        "validation": trained.validation,
        "refused_steps": trained.refused,
    }
    count = architecture.parameter_count()
    size = f"{count / 1e6:.1f} M" if count >= 1e5 else f"{count:,}"
    return Outcome(metrics, f"{size} parameters, {trained.validation['bits_per_byte']:.3f} bits/byte held out")


def _held_out(network: Network, shards: Shards, config: Pretrain) -> dict[str, Any]:
    """Bits per byte of the fixed subset, overall and by language, and the same as a loss in nats per token."""
    figures = bits_per_byte(
        network,
        shards,
        context=config.model.context,
        batch_size=config.batch_size,
        precision=resolve(config.precision),
        documents=config.validation_documents,
        stride=config.model.context,
    )
    whole = figures.pop("all")
    by_language = {language: figure["bits_per_byte"] for language, figure in figures.items()}
    return {"bits_per_byte": whole["bits_per_byte"], "loss": whole["loss"], "by_language": by_language}


def speak(network: Network, tokenizer: Tokenizer, prompts: tuple[str, ...], sampling: Sampling, seed: int) -> Iterator[tuple[str, str]]:
    """Each prompt with what the model says after it, the same draws at every step so that samples can be compared."""
    end = tokenizer.special("end")
    ids = [[end, *tokenizer.encode(prompt)] for prompt in prompts]
    answers = generate(network, ids, sampling, stop={end}, seed=seed)
    for prompt, answer in zip(prompts, answers, strict=True):
        yield prompt, tokenizer.decode(token for token in answer.tokens if token != end)
