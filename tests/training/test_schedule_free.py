"""Schedule-free AdamW: steps by hand from the paper's algorithm 1, and the mean that it keeps."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from headwater.training.config import ScheduleFree as Config
from headwater.training.schedule_free import ScheduleFree


def test_three_steps_by_hand_with_warm_up() -> None:
    weight = nn.Parameter(torch.tensor([2.0]))
    group = {"params": [weight], "lr": 0.1, "weight_decay": 0.2}
    optimizer = ScheduleFree([group], Config(betas=(0.9, 0.99), eps=1e-8))
    x = y = z = 2.0
    v = total = 0.0
    for t, (gradient, peak) in enumerate([(1.0, 0.05), (-0.5, 0.1), (3.0, 0.1)], start=1):
        weight.grad = torch.tensor([gradient])
        optimizer.param_groups[0]["lr"] = peak
        optimizer.step()
        v = 0.99 * v + 0.01 * gradient**2
        rate = peak * math.sqrt(1 - 0.99**t)
        z = z - rate * gradient / (math.sqrt(v) + 1e-8) - rate * 0.2 * y
        total += rate**2
        c = rate**2 / total
        x = (1 - c) * x + c * z
        y = 0.1 * z + 0.9 * x
        assert weight.item() == pytest.approx(y, rel=1e-6)
        assert float(optimizer.averages()[weight]) == pytest.approx(x, rel=1e-6)


def test_the_first_step_is_its_own_mean() -> None:
    weight = nn.Parameter(torch.zeros(3))
    weight.grad = torch.tensor([1.0, -1.0, 0.0])
    optimizer = ScheduleFree([{"params": [weight], "lr": 0.1, "weight_decay": 0.0}], Config())
    optimizer.step()
    assert torch.equal(optimizer.averages()[weight], optimizer.state[weight]["z"])


def test_a_constant_rate_weighs_all_steps_alike() -> None:
    """Once β2's correction has died away, x is the plain mean of the z, bar the share that the first steps had."""
    weight = nn.Parameter(torch.zeros(1))
    optimizer = ScheduleFree(
        [{"params": [weight], "lr": 0.1, "weight_decay": 0.0}], Config(betas=(0.9, 0.0))
    )  # β2 = 0: no correction at all
    seen = []
    for step in range(50):
        weight.grad = torch.tensor([math.sin(step) + 0.1])
        optimizer.step()
        seen.append(float(optimizer.state[weight]["z"]))
    assert float(optimizer.averages()[weight]) == pytest.approx(sum(seen) / len(seen), rel=1e-4)
