"""What a run writes down while it goes on.

    metrics.jsonl           what the run computed: equal runs write equal bytes, interrupted or not
    samples.jsonl           what the model said at which step
    journal/timing.jsonl    a row a step: seconds, of them waiting for data, tokens/s, MFU, memory, energy (no two runs agree)
    journal/norms.jsonl     a row every `watch.every` steps: gradients, weights and updates by part, activations by block (statistics.py)
    journal/profile.md      where the time of some steps went, when asked for (profile.py)
    journal/tensorboard/    the same curves for TensorBoard, when it is installed; other sinks where the recipe names them (sinks.py)

On resume the first two are cut back to where the checkpoint saw them; of a step that stands twice in the journal the last row holds.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from headwater.core.energy import Energy
from headwater.core.hardware import peak_memory_bytes, resident_bytes
from headwater.core.peak import peak
from headwater.core.progress import Reporter
from headwater.model.describe import describe
from headwater.model.network import Network
from headwater.model.notes import Notes
from headwater.tokens.batch import Batch
from headwater.training.config import Training
from headwater.training.precision import Precision
from headwater.training.profile import Profiler
from headwater.training.sinks import About, Sinks
from headwater.training.statistics import Look, activations
from headwater.training.watch_config import WatchConfig

LOGS = ("metrics.jsonl", "samples.jsonl")


class Told:
    """What the passes of a step noted: how experts were loaded, how many tokens found no room. Figures are means over its passes."""

    def __init__(self) -> None:
        self._passes: list[Notes] = []

    def __call__(self, notes: Notes) -> None:
        if notes.loads or notes.figures:
            self._passes.append(notes)

    def take(self) -> dict[str, Any]:
        """Figures since the last call; empty where nothing was noted."""
        passes, self._passes = self._passes, []
        if not passes:
            return {}
        loads = {name: torch.stack([notes.loads[name] for notes in passes]).mean(0).tolist() for name in passes[0].loads}
        figures = {name: sum(notes.figures.get(name, 0.0) for notes in passes) / len(passes) for name in passes[0].figures}
        return {"loads": {name: [round(share, 5) for share in shares] for name, shares in loads.items()}, **figures}


@dataclass(frozen=True)
class Subject:
    """Who is watched: a stage by its name, its settings, what it trains, in which format and on how many processes, whether this is the
    one that tells of it; and who hears it."""

    name: str
    config: Training
    network: Network
    precision: Precision
    report: Reporter
    processes: int = 1
    leads: bool = True

    @property
    def full_rate(self) -> float | None:
        """Tokens per second at which all of the measured matrix peak would be used: where MFU is 1."""
        best = peak(self.precision)
        return None if best is None else self.processes * best / describe(self.network.config).training_flops


class Telemetry:
    def __init__(self, folder: Path, journal: Path, lengths: dict[str, int], step: int, subject: Subject | None = None) -> None:
        """Continue the logs of `folder` from the byte `lengths` that they had after `step` steps.

        Without a subject nothing is told but figures that are given. Raises HeadwaterError when a sink that the recipe names is not
        there.
        """
        self.folder, self.journal, self.subject = folder, journal, subject
        self._step = self._told = step
        self._sinks = self._profiler = None
        if subject is not None:
            watch = subject.config.watch if subject.leads else WatchConfig()
            about = About(subject.name, folder.name.removesuffix(".partial"), journal, subject.config.model_dump(mode="json"), step == 0)
            self._sinks = Sinks(watch.sinks, about, subject.report)
            self._profiler = Profiler(watch.profile, journal, subject.name, subject.network, subject.report)
        self._energy = Energy()
        self._timing = open(journal / "timing.jsonl", "a", encoding="utf-8")  # noqa: SIM115 (closed by close)
        self._norms = open(journal / "norms.jsonl", "a", encoding="utf-8")  # noqa: SIM115 (closed by close)
        self._logs = {name: open(folder / name, "ab") for name in LOGS}  # noqa: SIM115 (closed by close)
        for name, log in self._logs.items():
            log.truncate(lengths.get(name, 0))
            log.seek(0, os.SEEK_END)
        self._board = _tensorboard(journal / "tensorboard", step)

    @functools.cached_property
    def _full_rate(self) -> float | None:
        """Measured after the first step: before it, kernels may still be compiled on another core."""
        rate = None if self.subject is None else self.subject.full_rate
        self._energy.joules()  # what that took is no step's
        return rate

    def metric(self, kind: str, step: int, **fields: Any) -> None:
        self._write("metrics.jsonl", {"kind": kind, "step": step, **fields})
        self._tell(step, {f"{kind}/{name}": value for name, value in fields.items()})
        if kind == "train":
            self._told = step

    def sample(self, step: int, prompt: str, text: str) -> None:
        self._write("samples.jsonl", {"step": step, "prompt": prompt, "text": text})

    def begin(self, step: int) -> None:
        """The next step begins, when `step` are done."""
        if self._profiler is not None:
            self._profiler.begin(step)

    def span(self, what: str) -> contextlib.AbstractContextManager[Any]:
        """A part of a step, for the profiler; while that is off it is nothing."""
        return contextlib.nullcontext() if self._profiler is None else self._profiler.span(what)

    def look(self, step: int, network: Network) -> Look | None:
        """The gradient of this step (the first is 1) by part, before it is cut; None for most steps, which nobody looks at."""
        every = None if self.subject is None else self.subject.config.watch.every
        return Look(network) if every is not None and (step - 1) % every == 0 else None

    def norms(self, step: int, look: Look, network: Network, batch: Batch) -> None:
        """What the step that was looked at did."""
        assert self.subject is not None
        found = {"parts": look.parts(network), "activations": activations(network, batch, self.subject.precision)}
        self._norms.write(json.dumps({"step": step, **found}) + "\n")
        self._norms.flush()
        named = [(part, figures) for parts in found.values() for part, figures in parts.items()]
        self._tell(step, {f"norms/{part}/{name}": value for part, figures in named for name, value in figures.items()})

    def timing(self, step: int, seconds: float, tokens: int, waited: float = 0.0) -> dict[str, float]:
        """How long a step took, and how long of it it `waited` for its batch, in seconds. Gives back what the bar shows."""
        rate = tokens / seconds
        joules = self._energy.joules()
        mfu = None if self._full_rate is None else float(f"{rate / self._full_rate:.3g}")
        row = {
            "step": step,
            "seconds": round(seconds, 4),
            "data_seconds": round(waited, 4),
            "tokens_per_second": round(rate),
            "memory_bytes": peak_memory_bytes(),
        }
        known = {"resident_bytes": resident_bytes(), "mfu": mfu, "joules": None if joules is None else round(joules, 3)}
        row |= {name: value for name, value in known.items() if value is not None}
        self._timing.write(json.dumps(row) + "\n")
        self._timing.flush()
        if self._told == step:
            self._tell(step, {f"timing/{name}": value for name, value in row.items() if name != "step"})
        self._step = step
        if self._profiler is not None:
            self._profiler.end(step)
        return {"tokens/s": round(rate)} | ({} if mfu is None else {"mfu": mfu})

    def lengths(self) -> dict[str, int]:
        """Bytes that stand safely on disk in each log: what a checkpoint remembers."""
        for log in self._logs.values():
            log.flush()
            os.fsync(log.fileno())
        return {name: log.tell() for name, log in self._logs.items()}

    def cut(self, lengths: dict[str, int]) -> None:
        """Take back what was written since the logs had these `lengths`."""
        for name, log in self._logs.items():
            log.truncate(lengths.get(name, 0))
            log.seek(0, os.SEEK_END)

    def close(self) -> None:
        for log in (*self._logs.values(), self._timing, self._norms):
            log.close()
        if self._board is not None:
            self._board.close()
        if self._profiler is not None:
            self._profiler.close(self._step)
        if self._sinks is not None:
            self._sinks.close()

    def _tell(self, step: int, figures: Mapping[str, Any]) -> None:
        """TensorBoard and the sinks; only numbers can be drawn."""
        if self._board is not None:
            for name, value in figures.items():
                if isinstance(value, int | float):
                    self._board.add_scalar(name, value, step)
        if self._sinks is not None:
            self._sinks.log(step, figures)

    def _write(self, log: str, row: dict[str, Any]) -> None:
        self._logs[log].write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        self._logs[log].flush()


def _tensorboard(folder: Path, step: int) -> Any:
    """TensorBoard's writer, or None where the `tensorboard` extra is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step)


def finite(value: float, digits: int | None = None) -> float | None:
    """JSON has no NaN; null says that there was no number."""
    if not math.isfinite(value):
        return None
    return value if digits is None else round(value, digits)
