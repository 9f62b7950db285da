"""Gradients that are too long are cut: the whole to a norm, each value to a bound, or not at all. Out: the norm before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import nn


def clip(parameters: Iterable[nn.Parameter], limit: float | None, by: Literal["norm", "value"]) -> float:
    """Cut the gradients in place; returns their norm before (Pascanu et al. 2013 for both ways)."""
    moved = [parameter for parameter in parameters if parameter.grad is not None]
    total = nn.utils.get_total_norm([parameter.grad for parameter in moved if parameter.grad is not None])
    norm: torch.Tensor = total.full_tensor() if hasattr(total, "full_tensor") else total  # of gradients that lie over several processes
    if limit is not None and by == "norm":
        nn.utils.clip_grads_with_norm_(moved, limit, norm)
    elif limit is not None:
        nn.utils.clip_grad_value_(moved, limit)
    return float(norm)
