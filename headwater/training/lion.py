"""Lion (Chen et al. 2023, algorithm 2): one moment, steps of equal size in every weight."""

from __future__ import annotations

from typing import Any

import torch

from headwater.training.optimizer_config import Lion as Config


class Lion(torch.optim.Optimizer):
    def __init__(self, groups: list[dict[str, Any]], config: Config) -> None:
        super().__init__(groups, {"lr": config.lr})
        self.betas = config.betas

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        beta1, beta2 = self.betas
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["exp_avg"] = torch.zeros_like(parameter)
                direction = state["exp_avg"].lerp(parameter.grad, 1 - beta1).sign_()
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.sub_(direction, alpha=group["lr"])
                state["exp_avg"].lerp_(parameter.grad, 1 - beta2)
