"""What happens in one step? An update of the weights, or one refusal.

In: a run, the settings that hold for the step, what it is made by. Out: the run one step further, a line in its logs.

Each step is a function of what a checkpoint holds alone: the batch comes from `data.batch(place)`, the rate from the schedule,
dropout from a stream keyed by the step and the rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

from headwater.core.progress import Bar
from headwater.core.random import key_bits
from headwater.model.moe import rebalance
from headwater.model.network import Network
from headwater.parallel.group import Group
from headwater.tokens.batch import Batch
from headwater.training.clip import clip
from headwater.training.config import Training
from headwater.training.guard import LostError
from headwater.training.incidents import Incidents, without
from headwater.training.integrity import Integrity
from headwater.training.precision import autocast
from headwater.training.ramp import Size
from headwater.training.run import Decided, Run
from headwater.training.schedule import rate_at
from headwater.training.telemetry import Telemetry, Told, finite

Loss = Callable[[Network, Batch], torch.Tensor]  # weighted sum over a (micro-)batch, in nats


class Data(Protocol):
    """Batches as a pure function of the place in the data, which is the number of steps that have read from it."""

    def batch(self, place: int) -> Batch: ...

    def documents(self, place: int) -> list[str]:
        """Ids of the documents that made the batch."""
        ...


@dataclass(frozen=True)
class Means:
    """What steps are made with and do not change."""

    data: Data
    loss: Loss
    decided: Decided
    seed: int
    group: Group
    telemetry: Telemetry
    integrity: Integrity
    incidents: Incidents
    told: Told | None = None


def step(run: Run, config: Training, by: Means, bar: Bar) -> None:
    """One update, or one refusal. Raises LostError when it was one refusal too many, FlippedError when memory changed by itself."""
    started = time.perf_counter()
    by.telemetry.begin(run.step)
    span = by.telemetry.span
    with span("data"):
        batch = without(by.data.batch(run.place), by.data, run.place, run.guard.masked)
    assert _is_planned(config.batch_size, run.place, len(batch)), "the data does not read as many rows as batch_size says"
    waited = _since(started)
    run.optimizers.zero_grad()
    loss = _gradients(run, batch, by)
    seen = by.telemetry.look(run.step + 1, run.network)
    with span("clip"):
        norm = clip(run.network.parameters(), config.clip, config.clip_by)
    share = _share(run, config, batch.size)
    by.integrity.check(run)
    lost = None
    try:
        reason = run.guard.judge(loss, norm)
    except LostError as error:
        reason, lost = error.reason, error
    if reason is None:
        with span("optimizer"):
            run.optimizers.step(share)
    by.group.pool(run.network)
    rebalance(run.network, applied=reason is None)
    run.step += 1
    run.place += 1
    run.tokens += batch.size
    run.loss = finite(loss)
    run.average.note(run.step, applied=reason is None)
    by.integrity.note(run)
    _tell(run, config, by, reason, norm, config.optimizer.lr * share)
    if reason is not None:
        by.incidents.refused(run, batch, reason, norm)
    if seen is not None:
        by.telemetry.norms(run.step, seen, run.network, batch)
    seconds = _since(started)
    bar.advance(1, loss=loss, **by.telemetry.timing(run.step, seconds, batch.size, waited))
    if lost is not None:
        raise lost


def _gradients(run: Run, batch: Batch, by: Means) -> float:
    """Leave the gradient of the mean loss over the whole batch, made from this process's rows; returns that loss."""
    weight = batch.weight
    total = 0.0
    for number, micro in enumerate(by.group.passes(batch, by.decided.micro_batch)):
        torch.manual_seed(key_bits(by.seed, "dropout", run.step, by.group.rank, number) & (2**63 - 1))
        with by.telemetry.span("forward and loss"), autocast(by.decided.precision, run.network.device):
            part = by.loss(run.network, micro) / weight
        with by.telemetry.span("backward"):
            part.backward()  # type: ignore[no-untyped-call]
        total += float(part.detach())
    (total,) = by.group.sums([total])
    return total


def _tell(run: Run, config: Training, by: Means, reason: str | None, norm: float, rate: float) -> None:
    """Write down the step that was just made."""
    figures = by.told.take() if by.told is not None else {}
    if reason is not None:
        documents = by.data.documents(run.place - 1)
        by.telemetry.metric("incident", run.step, reason=reason, loss=run.loss, grad_norm=finite(norm), documents=documents)
    if run.step % config.log_every == 0 or run.step == config.steps:
        if figures:
            by.telemetry.metric("experts", run.step, **figures)
        by.telemetry.metric("train", run.step, tokens=run.tokens, loss=run.loss, lr=rate, grad_norm=finite(norm))


def _since(started: float) -> float:
    """Seconds, never none at all: a machine that slept or was moved may have a clock that stood still."""
    return max(time.perf_counter() - started, 1e-9)


def _is_planned(size: Size, place: int, rows: int) -> bool:
    """Whether a batch is as large as a size that grows by steps wants it; the data alone knows how much was read before."""
    return isinstance(size, int) or size.unit != "steps" or rows == size.after(place)


def _share(run: Run, config: Training, tokens: int) -> float:
    """Share of the peak rate for a step of so many tokens; lower after rollbacks, and rising anew from each."""
    at = run.step if config.schedule.unit == "steps" else run.tokens + tokens - 1
    share = rate_at(config.schedule, at, config.steps)
    if not run.rollbacks:
        return share
    risen = min(1.0, (run.step - run.rolled_to + 1) / (config.guard.rewarm + 1))
    return share * risen * config.guard.lower**run.rollbacks
