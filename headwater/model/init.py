"""With which numbers does the network begin?

In: a config and a seed. Out: a Network in fp32 on the CPU. Each tensor is drawn from its own stream, keyed by its name, so that
neither the order in which modules are made, nor their number, nor the devices that later hold them, can change a value.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from headwater.core.random import stream
from headwater.model.config import ModelConfig
from headwater.model.network import Network

# The two projections of a block that write into the residual stream, which sums 2 · layers of them.
RESIDUAL = ("attention.out.weight", "feed_forward.down.weight")


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
    """Name and shape of every tensor, without making one."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in Network(config).named_parameters()}


@torch.no_grad()
def initialise(network: Network, config: ModelConfig, seed: int) -> None:
    """Matrices normal, norm weights 1, biases 0."""
    for name, tensor in network.named_parameters():
        if tensor.ndim == 2:
            std = config.init.std
            if config.init.residual_scaling and name.endswith(RESIDUAL):
                std /= math.sqrt(2 * config.layers)
            normal = stream(seed, "init", name).standard_normal(tuple(tensor.shape), dtype=np.float32)
            tensor.copy_(torch.from_numpy(normal)).mul_(std)
        else:
            tensor.fill_(0.0 if name.endswith(".bias") else 1.0)
