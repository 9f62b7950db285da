"""The one training loop. Pretraining and fine-tuning differ in the batches and the loss that they hand it.

    trained = train(network, data, token_loss, config, work=work, name="pretrain", validate=…, sample=…)

Each step (step.py) is a function of what a checkpoint holds (weights, moments, averages, guard, places in run and data) alone. So a
run that was interrupted anywhere ends with the same bits as one that was not.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from headwater.core.artifact import Work
from headwater.core.progress import Bar
from headwater.model.network import Network
from headwater.parallel.group import Group, current
from headwater.training import memory
from headwater.training.alerts import Alerts
from headwater.training.allocator import keep_pages
from headwater.training.average import Average, lent, put
from headwater.training.checkpoint import Checkpoints
from headwater.training.config import Training
from headwater.training.groups import freeze
from headwater.training.guard import Guard, LostError
from headwater.training.incidents import Incidents
from headwater.training.integrity import FlippedError, Integrity, reload
from headwater.training.interrupts import Interrupts
from headwater.training.keeping import Keeping, State, identity
from headwater.training.optimizer import Optimizers
from headwater.training.precision import compiled_beside, resolve
from headwater.training.ramp import Sizes
from headwater.training.recovery import roll_back
from headwater.training.run import Decided, Run, kept
from headwater.training.steering import Adopt, Steering
from headwater.training.steering_files import STOP
from headwater.training.step import Data, Loss, Means, step
from headwater.training.stopping import Best
from headwater.training.telemetry import Subject, Telemetry, Told

__all__ = ["Data", "Loss", "Sample", "Trained", "Validate", "train"]

Validate = Callable[[], dict[str, Any]]  # figures of held-out data; `stopping.figure` ("bits_per_byte") among them
Sample = Callable[[], Iterable[tuple[str, str]]]  # prompts and what the model says


@dataclass(frozen=True)
class Trained:
    """Figures of a finished run: the last step's loss in nats per token, held-out figures of the weights that were kept and the
    step that they are of, steps the guard refused, rollbacks, parameters that were frozen, batches that were read."""

    loss: float | None
    validation: dict[str, Any]
    refused: int
    step: int = 0
    rollbacks: int = 0
    frozen: int = 0
    place: int = 0


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
    rehearse: Validate | None = None,
    multipliers: Mapping[str, float] | None = None,
    told: Told | None = None,
    sizes: Sizes | None = None,
    adopt: Adopt | None = None,
) -> Trained:
    """Run the loop to its last step, from the newest checkpoint if there is one; the network is changed in place.

    `rehearse` stands in for the first validation where weights were just drawn: its figure would tell nothing, so that it only has to show
    that validating works. `multipliers` are factors of the rate by parameter name, `told` is what the loss tells of its passes beside
    itself, `sizes` is told of changed batches and `adopt` of changed settings (steering.py). Raises HeadwaterError when the guard gives up
    or bf16 is asked for where there is none, KeyboardInterrupt (after writing a checkpoint) on Ctrl-C, SIGTERM and
    `headwater steer RUN stop`.
    """
    frozen = _freeze(network, config, work, name)
    group = current(config.parallel)
    steering = Steering(config, work, name, group, sizes, adopt)
    checkpoints = Checkpoints(work.scratch / "checkpoints", config.checkpoints, group, identity(work, config))
    decided = fresh = _decide(config, group.size)
    lengths: dict[str, int] = {}
    trained = group.spread(network)
    optimizers = Optimizers(config.optimizer, trained, config.rates, multipliers)
    run = Run(trained, optimizers, Guard(config.guard), Average(config.average, trained, config.steps), Best(config.stopping))
    keeping = Keeping(run, config, checkpoints, group)
    if (saved := keeping.resume(work.report)) is not None:
        decided, lengths = saved
        if decided.processes != group.size:  # the bits are others anyway, and the cores are shared by as many
            decided = dataclasses.replace(decided, threads=fresh.threads, processes=group.size)
        work.report.say(f"{name}: going on from step {run.step:,} of {config.steps:,}", stage=name, step=run.step)
    config = steering.begin(run)
    torch.set_num_threads(decided.threads)
    compiling = compiled_beside(network.config, decided.precision, network.device.type)
    group.admit(lambda: data.batch(run.place), decided.micro_batch)
    run.network.train()
    run.network.recompute(config.activations == "recompute")
    if saved is None and config.micro_batch == "auto":
        compiling.join()  # the compiler's memory is no row's
        decided = dataclasses.replace(decided, micro_batch=memory.fit(run.network, data, loss, config, decided, group, work, name, told))
    _fast(run.network, config, work)
    subject = Subject(name, config, run.network, decided.precision, work.report, group.size, group.leads)
    telemetry = Telemetry(work.path, work.journal, lengths, run.step, subject)
    integrity = Integrity(config.guard, group)
    alerts = Alerts(config.watch.alerts if group.leads else (), work.report, name, str(work.path))
    incidents = Incidents(work, name, data, loss, group.leads, alerts.told)
    by = Means(data, loss, decided, work.seed, group, telemetry, integrity, incidents, told)

    course = _Course(run, network, work, name, by, keeping, checkpoints, steering, validate, sample, rehearse)
    try:
        limit = config.checkpoints.time_limit
        with Interrupts(limit) as interrupts, alerts, checkpoints, work.report.bar(name, config.steps, "steps", done=run.step) as bar:
            config = course.followed(config, interrupts, bar)
            alerts.tell("done", f"{name} is done after {run.step:,} steps ({work.path})", step=run.step, figures=run.validation)
    finally:
        telemetry.close()
    checkpoints.leave(work.journal / "checkpoints")
    done = _finish(run, config, frozen)
    group.gather(run.network, network)
    return done


@dataclass
class _Course:
    """A run from where it stands to its last step, and what happens between two of its steps."""

    run: Run
    network: Network  # the plain one, of which `run.network` may be a shard
    work: Work
    name: str
    by: Means
    keeping: Keeping
    checkpoints: Checkpoints
    steering: Steering
    validate: Validate
    sample: Sample
    rehearse: Validate | None = None
    due: bool = False  # a checkpoint, as soon as the weights are known to be sound
    stop: bool = False

    def followed(self, config: Training, interrupts: Interrupts, bar: Bar) -> Training:
        """The config that it ended with. Raises KeyboardInterrupt when it was stopped before its end, and all is kept."""
        run, telemetry, integrity = self.run, self.by.telemetry, self.by.integrity
        if run.step == 0:
            self._look() if self.rehearse is None else self._rehearse(self.rehearse)
        self.keeping.begin(self._all())
        integrity.note(run)
        integrity.taken(self.keeping.held)
        self.by.incidents.cut(run)
        while run.step < config.steps and not run.best.exhausted:
            held = self.steering.before(run, telemetry)
            config, bar.total = held.config, held.config.steps
            self.due, self.stop = self.due or "save" in held.do, self.stop or STOP in held.do
            if "validate" in held.do:
                self._look()
            if "sample" in held.do:
                self._speak()
            if not self._stepped(config, bar):
                continue
            last = self._looked(config, bar)
            self.stop = self.by.group.any(self.stop or interrupts.requested)
            self.due = self.due or self.stop or last
            self.checkpoints.settle()
            if self._kept(config, bar, last=last) and self.stop:
                self._leave(config, interrupts.reason or "it was asked to stop")
        return config

    def _stepped(self, config: Training, bar: Bar) -> bool:
        """Whether there was a step; else the run was taken back."""
        run, by = self.run, self.by
        try:
            step(run, config, by, bar)
        except LostError as lost:
            by.integrity.sound()
            roll_back(run, self.keeping, config.guard, lost, self.work, self.name, by.telemetry, bar, by.incidents)
            by.integrity.note(run)
            return False
        except FlippedError as flipped:
            self._reload(flipped, bar)
            return False
        return True

    def _looked(self, config: Training, bar: Bar) -> bool:
        """What the config wants looked at after this step; whether it was the last."""
        run = self.run
        if run.step == config.steps or run.step % config.parallel.check_every == 0:
            self.by.group.verify(run.network, run.step, run.figures())
        if run.step == config.steps or run.step % config.validate_every == 0:
            self._look()
            figure = config.stopping.figure
            bar.advance(0, **{figure.replace("_per_", "/"): run.validation[figure]})
        last = run.step == config.steps or run.best.exhausted
        if last or run.step % config.sample_every == 0:
            self._speak()
        return last

    def _kept(self, config: Training, bar: Bar, *, last: bool) -> bool:
        """Whether all that had to be kept after this step is; else the weights were not sound, and the run was taken back."""
        if not self.keeping.due(config, must=self.due):
            return True
        try:
            self.by.integrity.check(self.run)
        except FlippedError as flipped:
            self._reload(flipped, bar)
            return False
        if self.keeping.keep(config, self._all(), last=last, must=self.due):
            self.by.integrity.taken(self.keeping.held)
        self.due = False
        return True

    def _leave(self, config: Training, reason: str) -> None:
        self.checkpoints.settle(wait=True)
        said = f"{self.name}: {reason}; step {self.keeping.kept or 0:,} of {config.steps:,} is kept"
        self.work.report.say(said, stage=self.name, step=self.run.step)
        raise KeyboardInterrupt

    def _reload(self, flipped: FlippedError, bar: Bar) -> None:
        by = self.by
        self.due = reload(self.run, by.integrity, self.keeping.newest, flipped, self.work, self.name, by.telemetry, bar, by.incidents)

    def _all(self) -> State:
        return kept(self.run, self.by.telemetry.lengths(), self.by.decided)

    def _look(self) -> None:
        """Figures of held-out data, written down."""
        run, telemetry = self.run, self.by.telemetry
        with telemetry.span("validation"), _evaluating(run, self.by.group, self.network):
            run.validation = self.by.group.told(self.validate)
            run.best.note(run.step, run.validation, run.network.state_dict())
        telemetry.metric("validation", run.step, **run.validation)

    def _rehearse(self, rehearse: Validate) -> None:
        with _evaluating(self.run, self.by.group, self.network):
            self.run.best.check(self.by.group.told(rehearse))

    def _speak(self) -> None:
        with _evaluating(self.run, self.by.group, self.network):
            for prompt, text in self.sample() if self.by.group.leads else ():
                self.by.telemetry.sample(self.run.step, prompt, text)


def _fast(network: Network, config: Training, work: Work) -> None:
    """What makes steps fast and is settled before the first."""
    keep_pages()
    if config.compile == "on":
        from headwater.training.compiling import compiled  # takes seconds

        compiled(network, work.report.say)


def _decide(config: Training, processes: int) -> Decided:
    """What this run computes with, from its first step to its last."""
    rows = config.micro_batch if isinstance(config.micro_batch, int) else 0
    return Decided(resolve(config.precision), torch.get_num_threads(), rows, processes)


def _finish(run: Run, config: Training, frozen: int) -> Trained:
    """Leave the network with the weights that the config wants kept."""
    step, validation = run.step, run.validation
    if config.stopping.keep == "best":
        run.network.load_state_dict(run.best.weights)
        step, validation = run.best.step, run.best.figures
    else:
        put(run.network, run.weights())
    return Trained(run.loss, validation, run.guard.refused, step, run.rollbacks, frozen, run.place)


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
def _evaluating(run: Run, group: Group, network: Network) -> Iterator[None]:
    """The plain network has the weights that are to be looked at."""
    network.eval()
    try:
        with torch.no_grad(), lent(run.network, run.weights()):
            group.gather(run.network, network)
            yield
    finally:
        network.train()
