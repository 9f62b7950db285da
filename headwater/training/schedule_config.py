"""What a recipe may say about the learning rate over time: one class a kind. Rates are shares of the optimizer's peak.

`warmup`, `horizon` and the like count steps, or tokens where `unit: tokens` (GPT-3 warmed up over 375 M tokens and fell over 260 G).
A schedule ends with the run unless `horizon` says where; after its horizon the rate stays what it is there.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt, model_validator

from headwater.core.config import Config

Share = Annotated[float, Field(ge=0, le=1)]


class Timed(Config):
    """What every kind has."""

    warmup: int = Field(default=100, ge=0, description="the rate rises linearly for so long")
    unit: Literal["steps", "tokens"] = "steps"

    def needs(self) -> int:
        """The shortest run that it fits into, exclusive."""
        return self.warmup


class Ending(Timed):
    """What every kind has that comes down to an end."""

    horizon: PositiveInt | None = Field(default=None, description="where the rate has come down; null: the last step")

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.unit == "tokens" and self.horizon is None:
            raise ValueError("a schedule in tokens needs its horizon in tokens")
        if self.horizon is not None and self.needs() >= self.horizon:
            raise ValueError(f"the schedule needs more than {self.needs():,} {self.unit}, and its horizon is {self.horizon:,}")
        return self


class Constant(Timed):
    """The peak rate after warm-up."""

    kind: Literal["constant"] = "constant"


class Linear(Ending):
    """A straight line from the peak to `floor` (BERT: to 0)."""

    kind: Literal["linear"] = "linear"
    floor: Share = 0.0


class Cosine(Ending):
    """Linear warm-up, then half a cosine down to `floor` of the peak rate (GPT-3, Gopher, Llama: 0.1)."""

    kind: Literal["cosine"] = "cosine"
    floor: Share = 0.1


class Polynomial(Ending):
    """`(1 − progress)^power` from the peak to `floor`."""

    kind: Literal["polynomial"] = "polynomial"
    power: PositiveFloat = 1.0
    floor: Share = 0.0


class InverseSqrt(Timed):
    """`min(n / warmup, √(timescale / max(n, timescale)))` for step n = 1, 2, ….

    Vaswani et al. 2017 §5.3: `warmup: 4000` and a peak of (width · 4000)^−1/2. T5, UL2 and PaLM, 1/√max(n, 10⁴): peak 0.01,
    `warmup: 0, timescale: 10000`.
    """

    kind: Literal["inverse_sqrt"] = "inverse_sqrt"
    timescale: PositiveInt | None = Field(default=None, description="until here the rate does not fall; null: as long as the warm-up")

    @model_validator(mode="after")
    def _warms_up_before(self) -> Self:
        if self.timescale is not None and self.timescale < self.warmup:
            raise ValueError(f"the timescale ({self.timescale:,}) is shorter than the warm-up ({self.warmup:,})")
        return self


class Step(Timed):
    """Times `factor` at each place of `at`."""

    kind: Literal["step"] = "step"
    at: tuple[PositiveInt, ...] = Field(min_length=1)
    factor: float = Field(default=0.1, gt=0, lt=1)

    def needs(self) -> int:
        return max(self.warmup, self.at[-1])

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if any(later <= earlier for earlier, later in pairwise((self.warmup, *self.at))):
            raise ValueError("the steps must come after the warm-up, one after the other")
        return self


class WSD(Ending):
    """Warm-up, stable, decay (Hu et al. 2024): the peak until the last `fall`, then down to `floor`."""

    kind: Literal["wsd"] = "wsd"
    fall: PositiveInt
    shape: Literal["linear", "cosine", "sqrt"] = Field(default="linear", description="sqrt: 1 − √progress (Hägele et al. 2024)")
    floor: Share = 0.0

    def needs(self) -> int:
        return self.warmup + self.fall


def _cosine_unless_said(data: Any) -> Any:
    return {"kind": "cosine", **data} if isinstance(data, dict) else data


ScheduleConfig = Annotated[
    Annotated[Constant | Linear | Cosine | Polynomial | InverseSqrt | Step | WSD, Field(discriminator="kind")],
    BeforeValidator(_cosine_unless_said),
]
