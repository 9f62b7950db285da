"""What a run writes down while it goes on.

    metrics.jsonl           what the run computed: equal runs write equal bytes, interrupted or not
    samples.jsonl           what the model said at which step
    journal/timing.jsonl    how long it took (no two runs agree)
    journal/tensorboard/    the same curves for TensorBoard, when it is installed

On resume the first two are cut back to where the checkpoint saw them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch

from headwater.core.hardware import peak_memory_bytes
from headwater.model.notes import Notes

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


class Telemetry:
    def __init__(self, folder: Path, journal: Path, lengths: dict[str, int], step: int) -> None:
        """Continue the logs of `folder` from the byte `lengths` that they had after `step` steps."""
        self.folder, self.journal = folder, journal
        self._timing = open(journal / "timing.jsonl", "a", encoding="utf-8")  # noqa: SIM115 (closed by close)
        self._logs = {name: open(folder / name, "ab") for name in LOGS}  # noqa: SIM115 (closed by close)
        for name, log in self._logs.items():
            log.truncate(lengths.get(name, 0))
            log.seek(0, os.SEEK_END)
        self._board = _tensorboard(journal / "tensorboard", step)

    def metric(self, kind: str, step: int, **fields: Any) -> None:
        self._write("metrics.jsonl", {"kind": kind, "step": step, **fields})
        if self._board is not None:
            for name, value in fields.items():
                if isinstance(value, int | float):
                    self._board.add_scalar(f"{kind}/{name}", value, step)

    def sample(self, step: int, prompt: str, text: str) -> None:
        self._write("samples.jsonl", {"step": step, "prompt": prompt, "text": text})

    def timing(self, step: int, seconds: float, tokens: int, waited: float = 0.0) -> None:
        """How long a step took, and how long of it it `waited` for its batch, in seconds."""
        row = {
            "step": step,
            "seconds": round(seconds, 4),
            "data_seconds": round(waited, 4),
            "tokens_per_second": round(tokens / seconds),
            "memory_bytes": peak_memory_bytes(),
        }
        self._timing.write(json.dumps(row) + "\n")
        self._timing.flush()

    def lengths(self) -> dict[str, int]:
        """Bytes that stand safely on disk in each log: what a checkpoint remembers."""
        for log in self._logs.values():
            log.flush()
            os.fsync(log.fileno())
        return {name: log.tell() for name, log in self._logs.items()}

    def close(self) -> None:
        for log in (*self._logs.values(), self._timing):
            log.close()
        if self._board is not None:
            self._board.close()

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
