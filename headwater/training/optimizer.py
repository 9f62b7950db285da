"""The optimizers of a network, at the share of their rates that the schedule says, and their state as named tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from headwater.training.adafactor import Adafactor
from headwater.training.groups import Named, block_of, groups, is_bias, layer_factors
from headwater.training.lion import Lion
from headwater.training.optimizer_config import SGD, Adam, AdamW, Muon, OptimizerConfig, Rates, RMSprop, Simple
from headwater.training.optimizer_config import Adafactor as AdafactorConfig
from headwater.training.optimizer_config import Lion as LionConfig
from headwater.training.optimizer_config import ScheduleFree as ScheduleFreeConfig
from headwater.training.schedule_free import ScheduleFree
from headwater.training.stacked_muon import StackedMuon

BLOCKS = ("blocks", "ahead")  # `ahead` are the blocks of multi-token prediction
# Their rows or kernels are looked up or slid along, not multiplied as one matrix: not for Muon.
NO_MATRICES = (nn.Embedding, nn.Conv1d, nn.Conv2d)


class Optimizers:
    """What a step is made with: one optimizer, or Muon inside the blocks beside AdamW for the rest.

    Every parameter that has a gradient stands in exactly one group. Its rate is the config's times `decay^(layers above)` of `rates`
    times the factor that the caller gives by name in `multipliers` (muP's, Yang et al. 2022).
    """

    def __init__(
        self, config: OptimizerConfig, network: nn.Module, rates: Rates | None = None, multipliers: Mapping[str, float] | None = None
    ) -> None:
        self.named: Named = [(name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad]
        factors = layer_factors([name for name, _ in network.named_parameters()], rates.layer_decay if rates else 1.0)
        for name, factor in (multipliers or {}).items():
            assert name in factors, f"a multiplier for {name}, which is no parameter"
            factors[name] *= factor
        if isinstance(config, Muon):
            self.parts = _muon(config, self.named, _tables(network), factors)
        else:
            self.parts = [_simple(config, groups(config, self.named, factors))]
        self.peaks = [[group["lr"] for group in part.param_groups] for part in self.parts]
        grouped = [id(parameter) for part in self.parts for group in part.param_groups for parameter in group["params"]]
        assert len(grouped) == len(set(grouped)) == len(self.named), "a parameter stands in no group, or in two"

    def zero_grad(self) -> None:
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def step(self, share: float) -> None:
        """Move the weights, every rate at `share` of its peak."""
        for part, peaks in zip(self.parts, self.peaks, strict=True):
            for group, peak in zip(part.param_groups, peaks, strict=True):
                group["lr"] = peak * share
                _penalise(group)
            part.step()

    def averages(self) -> dict[str, torch.Tensor]:
        """What is to be validated and kept in place of the parameters: nothing but for the schedule-free kind."""
        found = {id(key): value for part in self.parts if isinstance(part, ScheduleFree) for key, value in part.averages().items()}
        return {name: found[id(parameter)] for name, parameter in self.named if id(parameter) in found}

    def state(self) -> dict[str, torch.Tensor]:
        """`{"blocks.0.attention.out.weight/exp_avg": tensor, …}`: moments and step counts by parameter name."""
        return {
            f"{name}/{field}": value
            for part in self.parts
            for name, parameter in self.named
            for field, value in part.state.get(parameter, {}).items()
        }

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Put back what `state` gave."""
        parameters = dict(self.named)
        owner = {id(parameter): part for part in self.parts for group in part.param_groups for parameter in group["params"]}
        for part in self.parts:
            part.state.clear()
        for key, value in tensors.items():
            name, _, field = key.rpartition("/")
            owner[id(parameters[name])].state[parameters[name]][field] = value.clone()


@torch.no_grad()
def _penalise(group: dict[str, Any]) -> None:
    """Add the gradients of l1 · |w| and l2/2 · w²."""
    if not group["l1"] and not group["l2"]:
        return
    for parameter in group["params"]:
        if parameter.grad is not None:
            parameter.grad.add_(parameter.sign(), alpha=group["l1"]).add_(parameter, alpha=group["l2"])


def _simple(config: Simple, grouped: list[dict[str, Any]]) -> torch.optim.Optimizer:
    match config:
        case AdamW():
            return torch.optim.AdamW(grouped, lr=config.lr, betas=config.betas, eps=config.eps, fused=True)
        case Adam():
            return torch.optim.Adam(grouped, lr=config.lr, betas=config.betas, eps=config.eps, fused=True)
        case SGD():
            return torch.optim.SGD(grouped, lr=config.lr, momentum=config.momentum, nesterov=config.nesterov)
        case RMSprop():
            return torch.optim.RMSprop(grouped, lr=config.lr, alpha=config.alpha, eps=config.eps, momentum=config.momentum)
        case AdafactorConfig():
            return Adafactor(grouped, config)
        case LionConfig():
            return Lion(grouped, config)
        case ScheduleFreeConfig():
            return ScheduleFree(grouped, config)


def _muon(config: Muon, named: Named, tables: set[int], factors: Mapping[str, float]) -> list[torch.optim.Optimizer]:
    """torch's Muon for matrices inside the blocks, ours for stacks of them, AdamW for the rest."""
    inside = [
        (name, parameter)
        for name, parameter in named
        if block_of(name, BLOCKS) and id(parameter) not in tables and not is_bias(name) and parameter.ndim in (2, 3)
    ]
    single = [(name, parameter) for name, parameter in inside if parameter.ndim == 2]
    stacked = [(name, parameter) for name, parameter in inside if parameter.ndim == 3]
    chosen = {name for name, _ in inside}
    rest = [(name, parameter) for name, parameter in named if name not in chosen]
    parts: list[torch.optim.Optimizer] = []
    if single:
        grouped = groups(config, single, factors)
        parts.append(torch.optim.Muon(grouped, lr=config.lr, momentum=config.momentum, adjust_lr_fn="match_rms_adamw"))
    if stacked:
        parts.append(StackedMuon(groups(config, stacked, factors), config.lr, config.momentum))
    if rest:
        parts.append(_simple(config.rest, groups(config.rest, rest, factors)))
    return parts


def _tables(network: nn.Module) -> set[int]:
    """Parameters that are no matrices of a product, whatever their dimensions."""
    return {id(parameter) for module in network.modules() if isinstance(module, NO_MATRICES) for parameter in module.parameters()}
