"""What a recipe may say about training; pretraining and fine-tuning say it in the same words."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from headwater.core.config import Config


class AdamW(Config):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019); matrices decay, vectors do not."""

    kind: Literal["adamw"] = "adamw"
    lr: PositiveFloat = 1e-3
    betas: tuple[float, float] = (0.9, 0.95)
    eps: PositiveFloat = 1e-8
    weight_decay: NonNegativeFloat = 0.1


class Muon(Config):
    """Momentum made orthogonal (Jordan et al. 2024) for the matrices inside the blocks; `rest` moves tables and vectors.

    Steps are scaled to the size that AdamW's have (Moonlight, Liu et al. 2025, equation 4), so that one rate fits both.
    """

    kind: Literal["muon"] = "muon"
    lr: PositiveFloat = 2e-3
    momentum: float = Field(default=0.95, ge=0, lt=1)
    weight_decay: NonNegativeFloat = 0.1
    rest: AdamW = AdamW(lr=2e-3)


OptimizerConfig = Annotated[AdamW | Muon, Field(discriminator="kind")]


class Cosine(Config):
    """Linear warm-up over `warmup` steps, then half a cosine down to `floor` of the peak rate at the last step."""

    kind: Literal["cosine"] = "cosine"
    warmup: int = Field(default=100, ge=0)
    floor: float = Field(default=0.1, ge=0, le=1)


class GuardConfig(Config):
    """When a step is not applied: loss or gradient norm not finite, or far above what the last steps had."""

    window: int = Field(default=128, ge=16)
    warmup: int = Field(default=32, ge=8, description="steps before anything finite can be an outlier")
    threshold: PositiveFloat = Field(default=10.0, description="robust standard deviations above the median")
    patience: PositiveInt = Field(default=25, description="refused steps in a row that end the run")


class Training(Config):
    """One run of the loop."""

    steps: PositiveInt
    batch_size: PositiveInt = 32
    micro_batch: PositiveInt | None = None
    optimizer: OptimizerConfig = AdamW()
    schedule: Cosine = Cosine()
    clip: PositiveFloat = 1.0
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    guard: GuardConfig = GuardConfig()
    log_every: PositiveInt = 10
    validate_every: PositiveInt = 100
    sample_every: PositiveInt = 200
    checkpoint_every: PositiveInt = 100

    @model_validator(mode="after")
    def _warmup_fits(self) -> Self:
        if self.schedule.warmup >= self.steps:
            raise ValueError(f"the warm-up ({self.schedule.warmup} steps) is not shorter than the run ({self.steps} steps)")
        return self
