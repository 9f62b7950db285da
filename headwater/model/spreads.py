"""How wide is each tensor drawn, and how fast does it learn? The published schemes of initialisation, tensor by tensor.

In: a config and a tensor's name and shape. Out: its standard deviation; for muP, factors of the learning rate by name. What is the
same in all schemes (biases 0, norms 1, a scalar head's std) stands in init.py. D is the model's width, n_in and n_out are what goes
into a matrix and out of it: of one expert where all stand in one tensor, of one gate of an LSTM.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from headwater.model.config import ModelConfig
from headwater.model.init_config import MuPInit, NormalInit


@dataclass(frozen=True)
class Tensor:
    """A matrix, a table of vectors, or the experts' matrices [E, n_out, n_in]."""

    name: str
    shape: tuple[int, ...]

    @property
    def module(self) -> str:
        """The last words of the name, `.weight` left out."""
        return "." + self.name.removesuffix(".weight")

    def ends(self, *names: str) -> bool:
        return self.module.endswith(tuple(f".{name}" for name in names))

    @property
    def fan_in(self) -> int:
        return self.shape[-1]

    @property
    def fan_out(self) -> int:
        return self.shape[-2] // (4 if self.ends("attention.input", "attention.state") else 1)

    @property
    def is_table(self) -> bool:
        """A row of it is a token's, place's or sentence's vector."""
        return self.name.startswith("embedding.") and not self.ends("rise")

    @property
    def is_bucket_table(self) -> bool:
        """A score for each bucket of distances and head."""
        return self.ends("bias.table")

    @property
    def writes(self) -> bool:
        """The last matrix of a branch, whose result is added to the residual stream."""
        return self.ends("attention.out", "attention.linear", "cross.out", "down")

    @property
    def carries(self) -> bool:
        """A matrix on a branch's way from its operand to the stream; not one that only decides what is gathered."""
        feeds = ".feed_forward." in self.name and not self.ends("router")
        return feeds or self.writes or self.ends("attention.value", "cross.value")

    @property
    def is_readout(self) -> bool:
        """From the width to a number of things that does not grow with it: experts, classes, scores of a span."""
        return self.ends("router", "output.out", "output.next_sentence")


def std(config: ModelConfig, tensor: Tensor) -> float:
    """Standard deviation of one tensor's numbers."""
    init = config.init
    if init.kind == "normal" or init.kind == "mup":
        return _normal(config, init, tensor)
    if init.kind == "uniform":
        return init.limit / math.sqrt(3)
    if init.kind == "small":
        layers = stack(config, tensor.name)[0]
        return 2 / (layers * math.sqrt(config.width)) if tensor.writes else math.sqrt(2 / (5 * config.width))
    if tensor.is_bucket_table:
        return 1 / math.sqrt(config.width)
    if init.kind == "fan_in" or init.kind == "t5":
        if tensor.is_table:
            return 1.0
        unscaled = init.kind == "t5" and tensor.ends("attention.query", "cross.query")
        return 1 / math.sqrt(tensor.fan_in * (config.head_features if unscaled else 1))
    gain = 1.0
    if init.kind == "t_fixup" and (tensor.carries or tensor.is_table):
        gain = t_fixup(config, tensor.name)
    elif init.kind == "deepnorm" and tensor.carries:
        gain = init.beta or deepnorm_beta(config, tensor.name)
    elif init.kind == "xavier" and not tensor.is_table:
        gain = init.gain
    if tensor.is_table:
        return gain / math.sqrt(tensor.fan_in)
    if init.kind == "kaiming":
        return math.sqrt(2 / (tensor.fan_in if init.fan == "in" else tensor.fan_out))
    return gain * math.sqrt(2 / (tensor.fan_in + tensor.fan_out))


def _normal(config: ModelConfig, init: NormalInit | MuPInit, tensor: Tensor) -> float:
    spread = init.std
    if init.residual_scaling and tensor.writes and config.block != "stacked":
        layers, branches = stack(config, tensor.name)
        spread /= math.sqrt(branches * layers)
    if isinstance(init, MuPInit) and not tensor.is_table and not tensor.is_bucket_table and not tensor.ends("output"):
        growth = config.width / init.base_width
        spread /= growth if tensor.is_readout else math.sqrt(growth)
    return spread


def stack(config: ModelConfig, name: str) -> tuple[int, int]:
    """Layers of the stack that a tensor stands in, and what each of them adds to the stream."""
    layers = config.encoder_depth if name.startswith("encoder.") else config.layers
    crosses = config.kind == "encoder-decoder" and not name.startswith("encoder.")
    return layers, 1 + crosses + (config.feed_forward.kind != "none")


def t_fixup(config: ModelConfig, name: str) -> float:
    """(9 N)^-1/4 or 0.67 N^-1/4 (Huang et al. 2020, section 3.2); the table that both stacks read has the decoder's."""
    layers, _ = stack(config, name)
    in_decoder = config.kind == "encoder-decoder" and not name.startswith("encoder.")
    return float((9 * layers) ** -0.25 if in_decoder else 0.67 * layers**-0.25)


def deepnorm_beta(config: ModelConfig, name: str) -> float:
    """Wang et al. 2022, table 2: N encoder and M decoder layers."""
    if config.kind != "encoder-decoder":
        return float((8 * config.layers) ** -0.25)
    if name.startswith("encoder."):
        return float(0.87 * (config.encoder_depth**4 * config.layers) ** (-1 / 16))
    return float((12 * config.layers) ** -0.25)


def learning_rates(config: ModelConfig, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, float]:
    """Factors of Adam's learning rate under muP, for the parameters where it is not 1.

    base_width / width for all whose n_in grows with the width; tables, biases and norms learn as they are (Yang et al. 2022, table 8).
    """
    assert isinstance(config.init, MuPInit), "only muP says how fast a tensor learns"
    found = {}
    for name, shape in shapes.items():
        tensor = Tensor(name, shape)
        if is_matrix(name, shape) and not (tensor.is_table or tensor.is_bucket_table or tensor.ends("output")):
            found[name] = config.init.base_width / config.width
    return found


def is_matrix(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a parameter is drawn; biases (of all experts, of all heads) and norms are not."""
    return len(shape) >= 2 and not name.endswith("bias")


def is_uniform(config: ModelConfig, tensor: Tensor) -> bool:
    """Whether a tensor is drawn evenly from an interval; else normal."""
    init = config.init
    if init.kind == "uniform":
        return True
    evenly = init.distribution == "uniform" if init.kind in ("xavier", "kaiming") else init.kind == "t_fixup"
    return evenly and not (tensor.is_table or tensor.is_bucket_table)
