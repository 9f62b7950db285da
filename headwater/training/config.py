"""What a recipe may say about training; pretraining and fine-tuning say it in the same words."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from headwater.core.config import Config
from headwater.core.errors import HeadwaterError
from headwater.parallel.config import Parallel
from headwater.training.change import Change, composed
from headwater.training.checkpoint_config import CheckpointConfig
from headwater.training.optimizer_config import SGD, Adafactor, Adam, AdamW, Lion, Muon, OptimizerConfig, Rates, RMSprop, ScheduleFree
from headwater.training.ramp import Ramp, Size, Stages
from headwater.training.schedule_config import WSD, Constant, Cosine, InverseSqrt, Linear, Polynomial, ScheduleConfig, Step
from headwater.training.watch_config import WatchConfig

__all__ = [
    "EMA", "SGD", "WSD", "Adafactor", "Adam", "AdamW", "Constant", "Cosine", "GuardConfig", "InverseSqrt", "LastSteps", "Linear", "Lion",
    "Muon", "OptimizerConfig", "Polynomial", "RMSprop", "Ramp", "Rates", "ScheduleConfig", "ScheduleFree", "Size", "Stages", "Step",
    "Stopping", "Training",
]  # fmt: skip


class GuardConfig(Config):
    """When a step is not applied: loss or gradient norm not finite, or far above what the last steps had.

    When too many in a row were not, the run goes back to its last snapshot, goes on behind the batches that it had read since
    (PaLM §5.1 skipped 200–500 of them), and at a lower rate that it warms up to anew.
    """

    window: int = Field(default=128, ge=16)
    warmup: int = Field(default=32, ge=8, description="steps before anything finite can be an outlier")
    threshold: PositiveFloat = Field(default=10.0, description="robust standard deviations above the median")
    patience: PositiveInt = Field(default=25, description="refused steps in a row that lead back to the last snapshot")
    snapshot_every: PositiveInt | None = Field(
        default=100, description="steps between two snapshots of the run in memory; null: none, it goes back to the newest checkpoint"
    )
    retries: int = Field(default=2, ge=0, description="rollbacks before the run ends")
    lower: float = Field(default=0.5, gt=0, le=1, description="each rollback multiplies the rate by this")
    rewarm: int = Field(default=20, ge=0, description="steps after a rollback in which the rate rises again")
    verify_every: int = Field(default=1, ge=0, description="steps between proofs that memory kept the weights as they were; 0: none")
    verify_moments_every: PositiveInt = Field(default=8, description="the same of the optimizer's moments and the weights' averages")
    reloads: int = Field(default=3, ge=0, description="returns to one snapshot, after memory had changed, before the run ends")


class EMA(Config):
    """An exponential moving average of the weights (Polyak and Juditsky 1992) is validated and kept in place of the last weights.

    Its decay is min(decay, (1 + n) / (10 + n)) at the n-th step, as in TensorFlow, so that it soon forgets where it began.
    """

    kind: Literal["ema"] = "ema"
    decay: float = Field(default=0.999, gt=0, lt=1)


class LastSteps(Config):
    """The mean of the weights at the run's end and at each `every` steps before, `count` in all.

    Vaswani et al. 2017 §6.1 took 5 checkpoints (base) and 20 (big).
    """

    kind: Literal["last"] = "last"
    count: int = Field(default=5, ge=2)
    every: PositiveInt = 100


class Stopping(Config):
    """Which validation is the best one, what happens when none gets better, and which weights a run ends with."""

    keep: Literal["last", "best"] = "last"
    patience: PositiveInt | None = Field(
        default=None, description="validations in a row without a better one that end the run; null: none do"
    )
    figure: str = "bits_per_byte"
    goal: Literal["least", "most"] = "least"
    least_gain: NonNegativeFloat = Field(default=0.0, description="a figure must be better by more than this")


class Training(Config):
    """One run of the loop."""

    steps: PositiveInt = Field(default=0, description="or epochs")
    epochs: PositiveFloat | None = Field(default=None, description="how often all rows are read, in place of steps")
    batch_size: Size = 32
    micro_batch: PositiveInt | Literal["auto"] | None = Field(
        default=None, description="rows at once, their gradients summed; null: the whole batch, auto: what fits into memory"
    )
    optimizer: OptimizerConfig = AdamW()
    rates: Rates = Rates()
    schedule: ScheduleConfig = Cosine()
    clip: PositiveFloat | None = 1.0
    clip_by: Literal["norm", "value"] = Field(default="norm", description="the norm of the whole gradient, or each of its values")
    average: Annotated[EMA | LastSteps, Field(discriminator="kind")] | None = None
    stopping: Stopping = Stopping()
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    guard: GuardConfig = GuardConfig()
    log_every: PositiveInt = 10
    validate_every: PositiveInt = 100
    sample_every: PositiveInt = 200
    checkpoint_every: PositiveInt = 100
    compile: Literal["off", "on"] = Field(default="off", description="on: torch.compile of each block, where a C++ compiler is there")
    activations: Literal["keep", "recompute"] = Field(
        default="keep", description="recompute: those of a block are made anew for its gradient (Chen et al. 2016)"
    )
    changes: tuple[Change, ...] = Field(default=(), description="settings that change at a step, as `headwater steer` would change them")
    checkpoints: CheckpointConfig = CheckpointConfig()
    watch: WatchConfig = WatchConfig()
    parallel: Parallel = Parallel()

    @property
    def row_length(self) -> Size | None:
        """Tokens of a row where these are fewer than a row can have."""
        return None

    @model_validator(mode="before")
    @classmethod
    def _counts_later(cls, data: Any) -> Any:
        """What is written down of a config that says epochs has 0 steps: not known yet."""
        if isinstance(data, dict) and data.get("epochs") is not None and data.get("steps") == 0:
            return {key: value for key, value in data.items() if key != "steps"}
        return data

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if (self.epochs is None) == (not self.steps):
            raise ValueError("say how long the run is: steps, or epochs" + (", not both" if self.steps else ""))
        return self

    @model_validator(mode="after")
    def _changes_can_be_made(self) -> Self:
        if self.changes:
            try:
                composed(self, self.changes, where="")
            except HeadwaterError as error:
                raise ValueError(f"changes: {error}".replace(": : ", ": ")) from None
        return self

    @model_validator(mode="after")
    def _schedule_fits(self) -> Self:
        schedule = self.schedule
        if schedule.unit == "steps" and self.steps:
            if schedule.warmup >= self.steps:
                raise ValueError(f"the warm-up ({schedule.warmup} steps) is not shorter than the run ({self.steps} steps)")
            if schedule.needs() >= self.steps and (not isinstance(schedule, WSD) or schedule.horizon is None):
                raise ValueError(f"the schedule needs more than {schedule.needs()} steps, and the run has {self.steps}")
        if isinstance(self.optimizer, ScheduleFree) and not isinstance(schedule, Constant):
            raise ValueError("the schedule-free optimizer lowers no rate; say schedule: {kind: constant, warmup: …}")
        return self

    @model_validator(mode="after")
    def _averages_once(self) -> Self:
        if self.average is not None and isinstance(self.optimizer, ScheduleFree):
            raise ValueError("the schedule-free optimizer averages by itself; leave 'average' out")
        if isinstance(self.average, LastSteps):
            if self.stopping.patience is not None:
                raise ValueError(
                    "the mean of the last steps needs to know which is the last; leave out 'stopping.patience', or take kind: ema"
                )
            if self.steps and (self.average.count - 1) * self.average.every >= self.steps:
                raise ValueError(
                    f"{self.average.count} weights, each {self.average.every} steps apart, need a longer run than {self.steps} steps"
                )
        return self
