"""What a recipe may say about optimizers: one class a kind, and how rates differ between the parts of a network.

`weight_decay` is always decoupled (Loshchilov and Hutter 2019): w ← w · (1 − rate · weight_decay). `l1` and `l2` are the
classical penalties, l1 · |w| + l2/2 · w², added to the gradient after it was clipped: `adam` with `l2` is Adam as it was before AdamW.
All three hold for the parameters that `decay` names.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from headwater.core.config import Config

Fraction = Annotated[float, Field(ge=0, lt=1)]


class Common(Config):
    """What every kind has."""

    lr: PositiveFloat = Field(default=1e-3, description="the peak rate, which the schedule takes a share of")
    decay: Literal["matrices", "all", "none"] = Field(
        default="matrices", description="what decays; matrices: neither vectors, norms nor biases"
    )
    l1: NonNegativeFloat = 0.0
    l2: NonNegativeFloat = 0.0


class AdamW(Common):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019); matrices decay, vectors do not."""

    kind: Literal["adamw"] = "adamw"
    betas: tuple[Fraction, Fraction] = (0.9, 0.95)
    eps: PositiveFloat = 1e-8
    weight_decay: NonNegativeFloat = 0.1


class Adam(Common):
    """Adam (Kingma and Ba 2015); without decay unless `l2` is set. Vaswani et al. 2017 §5.3 took β2 = 0.98 and ε = 1e-9."""

    kind: Literal["adam"] = "adam"
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    eps: PositiveFloat = 1e-8


class SGD(Common):
    """Stochastic gradient descent, with momentum (Polyak 1964) or Nesterov's (Sutskever et al. 2013)."""

    kind: Literal["sgd"] = "sgd"
    lr: PositiveFloat = 0.1
    momentum: Fraction = 0.0
    nesterov: bool = False

    @model_validator(mode="after")
    def _has_momentum(self) -> Self:
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum above 0")
        return self


class RMSprop(Common):
    """Gradients over the root of their mean square (Tieleman and Hinton 2012)."""

    kind: Literal["rmsprop"] = "rmsprop"
    alpha: Fraction = 0.99
    eps: PositiveFloat = 1e-8
    momentum: Fraction = 0.0


class Adafactor(Common):
    """Adaptive rates in sublinear memory (Shazeer and Stern 2018). The rate is relative to each tensor's size where `scale_parameters`.

    As published, and T5's (Raffel et al. 2020 §3.1.2): the defaults, with `schedule: {kind: inverse_sqrt, warmup: 0, timescale: 10000}`,
    which is the paper's relative step min(1e-2, 1/√t). PaLM's (Chowdhery et al. 2022 §5): `factored: false, momentum: 0.9,
    weight_decay: 1, decay_power: 2` with the same schedule.
    """

    kind: Literal["adafactor"] = "adafactor"
    lr: PositiveFloat = 1e-2
    factored: bool = Field(default=True, description="second moments of a matrix as a row and a column; else one for each weight")
    scale_parameters: bool = Field(default=True, description="steps relative to the root mean square of the tensor")
    momentum: Fraction = 0.0
    beta2_power: float = Field(default=0.8, gt=0, le=1, description="β2 = 1 − t^−power at step t = 1, 2, …")
    update_clip: PositiveFloat | None = Field(default=1.0, description="largest root mean square of an update before the rate; null: none")
    eps: PositiveFloat = Field(default=1e-30, description="ε1 of the paper, added to squared gradients")
    smallest_scale: PositiveFloat = Field(default=1e-3, description="ε2 of the paper: a tensor of zeros counts as this large")
    weight_decay: NonNegativeFloat = 0.0
    decay_power: Literal[1, 2] = Field(default=1, description="w ← w · (1 − weight_decay · rate^decay_power); PaLM's is rate²")


class Lion(Common):
    """The sign of interpolated momentum (Chen et al. 2023); wants 3–10 times lower rates and as much higher decay than AdamW."""

    kind: Literal["lion"] = "lion"
    lr: PositiveFloat = 1e-4
    betas: tuple[Fraction, Fraction] = (0.9, 0.99)
    weight_decay: NonNegativeFloat = 1.0


class ScheduleFree(Common):
    """AdamW that averages its steps in place of lowering its rate (Defazio et al. 2024); wants warm-up and a constant rate."""

    kind: Literal["schedule_free"] = "schedule_free"
    lr: PositiveFloat = 2.5e-3
    betas: tuple[Annotated[float, Field(gt=0, lt=1)], Fraction] = (0.9, 0.999)
    eps: PositiveFloat = 1e-8
    weight_decay: NonNegativeFloat = 0.1


class Muon(Common):
    """Momentum made orthogonal (Jordan et al. 2024) for the matrices inside the blocks, each expert's on its own.

    `rest` moves tables and vectors. Steps are scaled to the size that AdamW's have (Moonlight, Liu et al. 2025, equation 4), so that
    one rate fits both.
    """

    kind: Literal["muon"] = "muon"
    lr: PositiveFloat = 2e-3
    momentum: Fraction = 0.95
    weight_decay: NonNegativeFloat = 0.1
    rest: AdamW = AdamW(lr=2e-3)


Simple = AdamW | Adam | SGD | RMSprop | Adafactor | Lion | ScheduleFree
OptimizerConfig = Annotated[Simple | Muon, Field(discriminator="kind")]


class Rates(Config):
    """How rates differ between the parts of a network: discriminative fine-tuning."""

    layer_decay: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="rate · layer_decay^(layers above): ULMFiT (Howard and Ruder 2018) took 1/2.6, ELECTRA (Clark et al. 2020) 0.8",
    )
    frozen: tuple[str, ...] = Field(default=(), description="globs of parameter names that are not trained, such as 'embedding.*'")
