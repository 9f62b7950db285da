"""Where does a run go back to? The last good state, in memory.

In: what a checkpoint would hold (run.kept). Out: a copy that training does not touch; checkpoints are written from it. It takes as much
memory as the weights, moments and averages themselves, and twice that while the one before is still being written. When one is taken is
said in keeping.py.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from headwater.training.checkpoint_files import Parts

SHARED = ("best",)  # made anew at each better validation and never changed: nothing to copy


@dataclass(frozen=True)
class Saved:
    """The state after `step` steps: tensors by part, and the rest."""

    step: int
    parts: Parts
    state: dict[str, Any]


class Snapshots:
    """The newest of a run; None before the first."""

    newest: Saved | None = None

    def take(self, step: int, parts: Parts, state: dict[str, Any]) -> Saved:
        """Copy what is true after `step` steps; it takes the place of the one before."""
        copied = {
            part: {name: tensor if part in SHARED else tensor.detach().clone() for name, tensor in tensors.items()}
            for part, tensors in parts.items()
        }
        self.newest = Saved(step, copied, copy.deepcopy(state))
        return self.newest
