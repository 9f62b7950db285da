"""The one training loop. Pretraining and fine-tuning differ in the batches and the loss that they hand it.

    trained = train(network, data, token_loss, config, work=work, name="pretrain", validate=…, sample=…)

Each step (step.py) is a function of what a checkpoint holds (weights, moments, averages, guard, places in run and data) alone. So a
run that was interrupted anywhere ends with the same bits as one that was not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from headwater.core.artifact import Work
from headwater.model.network import Network
from headwater.parallel.group import current
from headwater.training.average import Average, lent, put
from headwater.training.checkpoint import Checkpoints
from headwater.training.config import Training
from headwater.training.groups import freeze
from headwater.training.guard import Guard, LostError
from headwater.training.interrupts import Interrupts
from headwater.training.optimizer import Optimizers
from headwater.training.precision import resolve
from headwater.training.recovery import roll_back
from headwater.training.run import Decided, Run, kept, resume
from headwater.training.snapshots import Snapshots
from headwater.training.steering import Steering
from headwater.training.step import Data, Loss, Means, step
from headwater.training.stopping import Best
from headwater.training.telemetry import Telemetry, Told

__all__ = ["Data", "Loss", "Sample", "Trained", "Validate", "train"]

Validate = Callable[[], dict[str, Any]]  # figures of held-out data; `stopping.figure` ("bits_per_byte") among them
Sample = Callable[[], Iterable[tuple[str, str]]]  # prompts and what the model says


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
    group, steering = current(), Steering(config)
    checkpoints, snapshots = Checkpoints(work.scratch / "checkpoints"), Snapshots()
    decided = _decide(config)
    lengths: dict[str, int] = {}
    trained = group.spread(network)
    optimizers = Optimizers(config.optimizer, trained, config.rates, multipliers)
    run = Run(trained, optimizers, Guard(config.guard), Average(config.average, trained, config.steps), Best(config.stopping))
    if (saved := checkpoints.newest(work.report)) is not None:
        decided, lengths = resume(run, *saved)
        snapshots.take(run.step, *saved)
        work.report.say(f"{name}: going on from step {run.step:,} of {config.steps:,}", stage=name, step=run.step)
    torch.set_num_threads(decided.threads)
    run.network.train()
    telemetry = Telemetry(work.path, work.journal, lengths, run.step)
    by = Means(data, loss, decided, work.seed, group, telemetry, told)

    def look() -> None:
        """Figures of held-out data, written down."""
        with _evaluating(run):
            run.validation = validate()
            run.best.note(run.step, run.validation, run.network.state_dict())
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
                config = steering.at(run.step)
                try:
                    step(run, config, by, bar)
                except LostError as lost:
                    roll_back(run, snapshots, config.guard, lost, work, name, telemetry, bar)
                    continue
                if run.step == config.steps or run.step % config.validate_every == 0:
                    look()
                    figure = config.stopping.figure
                    bar.advance(0, **{figure.replace("_per_", "/"): run.validation[figure]})
                last = run.step == config.steps or run.best.exhausted
                if last or run.step % config.sample_every == 0:
                    speak()
                stop = group.any(interrupts.requested)
                due = due or stop or run.step % config.checkpoint_every == 0
                if last or (due and run.guard.trusted):  # nobody wants to go back to weights that were just mistrusted
                    state = kept(run, telemetry.lengths(), decided)
                    checkpoints.write(run.step, *state)
                    snapshots.take(run.step, *state)
                    due = False
                if stop:
                    raise KeyboardInterrupt
    finally:
        telemetry.close()
    return _finish(run, config, frozen)


def _decide(config: Training) -> Decided:
    """What this run computes with, from its first step to its last."""
    return Decided(resolve(config.precision), torch.get_num_threads(), config.micro_batch if isinstance(config.micro_batch, int) else 0)


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
