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
TINY = 1e-30  # a norm of 0 has no logarithm


class LostError(HeadwaterError):
    """Too many steps in a row were refused, the last for `reason`."""

    def __init__(self, in_a_row: int, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"training is lost: {in_a_row} steps in a row were refused, the last because {reason}",
            where="guard",
            mend="lower optimizer.lr, lengthen schedule.warmup, or look at the documents named in incidents/",
        )


class Guard:
    def __init__(self, config: GuardConfig) -> None:
        self.config = config
        self.losses: list[float] = []
        self.log_norms: list[float] = []
        self.refused_in_a_row = 0
        self.refused = 0
        self.incidents = 0
        """Reports so far (incidents.py)."""
        self.masked: list[str] = []
        """Documents that are not learned from any more."""

    def judge(self, loss: float, grad_norm: float) -> str | None:
        """None when the step may be applied, else the reason why not. Raises LostError after `patience` refusals in a row."""
        reason = self._reason(loss, grad_norm)
        if reason is None:
            self.refused_in_a_row = 0
            self.losses = [*self.losses, loss][-self.config.window :]
            self.log_norms = [*self.log_norms, math.log(max(grad_norm, TINY))][-self.config.window :]
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
        if (limit := self._limit(self.log_norms, LOG_NORM_FLOOR)) < math.log(max(grad_norm, TINY)):
            return f"the gradient norm is {grad_norm:.4g}, above {math.exp(limit):.4g}"
        return None

    def limits(self) -> dict[str, float | None]:
        """Above which loss and gradient norm a step is refused now; None while anything finite is applied."""
        if len(self.losses) < self.config.warmup:
            return {"loss": None, "grad_norm": None}
        return {
            "loss": self._limit(self.losses, LOSS_FLOOR),
            "grad_norm": math.exp(min(self._limit(self.log_norms, LOG_NORM_FLOOR), 700.0)),
        }

    def _limit(self, window: list[float], floor: float) -> float:
        middle = median(window)
        spread = MAD_TO_SIGMA * median(abs(value - middle) for value in window)
        return middle + self.config.threshold * max(spread, floor)

    def state(self) -> dict[str, Any]:
        return {
            "losses": self.losses,
            "log_norms": self.log_norms,
            "refused": self.refused,
            "refused_in_a_row": self.refused_in_a_row,
            "incidents": self.incidents,
            "masked": self.masked,
        }

    def forgive(self, before: dict[str, Any]) -> None:
        """Begin anew after a rollback: nothing was refused in a row yet; what was known `before` of all that was refused stays."""
        self.refused_in_a_row, self.refused = 0, before["refused"]
        self.incidents, self.masked = before["incidents"], list(before["masked"])

    def load(self, state: dict[str, Any]) -> None:
        self.losses, self.log_norms = list(state["losses"]), list(state["log_norms"])
        self.refused, self.refused_in_a_row = state["refused"], state["refused_in_a_row"]
        self.incidents, self.masked = state["incidents"], list(state["masked"])
