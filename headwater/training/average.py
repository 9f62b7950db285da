"""Averages of the weights over the run's steps, and lending a network other weights than its own.

In: the network after each step. Out: `weights()`, by parameter name: what is to be validated and kept in place of the last weights.
Buffers (a BatchNorm's running figures) are not averaged.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import nn

from headwater.training.config import EMA, LastSteps

TAKEN = "/taken"  # no parameter is called so


class Average:
    def __init__(self, config: EMA | LastSteps | None, network: nn.Module, steps: int) -> None:
        self.config, self.steps = config, steps
        self.parameters = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
        self.taken = 0
        self.mean = {name: parameter.detach().clone() for name, parameter in self.parameters.items()} if config is not None else {}

    @torch.no_grad()
    def note(self, step: int, applied: bool) -> None:
        """Take in the weights after `step` steps; `applied` tells whether the last one moved them."""
        match self.config:
            case EMA() if applied:
                self.taken += 1
                share = 1 - min(self.config.decay, (1 + self.taken) / (10 + self.taken))
            case LastSteps() if self._is_due(step, self.config):
                self.taken += 1
                share = 1 / self.taken
            case _:
                return
        for name, parameter in self.parameters.items():
            self.mean[name].lerp_(parameter, share)

    def _is_due(self, step: int, config: LastSteps) -> bool:
        left = self.steps - step
        return left % config.every == 0 and left // config.every < config.count

    def weights(self) -> dict[str, torch.Tensor]:
        """The mean so far; nothing while there is none."""
        return self.mean if self.taken else {}

    def state(self) -> dict[str, torch.Tensor]:
        return {**self.mean, TAKEN: torch.tensor(self.taken)} if self.config is not None else {}

    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Put back what `state` gave."""
        self.mean = {name: tensor.clone() for name, tensor in tensors.items() if name != TAKEN}
        self.taken = int(tensors[TAKEN]) if tensors else 0


@torch.no_grad()
def put(network: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Give the named parameters these values."""
    for name, parameter in network.named_parameters():
        if name in weights:
            parameter.copy_(weights[name])


@contextlib.contextmanager
def lent(network: nn.Module, weights: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """The network has these weights as long as the context lasts, and then its own to the bit."""
    own = {name: parameter.detach().clone() for name, parameter in network.named_parameters() if name in weights}
    put(network, weights)
    try:
        yield
    finally:
        put(network, own)
