"""Adafactor against transformers' (T5's), against two steps done by hand, and PaLM's form against its own equations."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from headwater.training.adafactor import Adafactor
from headwater.training.config import Adafactor as Config
from headwater.training.config import InverseSqrt
from headwater.training.schedule import rate_at


def tensors() -> list[nn.Parameter]:
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(shape) * size) for shape, size in [((5, 3), 1.0), ((4,), 0.5), ((2, 3, 4), 0.1), ((3, 3), 0.0)]]


def gradients(parameters: list[nn.Parameter], step: int) -> None:
    draw = torch.Generator().manual_seed(step)
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=draw) * 10 ** (step % 3 - 1)


def ours(parameters: list[nn.Parameter], config: Config) -> Adafactor:
    return Adafactor([{"params": parameters, "lr": config.lr, "weight_decay": config.weight_decay}], config)


@pytest.mark.oracle
def test_equals_transformers_with_the_relative_step_as_a_schedule() -> None:
    """T5's: min(1e-2, 1/√t) is the inverse square root from a peak of 1e-2, whose timescale is 10⁴."""
    from transformers.optimization import Adafactor as Peer

    for first, lr, schedule in [(0, 1e-2, InverseSqrt(warmup=0, timescale=10_000)), (0, 0.1, InverseSqrt(warmup=0, timescale=100))]:
        mine, theirs = tensors(), tensors()
        optimizer = ours(mine, Config(lr=lr))
        peer = Peer(theirs, scale_parameter=True, relative_step=True) if lr == 1e-2 else Peer(theirs, lr=lr, relative_step=False)
        for step in range(first, first + 12):
            gradients(mine, step)
            gradients(theirs, step)
            optimizer.param_groups[0]["lr"] = lr * rate_at(schedule, step, 1000)
            optimizer.step()
            peer.step()
        for one, other in zip(mine, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


@pytest.mark.oracle
def test_equals_transformers_with_momentum_and_decay_and_without_scaling() -> None:
    from transformers.optimization import Adafactor as Peer

    mine, theirs = tensors(), tensors()
    optimizer = ours(mine, Config(lr=0.02, momentum=0.9, scale_parameters=False, weight_decay=0.1))
    peer = Peer(theirs, lr=0.02, beta1=0.9, scale_parameter=False, relative_step=False, weight_decay=0.1)
    for step in range(12):
        gradients(mine, step)
        gradients(theirs, step)
        optimizer.step()
        peer.step()
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.oracle
def test_equals_torch_where_its_rate_is_below_the_relative_step() -> None:
    mine, theirs = tensors()[:3], tensors()[:3]
    optimizer = ours(mine, Config(lr=0.02))
    peer = torch.optim.Adafactor(theirs, lr=0.02, eps=(1e-15, 1e-3))
    for step in range(12):
        gradients(mine, step)
        gradients(theirs, step)
        optimizer.step()
        peer.step()
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_two_steps_by_hand_as_palm_writes_them() -> None:
    """Unfactored, β1 = 0.9, β2 = 1 − k^−0.8, scaled by the root mean square, w ← w · (1 − rate²) − m."""
    weight = nn.Parameter(torch.tensor([[3.0, 4.0]]))
    optimizer = ours([weight], Config(factored=False, momentum=0.9, weight_decay=1.0, decay_power=2, lr=0.01))
    w, m, v = [3.0, 4.0], [0.0, 0.0], [0.0, 0.0]
    for k, g in ((1, [0.5, -2.0]), (2, [1.0, 1.0])):
        weight.grad = torch.tensor([g])
        optimizer.step()
        beta2 = 1 - k**-0.8
        v = [beta2 * old + (1 - beta2) * one**2 for old, one in zip(v, g, strict=True)]
        u = [one / second**0.5 for one, second in zip(g, v, strict=True)]
        cut = max(1.0, (sum(one**2 for one in u) / 2) ** 0.5)
        scale = 0.01 * (sum(one**2 for one in w) / 2) ** 0.5
        m = [0.9 * old + 0.1 * scale * one / cut for old, one in zip(m, u, strict=True)]
        w = [old * (1 - 1e-4) - step for old, step in zip(w, m, strict=True)]
        assert weight.detach()[0].tolist() == pytest.approx(w, rel=1e-6)


def test_moments_of_a_matrix_are_a_row_and_a_column() -> None:
    parameters = tensors()
    optimizer = ours(parameters, Config())
    gradients(parameters, 0)
    optimizer.step()
    assert [sorted(optimizer.state[parameter]) for parameter in parameters[:2]] == [["column", "row", "step"], ["exp_avg_sq", "step"]]
    assert optimizer.state[parameters[2]]["row"].shape == (2, 3, 1)
    assert optimizer.state[parameters[2]]["column"].shape == (2, 1, 4)


def test_tensors_of_zeros_begin_to_move() -> None:
    parameter = nn.Parameter(torch.zeros(3, 3))
    parameter.grad = torch.ones(3, 3)
    ours([parameter], Config(lr=0.1)).step()
    assert parameter.detach().flatten().tolist() == pytest.approx([-0.1 * 1e-3] * 9)
