"""Schedule-free AdamW (Defazio et al. 2024, algorithm 1): the mean of the steps takes the place of a falling rate.

Three points: z takes the steps, x is the mean of the z (weighted by squared rates), and gradients are taken between them, at
y = (1 − β1) · z + β1 · x. While training the parameters hold y; what is validated and kept is x (`averages`).
"""

from __future__ import annotations

from typing import Any

import torch

from headwater.training.optimizer_config import ScheduleFree as Config


class ScheduleFree(torch.optim.Optimizer):
    def __init__(self, groups: list[dict[str, Any]], config: Config) -> None:
        super().__init__(groups, {"lr": config.lr})
        self.betas, self.eps = config.betas, config.eps

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group["lr"], group["weight_decay"])

    def _move(self, y: torch.Tensor, grad: torch.Tensor, peak: float, decay: float) -> None:
        beta1, beta2 = self.betas
        state = self.state[y]
        if not state:
            zero = torch.zeros((), dtype=torch.float64)
            state.update(step=zero.clone(), weights=zero.clone(), z=y.clone(), x=y.clone(), exp_avg_sq=torch.zeros_like(y))
        z, x, second = state["z"], state["x"], state["exp_avg_sq"]
        state["step"] += 1
        rate = peak * (1 - beta2 ** float(state["step"])) ** 0.5
        state["weights"] += rate**2
        second.lerp_(grad.square(), 1 - beta2)
        z.addcdiv_(grad, second.sqrt().add_(self.eps), value=-rate).sub_(y, alpha=rate * decay)
        # weights are 0 as long as the rate is: then z stands still, and so does its mean.
        x.lerp_(z, rate**2 / max(float(state["weights"]), 1e-300))
        y.copy_(z.lerp(x, beta1))

    def averages(self) -> dict[torch.Tensor, torch.Tensor]:
        """x of each parameter that was ever moved."""
        return {parameter: state["x"] for parameter, state in self.state.items()}
