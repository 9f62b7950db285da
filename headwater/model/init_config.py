"""With which numbers may a network begin? One config for each published scheme; model/spreads.py says what each means for a tensor.

In: the `init:` block of a recipe's `model:`. Out: frozen configs, and `misfit`, which says where a scheme and a network contradict
each other. Nothing here loads torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from headwater.core.config import Config

if TYPE_CHECKING:
    from headwater.model.config import ModelConfig

Distribution = Literal["normal", "uniform"]


class NormalInit(Config):
    """Normal weights; those that write into the residual stream are scaled by 1/sqrt(its branches), 2 a layer (GPT-2, section 2.3).

    BERT and GPT-1 have no such scaling.
    """

    kind: Literal["normal"] = "normal"
    std: PositiveFloat = 0.02
    residual_scaling: bool = True


class XavierInit(Config):
    """std = gain · sqrt(2 / (n_in + n_out)) (Glorot and Bengio 2010, equation 16). Tables are normal with std width^-1/2."""

    kind: Literal["xavier"] = "xavier"
    distribution: Distribution = "uniform"
    gain: PositiveFloat = 1.0


class KaimingInit(Config):
    """std = sqrt(2 / n), n what goes into a matrix or out of it (He et al. 2015, equations 10 and 14). Tables: std width^-1/2."""

    kind: Literal["kaiming"] = "kaiming"
    distribution: Distribution = "normal"
    fan: Literal["in", "out"] = "in"


class FanInInit(Config):
    """std = 1/sqrt(n_in), and 1 for embeddings, which no norm follows (PaLM, section 2; its logits are scaled by 1/sqrt(width))."""

    kind: Literal["fan_in"] = "fan_in"


class SmallInit(Config):
    """std = sqrt(2 / (5 width)) (Nguyen and Salazar 2019), 2 / (layers · sqrt(width)) for what a branch adds (Wang 2021): GPT-NeoX."""

    kind: Literal["small"] = "small"


class UniformInit(Config):
    """Everything uniform between -limit and limit (recurrent language models: Zaremba et al. 2014, 0.1, 0.05 and 0.04)."""

    kind: Literal["uniform"] = "uniform"
    limit: PositiveFloat = 0.05


class T5Init(Config):
    """Mesh-TensorFlow's (Raffel et al. 2020): 1/sqrt(n_in), queries 1/sqrt(width · head width) in place of a scale, embeddings 1."""

    kind: Literal["t5"] = "t5"


class TFixupInit(Config):
    """For a Transformer without norms and warm-up (Huang et al. 2020, section 3.2).

    Xavier; embeddings have std width^-1/2; these, values, outputs and feed-forward parts are then scaled by (9 N)^-1/4 in a decoder with
    an encoder and by 0.67 N^-1/4 in an encoder (and in a decoder without one, whose layers have the same two parts).
    """

    kind: Literal["t_fixup"] = "t_fixup"


class DeepNormInit(Config):
    """Xavier with gain `beta` for values, outputs and feed-forward parts (Wang et al. 2022, table 2); GLM-130B has (2 layers)^-1/2."""

    kind: Literal["deepnorm"] = "deepnorm"
    beta: PositiveFloat | None = None


class MuPInit(Config):
    """muP (Yang et al. 2022, table 8): what was tuned at `base_width` holds at every width.

    At that width weights are the normal scheme's. With m = width / base_width, matrices inside have std / sqrt(m) and 1/m of the rate
    (Adam's), routers and class heads std / m and 1/m of the rate, logits are divided by m, and attention's scores by the head width
    instead of its root. The feed-forward width and the heads' together are taken to grow with the model's width.
    """

    kind: Literal["mup"] = "mup"
    base_width: PositiveInt
    std: PositiveFloat = 0.02
    residual_scaling: bool = True


InitConfig = Annotated[
    NormalInit | XavierInit | KaimingInit | FanInInit | SmallInit | UniformInit | T5Init | TFixupInit | DeepNormInit | MuPInit,
    Field(discriminator="kind"),
]


def misfit(model: ModelConfig) -> str | None:
    """Where the network's init contradicts the network, in one sentence; None where it does not."""
    kind, norm = model.init.kind, model.norm
    if kind == "t_fixup" and norm.kind != "none":
        return f"t_fixup replaces norms, and this network has norm.kind {norm.kind}; say norm.kind: none"
    if kind == "deepnorm" and norm.place != "deep":
        return f"deepnorm's weights belong to its residuals, and norm.place is {norm.place}; say norm.place: deep"
    if kind == "t5" and model.attention_scale is None and model.mixer.kind == "attention":
        return "t5's queries are small in place of a scale of the scores; say attention_scale: 1"
    if kind == "fan_in" and model.tied and model.head.kind == "lm" and model.head.scale is None:
        return "fan_in draws embeddings of std 1, and a head tied to them makes logits as large as the width's root; say head.scale: width"
    if kind == "mup" and model.embedding.width is not None:
        return "muP has no rule for an embedding table narrower than the model; leave embedding.width out"
    return None
