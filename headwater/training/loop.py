"""The one training loop. Pretraining and fine-tuning differ in the batches and the loss that they hand it.

    trained = train(network, data, token_loss, config, work=work, name="pretrain", validate=…, sample=…)

Each step is a function of what a checkpoint holds (weights, moments, averages, guard, places in run and data) alone: the batch
comes from `data.batch(place)`, the rate from the schedule, dropout from a stream keyed by the step. So a run that was
interrupted anywhere ends with the same bits as one that was not.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from headwater.core.artifact import Work
from headwater.core.progress import Bar
from headwater.core.random import key_bits
from headwater.model.moe import rebalance
from headwater.model.network import Network
from headwater.tokens.batch import Batch
from headwater.training.average import Average, lent, put
from headwater.training.checkpoint import Checkpoints
from headwater.training.clip import clip
from headwater.training.config import GuardConfig, Training
from headwater.training.groups import freeze
from headwater.training.guard import Guard, LostError
from headwater.training.interrupts import Interrupts
from headwater.training.optimizer import Optimizers
from headwater.training.precision import Precision, autocast, resolve
from headwater.training.ramp import Size, size_at
from headwater.training.run import Decided, Run, kept, restore, resume
from headwater.training.schedule import rate_at
from headwater.training.stopping import Best
from headwater.training.telemetry import Telemetry, Told

Loss = Callable[[Network, Batch], torch.Tensor]  # weighted sum over a (micro-)batch, in nats
Validate = Callable[[], dict[str, Any]]  # figures of held-out data; `stopping.figure` ("bits_per_byte") among them
Sample = Callable[[], Iterable[tuple[str, str]]]  # prompts and what the model says


class Data(Protocol):
    """Batches as a pure function of the step."""

    def batch(self, step: int) -> Batch: ...

    def documents(self, step: int) -> list[str]:
        """Ids of the documents that made the batch."""
        ...


@dataclass(frozen=True)
class Trained:
    """Figures of a finished run: the last step's loss in nats per token, held-out figures of the weights that were kept and the
    step that they are of, steps the guard refused, rollbacks, parameters that were frozen."""

    loss: float | None
    validation: dict[str, Any]
    refused: int
    step: int = 0
    rollbacks: int = 0
    frozen: int = 0


def train(
    network: Network,
    data: Data,
    loss: Loss,
    config: Training,
    *,
    work: Work,
    name: str,
    validate: Validate,
    sample: Sample,
    multipliers: Mapping[str, float] | None = None,
    told: Told | None = None,
) -> Trained:
    """Run the loop to its last step, from the newest checkpoint if there is one; the network is changed in place.

    `multipliers` are factors of the rate by parameter name, `told` is what the loss tells of its passes beside itself. Raises
    HeadwaterError when the guard gives up or bf16 is asked for where there is none, KeyboardInterrupt (after writing a checkpoint,
    unless the last step was refused) on Ctrl-C and SIGTERM.
    """
    frozen = _freeze(network, config, work, name)
    optimizers = Optimizers(config.optimizer, network, config.rates, multipliers)
    run = Run(network, optimizers, Guard(config.guard), Average(config.average, network, config.steps), Best(config.stopping))
    checkpoints = Checkpoints(work.scratch / "checkpoints")
    decided = Decided(resolve(config.precision), torch.get_num_threads())
    lengths: dict[str, int] = {}
    if (saved := checkpoints.newest(work.report)) is not None:
        decided, lengths = resume(run, *saved)
        work.report.say(f"{name}: going on from step {run.step:,} of {config.steps:,}", stage=name, step=run.step)
    torch.set_num_threads(decided.threads)
    network.train()
    telemetry = Telemetry(work.path, work.journal, lengths, run.step)

    def look() -> None:
        """Figures of held-out data, written down."""
        with _evaluating(run):
            run.validation = validate()
            run.best.note(run.step, run.validation, network.state_dict())
        telemetry.metric("validation", run.step, **run.validation)

    def speak() -> None:
        with _evaluating(run):
            for prompt, text in sample():
                telemetry.sample(run.step, prompt, text)

    try:
        with Interrupts() as interrupts, work.report.bar(name, config.steps, "steps", done=run.step) as bar:
            if run.step == 0:
                look()
            due = False
            while run.step < config.steps and not run.best.exhausted:
                try:
                    _step(run, data, loss, config, decided.precision, work.seed, telemetry, bar, told)
                except LostError as lost:
                    _roll_back(run, checkpoints, config.guard, lost, work, name, telemetry, bar)
                    continue
                if run.step == config.steps or run.step % config.validate_every == 0:
                    look()
                    figure = config.stopping.figure
                    bar.advance(0, **{figure.replace("_per_", "/"): run.validation[figure]})
                last = run.step == config.steps or run.best.exhausted
                if last or run.step % config.sample_every == 0:
                    speak()
                due = due or interrupts.requested or run.step % config.checkpoint_every == 0
                if last or (due and run.guard.trusted):  # nobody wants to go back to weights that were just mistrusted
                    checkpoints.write(run.step, *kept(run, telemetry.lengths(), decided))
                    due = False
                if interrupts.requested:
                    raise KeyboardInterrupt
    finally:
        telemetry.close()
    return _finish(run, config, frozen)


def _step(
    run: Run, data: Data, loss: Loss, config: Training, precision: Precision, seed: int, telemetry: Telemetry, bar: Bar, told: Told | None
) -> None:
    """One update, or one refusal. Raises LostError when it was one refusal too many."""
    started = time.perf_counter()
    batch = data.batch(run.place)
    assert _is_planned(config.batch_size, run.place, len(batch)), "the data does not read as many rows as batch_size says"
    weight = batch.weight
    run.optimizers.zero_grad()
    total = 0.0
    for number, micro in enumerate(batch.micro(config.micro_batch or len(batch))):
        torch.manual_seed(key_bits(seed, "dropout", run.step, number) & (2**63 - 1))
        with autocast(precision):
            part = loss(run.network, micro) / weight
        part.backward()  # type: ignore[no-untyped-call]
        total += float(part.detach())
    norm = clip(run.network.parameters(), config.clip, config.clip_by)
    share = _share(run, config, batch.size)
    lost = None
    try:
        reason = run.guard.judge(total, norm)
    except LostError as error:
        reason, lost = error.reason, error
    if reason is None:
        run.optimizers.step(share)
    rebalance(run.network, applied=reason is None)
    run.step += 1
    run.place += 1
    run.tokens += batch.size
    run.loss = _finite(total)
    figures = told.take() if told is not None else {}
    run.average.note(run.step, applied=reason is None)
    if reason is not None:
        documents = data.documents(run.place - 1)
        telemetry.metric("incident", run.step, reason=reason, loss=run.loss, grad_norm=_finite(norm), documents=documents)
    if run.step % config.log_every == 0 or run.step == config.steps:
        if figures:
            telemetry.metric("experts", run.step, **figures)
        telemetry.metric("train", run.step, tokens=run.tokens, loss=run.loss, lr=config.optimizer.lr * share, grad_norm=_finite(norm))
    seconds = time.perf_counter() - started
    telemetry.timing(run.step, seconds, batch.size)
    bar.advance(1, loss=total, **{"tokens/s": f"{batch.size / seconds:,.0f}"})
    if lost is not None:
        raise lost


def _is_planned(size: Size, place: int, rows: int) -> bool:
    """Whether a batch is as large as a growing size wants it; where it grows by tokens, the data alone knows how long its rows are."""
    return isinstance(size, int) or size.unit == "tokens" or rows == size_at(size, place)


def _share(run: Run, config: Training, tokens: int) -> float:
    """Share of the peak rate for a step of so many tokens; lower after rollbacks, and rising anew from each."""
    at = run.step if config.schedule.unit == "steps" else run.tokens + tokens - 1
    share = rate_at(config.schedule, at, config.steps)
    if not run.rollbacks:
        return share
    risen = min(1.0, (run.step - run.rolled_to + 1) / (config.guard.rewarm + 1))
    return share * risen * config.guard.lower**run.rollbacks


def _roll_back(
    run: Run, checkpoints: Checkpoints, config: GuardConfig, lost: LostError, work: Work, name: str, telemetry: Telemetry, bar: Bar
) -> None:
    """Go back to the newest checkpoint, but not in the data. Raises `lost` where there is none, or no retry is left."""
    saved = checkpoints.newest(work.report) if run.rollbacks < config.retries else None
    if saved is None:
        raise lost
    step, refused = run.step, run.guard.refused
    restore(run, *saved)
    run.guard.forgive(refused)
    run.rollbacks += 1
    run.rolled_to = run.step
    again = run.place - (step - run.step)
    telemetry.metric("rollback", step, to=run.step, number=run.rollbacks, reason=lost.reason, skipped_batches=[again, run.place])
    said = f"lost at step {step:,} because {lost.reason}; going on from step {run.step:,} with the batches after those read since"
    work.report.say(f"{name}: {said}", stage=name, step=run.step)
    bar.advance(run.step - step)


def _finish(run: Run, config: Training, frozen: int) -> Trained:
    """Leave the network with the weights that the config wants kept."""
    step, validation = run.step, run.validation
    if config.stopping.keep == "best":
        run.network.load_state_dict(run.best.weights)
        step, validation = run.best.step, run.best.figures
    else:
        put(run.network, run.weights())
    return Trained(run.loss, validation, run.guard.refused, step, run.rollbacks, frozen)


def _freeze(network: Network, config: Training, work: Work, name: str) -> int:
    """Freeze what the config names, and say so; the number of frozen parameters."""
    names = freeze(network, config.rates.frozen)
    counts = {key: parameter.numel() for key, parameter in network.named_parameters()}
    frozen = sum(counts[key] for key in names)
    if frozen:
        said = f"{frozen:,} of {sum(counts.values()):,} parameters are frozen ({len(names)} of {len(counts)} tensors)"
        work.report.say(f"{name}: {said}", stage=name, frozen=names)
    return frozen


@contextlib.contextmanager
def _evaluating(run: Run) -> Iterator[None]:
    run.network.eval()
    try:
        with torch.no_grad(), lent(run.network, run.weights()):
            yield
    finally:
        run.network.train()


def _finite(value: float) -> float | None:
    """JSON has no NaN; null says that there was no number."""
    return value if abs(value) < float("inf") else None
