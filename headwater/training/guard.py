"""The guard: a step whose loss or gradient cannot be trusted is not applied.

It selects and never multiplies (0 · NaN is NaN): the loop does not call the optimizer, so weights, moments and step
counts stay as they were. What is normal is told by the median and the median absolute deviation of the last *accepted*
steps; outliers never enter that window. The whole state goes into the checkpoint.
"""

from __future__ import annotations

import math
from statistics import median
from typing import Any

from headwater.core.errors import HeadwaterError
from headwater.training.config import GuardConfig

MAD_TO_SIGMA = 1.4826  # of a normal distribution
# Deviations below these are never outliers, however quiet the window was: nats of loss, and a factor e^0.7 ≈ 2 of the norm.
LOSS_FLOOR, LOG_NORM_FLOOR = 0.05, 0.07


class LostError(HeadwaterError):
    """Too many steps in a row were refused, the last for `reason`."""

    def __init__(self, in_a_row: int, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"training is lost: {in_a_row} steps in a row were refused, the last because {reason}",
            where="guard",
            mend="lower optimizer.lr, lengthen schedule.warmup, or look at the documents named in metrics.jsonl",
        )


class Guard:
    def __init__(self, config: GuardConfig) -> None:
        self.config = config
        self.losses: list[float] = []
        self.log_norms: list[float] = []
        self.refused_in_a_row = 0
        self.refused = 0

    def judge(self, loss: float, grad_norm: float) -> str | None:
        """None when the step may be applied, else the reason why not. Raises LostError after `patience` refusals in a row."""
        reason = self._reason(loss, grad_norm)
        if reason is None:
            self.refused_in_a_row = 0
            self.losses = [*self.losses, loss][-self.config.window :]
            self.log_norms = [*self.log_norms, math.log(max(grad_norm, 1e-30))][-self.config.window :]
            return None
        self.refused += 1
        self.refused_in_a_row += 1
        if self.refused_in_a_row >= self.config.patience:
            raise LostError(self.refused_in_a_row, reason)
        return reason

    @property
    def trusted(self) -> bool:
        """Whether the last step was not refused."""
        return self.refused_in_a_row == 0

    def _reason(self, loss: float, grad_norm: float) -> str | None:
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        if not math.isfinite(grad_norm):
            return f"the gradient norm is {grad_norm}"
        if len(self.losses) < self.config.warmup:
            return None
        if (limit := self._limit(self.losses, LOSS_FLOOR)) < loss:
            return f"the loss is {loss:.4g}, above {limit:.4g}"
        if (limit := math.exp(self._limit(self.log_norms, LOG_NORM_FLOOR))) < grad_norm:
            return f"the gradient norm is {grad_norm:.4g}, above {limit:.4g}"
        return None

    def _limit(self, window: list[float], floor: float) -> float:
        middle = median(window)
        spread = MAD_TO_SIGMA * median(abs(value - middle) for value in window)
        return middle + self.config.threshold * max(spread, floor)

    def state(self) -> dict[str, Any]:
        return {"losses": self.losses, "log_norms": self.log_norms, "refused": self.refused, "refused_in_a_row": self.refused_in_a_row}

    def forgive(self, refused: int) -> None:
        """Begin anew after a rollback: nothing was refused in a row yet, and `refused` steps in all."""
        self.refused_in_a_row, self.refused = 0, refused

    def load(self, state: dict[str, Any]) -> None:
        self.losses, self.log_norms = list(state["losses"]), list(state["log_norms"])
        self.refused, self.refused_in_a_row = state["refused"], state["refused_in_a_row"]
