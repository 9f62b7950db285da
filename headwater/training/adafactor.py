"""Adafactor (Shazeer and Stern 2018, algorithms 4 and 5), with what PaLM changed.

torch's own takes min(rate, 1/√t) whatever the schedule says, always factors, and has neither momentum nor PaLM's decay.
"""

from __future__ import annotations

from typing import Any

import torch

from headwater.training.optimizer_config import Adafactor as Config


class Adafactor(torch.optim.Optimizer):
    """Tensors of more than two dimensions are factored over their last two, as stacks of matrices."""

    def __init__(self, groups: list[dict[str, Any]], config: Config) -> None:
        super().__init__(groups, {"lr": config.lr})
        self.config = config

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group["lr"], group["weight_decay"])

    def _move(self, parameter: torch.Tensor, rate: float, decay: float) -> None:
        config, grad, state = self.config, parameter.grad, self.state[parameter]
        assert grad is not None
        if not state:
            state.update(self._nothing(grad))
        state["step"] += 1
        forget = float(state["step"]) ** -config.beta2_power  # 1 − β2
        update = grad * _inverse_root(grad.square() + config.eps, state, forget)
        if config.update_clip is not None:
            update /= (_rms(update) / config.update_clip).clamp(min=1.0)
        update *= rate * (_rms(parameter).clamp(min=config.smallest_scale) if config.scale_parameters else 1.0)
        if config.momentum:
            update = state["exp_avg"].lerp_(update, 1 - config.momentum)
        if decay:
            parameter.mul_(1 - decay * rate**config.decay_power)
        parameter.sub_(update)

    def _nothing(self, grad: torch.Tensor) -> dict[str, torch.Tensor]:
        """The state before the first step."""
        state = {"step": torch.zeros((), dtype=torch.float32)}
        if self.config.factored and grad.ndim >= 2:
            state |= {"row": torch.zeros_like(grad[..., :1]), "column": torch.zeros_like(grad[..., :1, :])}
        else:
            state["exp_avg_sq"] = torch.zeros_like(grad)
        return state | ({"exp_avg": torch.zeros_like(grad)} if self.config.momentum else {})


def _inverse_root(squares: torch.Tensor, state: dict[str, torch.Tensor], forget: float) -> torch.Tensor:
    """1/√V of the running mean V of squared gradients: whole, or from its row and column means."""
    if "exp_avg_sq" in state:
        return state["exp_avg_sq"].lerp_(squares, forget).rsqrt()
    row = state["row"].lerp_(squares.mean(dim=-1, keepdim=True), forget)
    column = state["column"].lerp_(squares.mean(dim=-2, keepdim=True), forget)
    return (row / row.mean(dim=-2, keepdim=True)).rsqrt() * column.rsqrt()


def _rms(tensor: torch.Tensor) -> torch.Tensor:
    rms: torch.Tensor = tensor.norm() / tensor.numel() ** 0.5
    return rms
