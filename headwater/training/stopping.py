"""Is this validation the best so far, and has none been better for too long?

In: the figures of each validation. Out: whether they are the best yet, and `exhausted`. The state goes into the checkpoint.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from headwater.core.errors import HeadwaterError, nearest
from headwater.training.config import Stopping


class Best:
    """The best validation of a run, and where `keep: best` its weights."""

    def __init__(self, config: Stopping) -> None:
        self.config = config
        self.step = 0
        self.figures: dict[str, Any] = {}
        self.since = 0
        self.weights: dict[str, torch.Tensor] = {}

    def note(self, step: int, figures: dict[str, Any], weights: dict[str, torch.Tensor]) -> None:
        """Judge the figures that these weights have. Raises HeadwaterError when the one that is asked for is not among them."""
        self.check(figures)
        value, known = self._value(figures), self._value(self.figures)
        assert value is not None
        if known is not None and not value < known - self.config.least_gain:
            self.since += 1
            return
        self.step, self.figures, self.since = step, figures, 0
        if self.config.keep == "best":
            self.weights = {name: tensor.detach().clone() for name, tensor in weights.items()}

    def check(self, figures: dict[str, Any]) -> None:
        """Raises HeadwaterError when the figure that is asked for is not among these."""
        if self.config.figure not in figures:
            mend = nearest(self.config.figure, figures)
            raise HeadwaterError(f"validation has no figure '{self.config.figure}'", where="stopping.figure", mend=mend)

    @property
    def exhausted(self) -> bool:
        return self.config.patience is not None and self.since >= self.config.patience

    def _value(self, figures: dict[str, Any]) -> float | None:
        """The figure so that less is better; infinite where it is no number."""
        if self.config.figure not in figures:
            return None
        value = figures[self.config.figure]
        if not isinstance(value, int | float) or not math.isfinite(value):
            return math.inf
        return value if self.config.goal == "least" else -value

    def state(self) -> dict[str, Any]:
        return {"step": self.step, "figures": self.figures, "since": self.since}

    def load(self, state: dict[str, Any], weights: dict[str, torch.Tensor]) -> None:
        """Put back what `state` and `weights` were."""
        self.step, self.figures, self.since, self.weights = state["step"], state["figures"], state["since"], weights
