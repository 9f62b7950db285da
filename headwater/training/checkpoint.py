"""Checkpoints: everything that the next step depends on, whole or not at all.

    scratch/checkpoints/step-000200/
      network.safetensors     parameters, fp32
      optimizer.safetensors   moments and step counts, by parameter name
      average.safetensors     the mean of the weights, where the run takes one
      best.safetensors        the weights of the best validation, where the run keeps them
      state.json              step, guard, lengths of the logs, what was decided once (precision, threads), checksums

Nothing random is kept, because nothing random has a state: every draw is a function of the seed and the step.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.core.storage import hash_file, read_json, write_atomically, write_json

Parts = dict[str, dict[str, torch.Tensor]]  # tensors by name, by the file that they stand in

KEEP = 2


class Checkpoints:
    """The checkpoints of one run, oldest to newest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def all(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"))

    def write(self, step: int, parts: Parts, state: dict[str, Any]) -> None:
        """Save what is true after `step` steps; the folder appears when it is whole, and older ones beyond `KEEP` go."""
        final = self.folder / f"step-{step:07d}"
        partial = self.folder / f".{final.name}.tmp"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        checksums = {}
        for part, tensors in parts.items():
            file = partial / f"{part}.safetensors"
            write_atomically(file, save({key: tensor.detach().contiguous() for key, tensor in sorted(tensors.items())}))
            checksums[file.name] = hash_file(file)
        write_json(partial / "state.json", {**state, "step": step, "checksums": checksums})
        shutil.rmtree(final, ignore_errors=True)
        os.replace(partial, final)
        for old in self.all()[:-KEEP]:
            shutil.rmtree(old)

    def newest(self, report: Reporter) -> tuple[Parts, dict[str, Any]] | None:
        """Tensors and state of the newest checkpoint whose checksums hold; None when there is none."""
        for path in reversed(self.all()):
            try:
                state = read_json(path / "state.json")
                damaged = [name for name, checksum in state["checksums"].items() if hash_file(path / name) != checksum]
            except (HeadwaterError, AttributeError, KeyError, TypeError):
                damaged = ["state.json"]
            if not damaged:
                return {Path(name).stem: load((path / name).read_bytes()) for name in state["checksums"]}, state
            report.say(f"checkpoint {path.name} is damaged ({', '.join(damaged)}); going back to the one before it")
        return None
