"""Muon for stacks of matrices, such as a mixture's experts [E, F, D]: each is made orthogonal on its own.

torch.optim.Muon takes single matrices only; on each slice this does what it does there with `match_rms_adamw` (Moonlight, Liu et al.
2025, equation 4), all slices in one product.
"""

from __future__ import annotations

from typing import Any

import torch

# Jordan et al. 2024: five rounds of a quintic whose slope at zero is as steep as it can be; singular values end in about 0.7 … 1.2.
A, B, C, ROUNDS = 3.4445, -4.7750, 2.0315, 5


class StackedMuon(torch.optim.Optimizer):
    def __init__(self, groups: list[dict[str, Any]], lr: float, momentum: float) -> None:
        super().__init__(groups, {"lr": lr})
        self.momentum = momentum

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(parameter)
                momentum = state["momentum_buffer"].lerp_(parameter.grad, 1 - self.momentum)
                update = orthogonal(parameter.grad.lerp(momentum, self.momentum))
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.sub_(update, alpha=group["lr"] * 0.2 * max(parameter.shape[-2:]) ** 0.5)


def orthogonal(matrices_EFD: torch.Tensor) -> torch.Tensor:
    """The nearest orthogonal matrix of each, roughly, in bf16 (Newton–Schulz)."""
    x = matrices_EFD.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(ROUNDS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=B, alpha=C), x, beta=A)
    return x.mT if tall else x
