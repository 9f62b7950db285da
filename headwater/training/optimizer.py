"""The optimizers of a network, at the share of their rates that the schedule says, and their state as named tensors."""

from __future__ import annotations

import torch
from torch import nn

from headwater.training.config import AdamW, Muon

Named = list[tuple[str, nn.Parameter]]


class Optimizers:
    """What a step is made with: one optimizer, or Muon inside the blocks beside AdamW for the rest.

    Every parameter stands in exactly one group; matrices decay, vectors do not.
    """

    def __init__(self, config: AdamW | Muon, network: nn.Module) -> None:
        self.named: Named = [(name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad]
        self.parts = _muon(config, self.named) if isinstance(config, Muon) else [_adamw(config, self.named)]
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
            part.step()

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
        for key, value in tensors.items():
            name, _, field = key.rpartition("/")
            owner[id(parameters[name])].state[parameters[name]][field] = value.clone()


def _adamw(config: AdamW, named: Named) -> torch.optim.Optimizer:
    groups = [
        {"params": [parameter for _, parameter in named if parameter.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [parameter for _, parameter in named if parameter.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, eps=config.eps, fused=True)


def _muon(config: Muon, named: Named) -> list[torch.optim.Optimizer]:
    inside = [(name, parameter) for name, parameter in named if parameter.ndim == 2 and name.startswith("blocks.")]
    chosen = {name for name, _ in inside}
    muon = torch.optim.Muon(
        [parameter for _, parameter in inside],
        lr=config.lr,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        adjust_lr_fn="match_rms_adamw",
    )
    return [muon, _adamw(config.rest, [(name, parameter) for name, parameter in named if name not in chosen])]
