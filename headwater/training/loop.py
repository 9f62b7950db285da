"""The one training loop. Pretraining and fine-tuning differ in the batches and the loss that they hand it.

    trained = train(network, data, token_loss, config, work=work, name="pretrain", validate=…, sample=…)

Each step is a function of `(weights, moments, guard, step)` alone: the batch comes from `data.batch(step)`, the rate from
the schedule, dropout from a stream keyed by the step. A checkpoint holds those four, so a run that was interrupted
anywhere ends with the same bits as one that was not.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch

from headwater.core.artifact import Work
from headwater.core.progress import Bar
from headwater.core.random import key_bits
from headwater.model.network import Network
from headwater.tokens.batch import Batch
from headwater.training.checkpoint import Checkpoints
from headwater.training.config import Training
from headwater.training.guard import Guard
from headwater.training.interrupts import Interrupts
from headwater.training.optimizer import Optimizers
from headwater.training.precision import Precision, autocast, resolve
from headwater.training.schedule import rate_at
from headwater.training.telemetry import Telemetry

Loss = Callable[[Network, Batch], torch.Tensor]  # weighted sum over a (micro-)batch, in nats
Validate = Callable[[], dict[str, Any]]  # figures of held-out data; "bits_per_byte" among them
Sample = Callable[[], Iterable[tuple[str, str]]]  # prompts and what the model says


class Data(Protocol):
    """Batches as a pure function of the step."""

    def batch(self, step: int) -> Batch: ...

    def documents(self, step: int) -> list[str]:
        """Ids of the documents that made the batch."""
        ...


@dataclass(frozen=True)
class Trained:
    """Figures of a finished run: the last step's loss in nats per token, held-out figures, steps the guard refused."""

    loss: float | None
    validation: dict[str, Any]
    refused: int


@dataclass(frozen=True)
class Decided:
    """What would change the bits if a resumed run chose it anew."""

    precision: Precision
    threads: int


@dataclass
class Run:
    """What a step changes, and what a checkpoint keeps."""

    network: Network
    optimizers: Optimizers
    guard: Guard
    step: int = 0
    tokens: int = 0
    loss: float | None = None
    validation: dict[str, Any] = field(default_factory=dict)


def train(
    network: Network, data: Data, loss: Loss, config: Training, *, work: Work, name: str, validate: Validate, sample: Sample
) -> Trained:
    """Run the loop to its last step, from the newest checkpoint if there is one; the network is changed in place.

    Raises HeadwaterError when the guard gives up or bf16 is asked for where there is none, KeyboardInterrupt (after
    writing a checkpoint) on Ctrl-C and SIGTERM.
    """
    run = Run(network, Optimizers(config.optimizer, network), Guard(config.guard))
    checkpoints = Checkpoints(work.scratch / "checkpoints")
    decided = Decided(resolve(config.precision), torch.get_num_threads())
    lengths: dict[str, int] = {}
    if (saved := checkpoints.newest(work.report)) is not None:
        decided, lengths = _restore(run, saved)
        work.report.say(f"{name}: going on from step {run.step:,} of {config.steps:,}", stage=name, step=run.step)
    torch.set_num_threads(decided.threads)
    network.train()
    telemetry = Telemetry(work.path, work.journal, lengths, run.step)

    def checkpoint() -> None:
        state = {
            "tokens": run.tokens,
            "loss": run.loss,
            "validation": run.validation,
            "guard": run.guard.state(),
            "logs": telemetry.lengths(),
            "decided": asdict(decided),
        }
        checkpoints.write(run.step, network.state_dict(), run.optimizers.state(), state)

    def look() -> None:
        """Figures of held-out data, written down."""
        with _evaluating(network):
            run.validation = validate()
        telemetry.metric("validation", run.step, **run.validation)

    def speak() -> None:
        with _evaluating(network):
            for prompt, text in sample():
                telemetry.sample(run.step, prompt, text)

    try:
        with Interrupts() as interrupts, work.report.bar(name, config.steps, "steps", done=run.step) as bar:
            if run.step == 0:
                look()
            while run.step < config.steps:
                _step(run, data, loss, config, decided.precision, work.seed, telemetry, bar)
                last = run.step == config.steps
                if last or run.step % config.validate_every == 0:
                    look()
                    bar.advance(0, **{"bits/byte": run.validation["bits_per_byte"]})
                if last or run.step % config.sample_every == 0:
                    speak()
                if last or interrupts.requested or run.step % config.checkpoint_every == 0:
                    checkpoint()
                if interrupts.requested:
                    raise KeyboardInterrupt
    finally:
        telemetry.close()
    return Trained(loss=run.loss, validation=run.validation, refused=run.guard.refused)


def _step(run: Run, data: Data, loss: Loss, config: Training, precision: Precision, seed: int, telemetry: Telemetry, bar: Bar) -> None:
    """One update, or one refusal."""
    started = time.perf_counter()
    batch = data.batch(run.step)
    weight = batch.weight
    run.optimizers.zero_grad()
    total = 0.0
    for number, micro in enumerate(batch.micro(config.micro_batch or len(batch))):
        torch.manual_seed(key_bits(seed, "dropout", run.step, number) & (2**63 - 1))
        with autocast(precision):
            part = loss(run.network, micro) / weight
        part.backward()  # type: ignore[no-untyped-call]
        total += float(part.detach())
    norm = float(torch.nn.utils.clip_grad_norm_(run.network.parameters(), config.clip))
    share = rate_at(config.schedule, run.step, config.steps)
    reason = run.guard.judge(total, norm)
    if reason is None:
        run.optimizers.step(share)
    run.step += 1
    run.tokens += batch.tokens_BT.numel()
    run.loss = _finite(total)
    if reason is not None:
        documents = data.documents(run.step - 1)
        telemetry.metric("incident", run.step, reason=reason, loss=run.loss, grad_norm=_finite(norm), documents=documents)
    if run.step % config.log_every == 0 or run.step == config.steps:
        telemetry.metric("train", run.step, tokens=run.tokens, loss=run.loss, lr=config.optimizer.lr * share, grad_norm=_finite(norm))
    seconds = time.perf_counter() - started
    telemetry.timing(run.step, seconds, batch.tokens_BT.numel())
    bar.advance(1, loss=total, **{"tokens/s": f"{batch.tokens_BT.numel() / seconds:,.0f}"})


def _restore(run: Run, saved: tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], dict[str, Any]]) -> tuple[Decided, dict[str, int]]:
    tensors, moments, state = saved
    run.network.load_state_dict(tensors)
    run.optimizers.load(moments)
    run.guard.load(state["guard"])
    run.step, run.tokens = state["step"], state["tokens"]
    run.loss, run.validation = state["loss"], state["validation"]
    decided = Decided(resolve(state["decided"]["precision"]), state["decided"]["threads"])
    return decided, state["logs"]


@contextlib.contextmanager
def _evaluating(network: Network) -> Any:
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        network.train()


def _finite(value: float) -> float | None:
    """JSON has no NaN; null says that there was no number."""
    return value if abs(value) < float("inf") else None
