"""With which numbers does the network begin?

In: a config and a seed. Out: a Network in fp32 on the CPU. Each tensor is drawn from its own stream, keyed by its name, so that
neither the order in which modules are made, nor their number, nor the devices that later hold them, can change a value. How wide
each is drawn stands in model/spreads.py.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from headwater.core.random import stream
from headwater.model.config import ModelConfig
from headwater.model.network import Network
from headwater.model.spreads import Tensor, is_matrix, is_uniform, learning_rates, std

# An LSTM's forget gates begin open (Gers et al. 2000, section 3); at 1 (Jozefowicz et al. 2015, section 3.2).
FORGET_BIAS = 1.0


def build(config: ModelConfig, seed: int) -> Network:
    network = empty(config)
    initialise(network, config, seed)
    return network


def empty(config: ModelConfig) -> Network:
    """The network with its memory unwritten; made on the meta device, so that torch's own draws do not happen."""
    with torch.device("meta"):
        network = Network(config)
    return network.to_empty(device="cpu")


def shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every trained tensor, without making one."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in Network(config).named_parameters()}


def kept_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor that a checkpoint keeps: the trained ones, and what is counted beside them (BatchNorm's means)."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in Network(config).state_dict().items()}


def multipliers(config: ModelConfig) -> dict[str, float]:
    """Factors of Adam's learning rate by parameter name, where they are not 1: muP's."""
    return learning_rates(config, shapes(config)) if config.init.kind == "mup" else {}


@torch.no_grad()
def initialise(network: Network, config: ModelConfig, seed: int) -> None:
    """Matrices and tables drawn as the config's scheme says; norms 1, biases 0, what is counted beside them at its beginning."""
    for name, tensor in network.named_buffers():
        tensor.fill_(1.0 if name.endswith("variance") else 0.0)
    for name, tensor in network.named_parameters():
        if is_matrix(name, tuple(tensor.shape)):
            _draw(tensor, config, name, seed)
        else:
            tensor.fill_(0.0 if name.endswith("bias") else 1.0)
        if config.mixer.kind == "lstm" and name.endswith("attention.bias"):
            tensor[config.width : 2 * config.width] = FORGET_BIAS


def _draw(tensor: torch.Tensor, config: ModelConfig, name: str, seed: int) -> None:
    shape, draws = tuple(tensor.shape), stream(seed, "init", name)
    part = Tensor(name, shape)
    is_value = config.head.kind == "scalar" and name == "output.out.weight"
    spread = 1 / math.sqrt(config.width + 1) if is_value else std(config, part)  # Stiennon et al. 2020, appendix C
    if is_uniform(config, part):
        numbers, spread = 2 * draws.random(shape, dtype=np.float32) - 1, spread * math.sqrt(3)
    else:
        numbers = draws.standard_normal(shape, dtype=np.float32)
    tensor.copy_(torch.from_numpy(numbers)).mul_(spread)
