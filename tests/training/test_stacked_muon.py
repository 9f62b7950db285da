"""Muon on matrices and stacks of them: on each it does what torch's does, together or alone, and what it makes is orthogonal."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from headwater.training import stacked_muon
from headwater.training.stacked_muon import StackedMuon, orthogonal


def ours(parameters: list[nn.Parameter], rate: float = 0.1, decay: float = 0.3) -> StackedMuon:
    return StackedMuon([{"params": parameters, "lr": rate, "weight_decay": decay}], lr=rate, momentum=0.9)


def moved(parameters: list[nn.Parameter], optimizer: torch.optim.Optimizer, steps: int = 3) -> torch.Tensor:
    """All weights after a few steps on gradients that are the same for the same place in the list."""
    draw = torch.Generator().manual_seed(1)
    for _ in range(steps):
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=draw)
        optimizer.step()
    return torch.cat([parameter.detach().flatten() for parameter in parameters])


@pytest.mark.oracle
def test_equals_torch_s_on_each_matrix() -> None:
    """Squares, wide and tall ones side by side, so that some are stacked, some transposed, and one stands alone."""
    shapes = [(16, 16), (8, 16), (16, 8), (16, 16), (8, 16), (4, 64), (64, 4)]
    torch.manual_seed(0)
    mine = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    theirs = [nn.Parameter(parameter.detach().clone()) for parameter in mine]
    before = torch.cat([parameter.detach().flatten() for parameter in mine])
    found = moved(mine, ours(mine))
    peer = torch.optim.Muon(theirs, lr=0.1, weight_decay=0.3, momentum=0.9, adjust_lr_fn="match_rms_adamw")
    expected = moved(theirs, peer)
    assert float((found - before).norm()) > 1
    assert float((found - expected).norm()) < 0.01 * float((expected - before).norm())  # bf16 rounds in another order


@pytest.mark.oracle
@pytest.mark.parametrize("shape", [(3, 8, 16), (3, 16, 8)])
def test_equals_torch_s_on_each_slice_of_a_stack(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    stack = nn.Parameter(torch.randn(shape))
    slices = [nn.Parameter(matrix.clone()) for matrix in stack.detach()]
    before = stack.detach().clone().flatten()
    found = moved([stack], ours([stack]))
    peer = torch.optim.Muon(slices, lr=0.1, weight_decay=0.3, momentum=0.9, adjust_lr_fn="match_rms_adamw")
    expected = moved(slices, peer)
    assert float((found - before).norm()) > 1
    assert float((found - expected).norm()) < 0.01 * float((expected - before).norm())


def test_how_many_stand_together_changes_rounding_only(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    weights = [torch.randn(12, 8) for _ in range(5)]
    results = []
    for at_once in (1, 2 * 12 * 8, 1 << 20):
        monkeypatch.setattr(stacked_muon, "AT_ONCE", at_once)
        parameters = [nn.Parameter(weight.clone()) for weight in weights]
        results.append(moved(parameters, ours(parameters)))
    for other in results[1:]:
        assert float((results[0] - other).norm()) < 0.01 * float((results[0] - torch.cat([w.flatten() for w in weights])).norm())


def test_a_parameter_without_gradient_stays() -> None:
    still, moving = nn.Parameter(torch.ones(4, 4)), nn.Parameter(torch.ones(4, 4))
    moving.grad = torch.eye(4)
    ours([still, moving]).step()
    assert torch.equal(still.detach(), torch.ones(4, 4))
    assert not torch.equal(moving.detach(), torch.ones(4, 4))


@pytest.mark.parametrize("shape", [(4, 8, 32), (4, 32, 8)])
def test_singular_values_come_near_one(shape: tuple[int, ...]) -> None:
    """Jordan et al. 2024: in about [0.7, 1.2], from whatever size."""
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonal(torch.randn(shape) * torch.tensor([1e-3, 1.0, 10.0, 1e3])[:, None, None]).float())
    assert float(values.min()) > 0.6
    assert float(values.max()) < 1.3


def test_a_gradient_of_zeros_moves_nothing() -> None:
    stack = nn.Parameter(torch.ones(2, 3, 3))
    stack.grad = torch.zeros(2, 3, 3)
    ours([stack], decay=0.0).step()
    assert torch.equal(stack.detach(), torch.ones(2, 3, 3))
