"""Muon on stacks of matrices: on each slice it does what torch's does, and what it makes is orthogonal."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from headwater.training.stacked_muon import StackedMuon, orthogonal


@pytest.mark.oracle
@pytest.mark.parametrize("shape", [(3, 8, 16), (3, 16, 8)])
def test_equals_torch_s_on_each_slice(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    stack = nn.Parameter(torch.randn(shape))
    slices = [nn.Parameter(matrix.clone()) for matrix in stack.detach()]
    ours = StackedMuon([{"params": [stack], "lr": 0.1, "weight_decay": 0.3}], lr=0.1, momentum=0.9)
    peer = torch.optim.Muon(slices, lr=0.1, weight_decay=0.3, momentum=0.9, adjust_lr_fn="match_rms_adamw")
    before = stack.detach().clone()
    for _ in range(3):
        stack.grad = torch.randn(shape)
        for one, gradient in zip(slices, stack.grad, strict=True):
            one.grad = gradient.clone()
        ours.step()
        peer.step()
    theirs = torch.stack([one.detach() for one in slices])
    assert float((stack.detach() - before).norm()) > 1
    assert float((stack.detach() - theirs).norm()) < 0.01 * float((theirs - before).norm())  # bf16 rounds in another order


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
    StackedMuon([{"params": [stack], "lr": 0.1, "weight_decay": 0.0}], lr=0.1, momentum=0.9).step()
    assert torch.equal(stack.detach(), torch.ones(2, 3, 3))
