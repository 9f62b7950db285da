"""Where does a run go back to? The last good state, in memory.

In: what a checkpoint would hold (run.kept), at steps that are a function of the config alone, so that a run that was interrupted goes
back to the same step as one that was not. Out: a copy that training does not touch; checkpoints are written from it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from headwater.training.checkpoint import Parts


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
        copied = {part: {name: tensor.detach().clone() for name, tensor in tensors.items()} for part, tensors in parts.items()}
        self.newest = Saved(step, copied, copy.deepcopy(state))
        return self.newest
