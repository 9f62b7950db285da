"""When is a run kept, and where does it go back to when it is lost?

    keeping = Keeping(run, config, checkpoints, group)
    decided, lengths = keeping.resume(report) or …     the newest checkpoint, put back
    keeping.begin(state)                               a run that begins can go back to its beginning
    if keeping.due(config, must): keeping.keep(config, state, …)       after each step
    keeping.newest                                     where a lost run goes back to (recovery.py)

A run goes back to the newest *regular* state: the first one that the guard trusts at or after each multiple of `guard.snapshot_every`
and of `checkpoint_every`. That is a function of the config and of what the run did, and of no clock or signal. So a run that was
interrupted goes back to the same step as one that was not, and ends with the same bits. At multiples of `checkpoint_every` the regular
state goes to the disk as well.

Who interrupts a run does so at any step. Then two checkpoints are written, unless the first is there already: the newest regular state,
and the state as it is, which names the other by `back`; not the latter where the guard has just refused a step. With `snapshot_every:
null` nothing is held in memory, and a lost run reads the newest regular checkpoint from the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from headwater.core.artifact import Work
from headwater.core.errors import HeadwaterError
from headwater.core.fingerprint import hash_value
from headwater.core.progress import Reporter
from headwater.parallel.group import Group
from headwater.training.checkpoint import Checkpoints
from headwater.training.checkpoint_files import Parts
from headwater.training.config import Training
from headwater.training.run import Decided, Run, resume
from headwater.training.snapshots import Saved, Snapshots
from headwater.training.surroundings import differences, surroundings

State = tuple[Parts, dict[str, Any]]  # of run.kept

# How a run is carried out, not which run it is.
HOW = ("parallel", "checkpoints", "watch", "micro_batch", "precision", "compile", "activations")


def identity(work: Work, config: Training) -> str:
    """Tells a run from others of the same model: by its settings, its seed and what it was given."""
    settings = {key: value for key, value in config.model_dump(mode="json").items() if key not in HOW}
    return hash_value([settings, work.seed, {name: artifact.manifest.content for name, artifact in work.inputs.items()}])


def regular(step: int, config: Training) -> int:
    """The last step, up to this one, at which the config wants the run kept."""
    every = (config.checkpoint_every, config.guard.snapshot_every or config.checkpoint_every)
    return max(step // each * each for each in every)


class Keeping:
    def __init__(self, run: Run, config: Training, checkpoints: Checkpoints, group: Group) -> None:
        self.run, self.checkpoints, self.group = run, checkpoints, group
        self.snapshots = Snapshots() if config.guard.snapshot_every is not None else None
        self.asynchronous = config.checkpoints.asynchronous
        self.step: int | None = None
        """Of the newest regular state."""
        self.written: int | None = None
        """Of the newest regular state on disk."""
        self.kept: int | None = None
        """Of the newest state on disk."""

    @property
    def held(self) -> Saved | None:
        """What a lost run goes back to, where it is in memory."""
        return self.snapshots.newest if self.snapshots is not None else None

    @property
    def newest(self) -> Saved | None:
        """What a lost run goes back to, from memory or the disk. Raises HeadwaterError when the disk has damaged it."""
        if self.snapshots is not None:
            return self.snapshots.newest
        if self.step is None:
            return None
        self.checkpoints.settle(wait=True)
        path = self.checkpoints.path(self.step)
        reason = self.group.told(lambda: self.checkpoints.trouble(path))
        if reason is not None:
            raise HeadwaterError(f"the run must go back to it, and it {reason}", where=path, mend="run the same command again")
        return self._read(self.step)

    def resume(self, report: Reporter) -> tuple[Decided, dict[str, int]] | None:
        """Put the run back as the newest checkpoint has it: what was decided, and the lengths of the logs; None when there is none.

        Raises HeadwaterError when there are checkpoints and none can be used.
        """
        model = {name: tuple(tensor.shape) for name, tensor in self.run.network.state_dict().items()}
        path = self.checkpoints.newest(report, model)
        if path is None:
            return None
        parts, state = self.checkpoints.read(path, self._room)
        self.step = self.written = state["back"]
        self.kept = state["step"]
        if self.snapshots is not None and self.step is not None:
            self.snapshots.newest = Saved(self.step, parts, state) if self.step == state["step"] else self._read(self.step)
        differs = differences(state["environment"], surroundings(self.group.size))
        if differs and self.group.leads:
            said = f"{path.name} was written with {differs}: from here on the bits may differ from those of a run without interruption"
            report.say(said)
        return resume(self.run, parts, state)

    def begin(self, state: State) -> bool:
        """A run that begins, or has begun without leaving anything behind, can go back to here; whether there is such a state now."""
        if self.snapshots is None or self.step is not None:
            return False
        self._take(state)
        return True

    def due(self, config: Training, must: bool) -> bool:
        """Whether the state after this step is to be kept; `must`: because somebody wants it, or it is the last."""
        return must or self._is_regular(config)

    def keep(self, config: Training, state: State, *, last: bool = False, must: bool = False) -> bool:
        """Keep this state; whether it is now the one to go back to. Training may go on when this returns."""
        is_regular = last or self._is_regular(config)
        if is_regular:
            self._take(state)
        if must or last or self.run.step // config.checkpoint_every * config.checkpoint_every > (self.written or 0):
            self._write_newest()
        if must and self.run.guard.trusted and self.run.step != self.step:
            parts, rest = state
            self.kept = self.run.step
            self.checkpoints.write(self.run.step, parts, self._described(rest, self.step), asynchronous=False)
        return is_regular

    def _is_regular(self, config: Training) -> bool:
        """Nobody wants to go back to weights that were just mistrusted."""
        return self.run.guard.trusted and regular(self.run.step, config) > (self.step or 0)

    def _take(self, state: State) -> None:
        self.step = self.run.step
        if self.snapshots is not None:
            self.snapshots.take(self.step, *state)
        else:
            saved = Snapshots().take(self.step, *state) if self.asynchronous else Saved(self.step, *state)
            self._write(saved)

    def _write_newest(self) -> None:
        if self.snapshots is not None and self.snapshots.newest is not None and self.written != self.step:
            self._write(self.snapshots.newest)

    def _write(self, saved: Saved) -> None:
        self.checkpoints.write(saved.step, saved.parts, self._described(saved.state, saved.step))
        self.written = self.kept = saved.step

    def _described(self, state: dict[str, Any], back: int | None) -> dict[str, Any]:
        return {**state, "back": back, "environment": surroundings(self.group.size)}

    def _read(self, step: int) -> Saved:
        return Saved(step, *self.checkpoints.read(self.checkpoints.path(step), self._room))

    def _room(self, part: str, name: str, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        """Memory laid out as the parameter that a tensor belongs to."""
        parameter = name.rpartition("/")[0] if part == "optimizer" else name
        return self.group.room_for(self.run.network, parameter, shape, dtype)
