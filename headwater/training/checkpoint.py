"""Checkpoints: everything that the next step depends on, whole or not at all; which stay, and which of them can be trusted.

    checkpoints = Checkpoints(work.scratch / "checkpoints", config.checkpoints, group, identity)
    checkpoints.write(step, parts, state)      begins; a thread writes on while training goes on
    checkpoints.settle()                       after each step: raises what the thread ran into
    path = checkpoints.newest(report, shapes)  the newest that is whole and of this run

A folder (checkpoint_files.py says what is in it) is made under another name, flushed to the disk and renamed, so that it appears when
it is whole. At most one is being written; the next waits for it. `state["back"]` is the step of the checkpoint that a lost run would
go back to from there (keeping.py): one that was written at an irregular step needs that other one to be whole.

With several processes each writes its shards, and the leader seals the folder when all have, between two steps: no process speaks to
another from a thread. All must see the folder.

Measured with 12.6 M parameters and AdamW (151 MB), on two cores that eight other programs shared: the copy takes 0.17 s (73 ms of
processor time), writing and flushing 1.08 s, checksums 0.22 s, and beginning to write 8 ms. So the step after which a run is kept loses
0.17 s where a thread writes, and 1.5 s where it waits.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.core.storage import disk_trouble, read_json
from headwater.parallel.group import Group
from headwater.training.checkpoint_config import CheckpointConfig
from headwater.training.checkpoint_files import STATE, Parts, Room, damage, flush, read, seal, shapes, write_tensors

__all__ = ["Checkpoints", "Parts"]

Shapes = Mapping[str, tuple[int, ...]]


class Checkpoints:
    """The checkpoints of one run, oldest to newest; a context manager that waits for what is being written."""

    def __init__(self, folder: Path, config: CheckpointConfig | None = None, group: Group | None = None, identity: str = "") -> None:
        """`identity` tells this run from others of the same model."""
        self.folder, self.config, self.group, self.identity = folder, config or CheckpointConfig(), group or Group(), identity
        self._thread: threading.Thread | None = None
        self._publish: Callable[[], None] = lambda: None
        self._error: BaseException | None = None

    def all(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"))

    def path(self, step: int) -> Path:
        return self.folder / f"step-{step:07d}"

    def write(self, step: int, parts: Parts, state: Mapping[str, Any], *, asynchronous: bool | None = None) -> None:
        """Save what is true after `step` steps. Unless told otherwise by `asynchronous` or the config it returns at once, and the
        tensors must not change before `settle` says that nothing is being written. Raises HeadwaterError when the disk is full."""
        self.settle(wait=True)
        hidden = self.folder / f".{self.path(step).name}.tmp"
        state = {"back": step, **state, "step": step, "run": self.identity}
        self._try(lambda: _clear(hidden) if self.group.leads else None)
        self._agree()
        self._publish = lambda: self._seal(hidden, step, parts, state)

        def work() -> None:
            write_tensors(hidden, parts, self.group)
            if self.group.size == 1:
                self._publish()

        self._thread = threading.Thread(target=lambda: self._try(work), daemon=True, name="checkpoint")
        self._thread.start()
        if not (self.config.asynchronous if asynchronous is None else asynchronous):
            self.settle(wait=True)

    def settle(self, wait: bool = False) -> None:
        """Finish what has been written, or `wait` until it is. Raises what went wrong, on each process; older checkpoints stand."""
        if self._thread is None:
            return
        if wait:
            self._thread.join()
        if self.group.any(self._thread.is_alive()):
            return
        self._thread = None
        self._agree()
        if self.group.size > 1:
            self._try(lambda: self._publish() if self.group.leads else None)
            self._agree()

    def newest(self, report: Reporter, model: Shapes | None = None) -> Path | None:
        """The newest checkpoint that is whole, of this run and of a network of these parameters; None when there is none at all.

        Raises HeadwaterError when there are some and none can be used: a run must not begin anew without a word.
        """
        found = self.group.told(lambda: self._find(report, model))
        if found["trouble"] is not None:
            said = f"no checkpoint can be gone on from; the newest {found['trouble']}"
            raise HeadwaterError(said, where=self.folder, mend="delete this folder to start again from step 0")
        return None if found["step"] is None else self.path(found["step"])

    def read(self, path: Path, room: Room) -> tuple[Parts, dict[str, Any]]:
        """Tensors in the memory that `room` gives, and the rest."""
        return read(path, room)

    def trouble(self, path: Path, model: Shapes | None = None) -> str | None:
        """Why a checkpoint cannot be gone on from: "is damaged (network.safetensors)"; None when it can."""
        if (damaged := damage(path)) is not None:
            return f"is damaged ({damaged})"
        if model is not None and (differs := _difference(shapes(path, "network"), model)) is not None:
            return f"is of another model ({differs})"
        state = read_json(path / STATE)
        if state["run"] != self.identity:
            return "is of another run (another recipe, other data or another seed)"
        back = self.path(state["back"] if state["back"] is not None else state["step"])
        if back == path:
            return None
        reason = self.trouble(back, model) if back.exists() else "is missing"
        return None if reason is None else f"needs {back.name}, which {reason}"

    def leave(self, place: Path) -> None:
        """Put what `keep_every` and `keep_best` name into another folder, where it outlives the run."""
        if not self.group.leads or not (self.config.keep_every or self.config.keep_best):
            return
        for path in self.all():
            if (state := _state(path)) is not None and state["step"] in self._chosen(_best(state)):
                shutil.rmtree(place / path.name, ignore_errors=True)
                shutil.copytree(path, place / path.name, copy_function=_link)

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Wait for what is being written; not when somebody wants to leave at once."""
        if kind is None:
            self.settle(wait=True)
        elif self._thread is not None and not issubclass(kind, KeyboardInterrupt):
            self._thread.join()

    def _try(self, work: Callable[[], None]) -> None:
        """Do it, and keep what it raises until all processes can hear of it."""
        try:
            with disk_trouble(self.folder):
                work()
        except BaseException as error:
            self._error = error

    def _agree(self) -> None:
        """Raise on each process when one has failed."""
        error, self._error = self._error, None
        if not self.group.any(error is not None):
            return
        if self.group.leads:
            for partial in self.folder.glob(".step-*.tmp"):
                shutil.rmtree(partial, ignore_errors=True)
        if error is None:
            raise HeadwaterError("another process could not write its part of a checkpoint", where=self.folder, mend="see what it says")
        raise error

    def _seal(self, hidden: Path, step: int, parts: Parts, state: Mapping[str, Any]) -> None:
        """The folder becomes a checkpoint, and those that nobody needs any more go."""
        seal(hidden, parts, state, self.group.size)
        final = self.path(step)
        aside = self.folder / f".{final.name}.old"
        shutil.rmtree(aside, ignore_errors=True)
        if final.exists():
            os.replace(final, aside)
        os.replace(hidden, final)
        flush(self.folder)
        shutil.rmtree(aside, ignore_errors=True)
        for path in self.all():
            if _step(path) > step:  # of steps that were taken back
                shutil.rmtree(path)
        needed = self._chosen(_best(state)) | {step, state["back"], *self._regular()[-self.config.keep :]}
        for path in self.all():
            if _step(path) not in needed:
                shutil.rmtree(path)

    def _regular(self) -> list[int]:
        """Steps of the checkpoints that stand alone."""
        states = [state for path in self.all() if (state := _state(path)) is not None]
        return [state["step"] for state in states if state["back"] == state["step"]]

    def _chosen(self, best: int) -> set[int]:
        """Steps that stay however old they are; the best validation's is the first at or after it."""
        regular = self._regular()
        every = self.config.keep_every
        chosen = {step for step in regular if every is not None and step % every == 0}
        return chosen | set([step for step in regular if step >= best][:1] if self.config.keep_best else [])

    def _find(self, report: Reporter, model: Shapes | None) -> dict[str, Any]:
        _tidy(self.folder)
        first = None
        for path in reversed(self.all()):
            reason = self.trouble(path, model)
            if reason is None:
                return {"step": _step(path), "trouble": None}
            first = first or f"{path.name} {reason}"
            report.say(f"checkpoint {path.name} {reason}; going back to the one before it")
        return {"step": None, "trouble": first}


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def _state(path: Path) -> dict[str, Any] | None:
    """What a checkpoint says; None where it cannot be read, which `newest` will have said."""
    try:
        state = read_json(path / STATE)
        return state if isinstance(state, dict) and {"step", "back"} <= state.keys() else None
    except HeadwaterError:
        return None


def _best(state: Mapping[str, Any]) -> int:
    """The step of the best validation so far."""
    return int(state.get("best", {}).get("step", 0))


def _difference(there: Shapes, here: Shapes) -> str | None:
    """How the parameters of a checkpoint differ from the network's."""
    for name in sorted(there.keys() | here.keys()):
        if name not in there or name not in here:
            return f"{'this' if name not in there else 'that'} one alone has {name}"
        if there[name] != here[name]:
            return f"{name} is {_said(there[name])} there and {_said(here[name])} here"
    return None


def _said(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "a scalar"


def _clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _tidy(folder: Path) -> None:
    """Clear away what a killed process left half-written; what it had just put aside was whole."""
    for partial in folder.glob(".step-*.tmp"):
        shutil.rmtree(partial)
    for aside in folder.glob(".step-*.old"):
        final = folder / aside.name.removeprefix(".").removesuffix(".old")
        if final.exists():
            shutil.rmtree(aside)
        else:
            os.replace(aside, final)


def _link(source: str, target: str) -> None:
    """The same file by another name; a copy where the disk has no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
