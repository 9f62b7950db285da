"""The optimizer, and its state as named tensors."""

from __future__ import annotations

import torch
from torch import nn

from headwater.training.config import AdamW


def build_optimizer(config: AdamW, network: nn.Module) -> torch.optim.Optimizer:
    """AdamW with decay on matrices only; every parameter stands in exactly one group."""
    named = [(name, parameter) for name, parameter in network.named_parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for _, parameter in named if parameter.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [parameter for _, parameter in named if parameter.ndim < 2], "weight_decay": 0.0},
    ]
    grouped = [id(parameter) for group in groups for parameter in group["params"]]  # type: ignore[attr-defined]
    assert len(grouped) == len(set(grouped)) == len(named), "a parameter stands in no group, or in two"
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, eps=config.eps, fused=True)


def state_tensors(optimizer: torch.optim.Optimizer, network: nn.Module) -> dict[str, torch.Tensor]:
    """`{"layers.0.attention.query.weight/exp_avg": tensor, …}`: moments and step counts by parameter name."""
    found = {}
    for name, parameter in network.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            found[f"{name}/{key}"] = value
    return found


def load_state(optimizer: torch.optim.Optimizer, network: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Put back what `state_tensors` gave."""
    parameters = dict(network.named_parameters())
    for key, value in tensors.items():
        name, _, field = key.rpartition("/")
        optimizer.state[parameters[name]][field] = value.clone()
