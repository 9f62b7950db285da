"""The optimizers of a network, at the share of their rates that the schedule says, and their state as named tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from headwater.parallel.stand_ins import StandIns
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
# They look at whole matrices, not at each weight by itself.
WHOLE = (StackedMuon, Adafactor)


class Optimizers:
    """What a step is made with: one optimizer, or Muon inside the blocks beside AdamW for the rest.

    Every parameter that has a gradient stands in exactly one group. Its rate is the config's times `decay^(layers above)` of `rates`
    times the factor that the caller gives by name in `multipliers` (muP's, Yang et al. 2022).
    """

    def __init__(
        self, config: OptimizerConfig, network: nn.Module, rates: Rates | None = None, multipliers: Mapping[str, float] | None = None
    ) -> None:
        self.config, self.layer_decay = config, rates.layer_decay if rates else 1.0
        self._network, self._rates, self._multipliers = network, rates or Rates(), multipliers
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
        self.stand_ins = StandIns()
        for part in self.parts:
            for group in part.param_groups:
                group["params"] = [self.stand_ins.of(parameter, isinstance(part, WHOLE)) for parameter in group["params"]]

    def under(self, config: OptimizerConfig, layer_decay: float) -> Optimizers:
        """Those of the same network by another config, with these moments where they mean the same there."""
        rates = self._rates.model_copy(update={"layer_decay": layer_decay})
        other = Optimizers(config, self._network, rates, self._multipliers)
        if keeps_moments(self.config, config):
            other.load(self.state())
        return other

    def zero_grad(self) -> None:
        for _, parameter in self.named:
            parameter.grad = None

    def step(self, share: float) -> None:
        """Move the weights, every rate at `share` of its peak."""
        self.stand_ins.take()
        for part, peaks in zip(self.parts, self.peaks, strict=True):
            for group, peak in zip(part.param_groups, peaks, strict=True):
                group["lr"] = peak * share
                _penalise(group)
            part.step()
        self.stand_ins.give()

    def averages(self) -> dict[str, torch.Tensor]:
        """What is to be validated and kept in place of the parameters: nothing but for the schedule-free kind."""
        found = {id(key): value for part in self.parts if isinstance(part, ScheduleFree) for key, value in part.averages().items()}
        plain = ((name, parameter, id(self.stand_ins.get(parameter))) for name, parameter in self.named)
        return {name: self.stand_ins.saved(parameter, found[key]) for name, parameter, key in plain if key in found}

    def state(self) -> dict[str, torch.Tensor]:
        """`{"blocks.0.attention.out.weight/exp_avg": tensor, …}`: moments and step counts by parameter name."""
        return {
            f"{name}/{field}": self.stand_ins.saved(parameter, value)
            for part in self.parts
            for name, parameter in self.named
            for field, value in part.state.get(self.stand_ins.get(parameter), {}).items()
        }

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Put back what `state` gave."""
        parameters = dict(self.named)
        owner = {id(parameter): part for part in self.parts for group in part.param_groups for parameter in group["params"]}
        for part in self.parts:
            part.state.clear()
        for key, value in tensors.items():
            name, _, field = key.rpartition("/")
            plain = self.stand_ins.get(parameters[name])
            owner[id(plain)].state[plain][field] = self.stand_ins.loaded(parameters[name], value)


def keeps_moments(before: OptimizerConfig, after: OptimizerConfig) -> bool:
    """Whether what one optimizer remembers is what the other would: the same kind, with the same moments."""

    def remembers(config: OptimizerConfig) -> tuple[Any, ...]:
        return config.kind, bool(getattr(config, "momentum", 0)), getattr(config, "factored", None)

    return remembers(before) == remembers(after)


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
    """Muon for matrices and stacks of them inside the blocks, AdamW for the rest."""
    inside = [
        (name, parameter)
        for name, parameter in named
        if block_of(name, BLOCKS) and id(parameter) not in tables and not is_bias(name) and parameter.ndim in (2, 3)
    ]
    chosen = {name for name, _ in inside}
    rest = [(name, parameter) for name, parameter in named if name not in chosen]
    parts: list[torch.optim.Optimizer] = []
    if inside:
        parts.append(StackedMuon(groups(config, inside, factors), config.lr, config.momentum))
    if rest:
        parts.append(_simple(config.rest, groups(config.rest, rest, factors)))
    return parts


def _tables(network: nn.Module) -> set[int]:
    """Parameters that are no matrices of a product, whatever their dimensions."""
    return {id(parameter) for module in network.modules() if isinstance(module, NO_MATRICES) for parameter in module.parameters()}
