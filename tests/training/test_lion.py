"""Lion: two steps by hand, from the pseudo-code of the paper."""

import pytest
import torch
from torch import nn

from headwater.training.config import Lion as Config
from headwater.training.lion import Lion


def test_two_steps_by_hand() -> None:
    weight = nn.Parameter(torch.tensor([1.0, -2.0, 0.5]))
    optimizer = Lion([{"params": [weight], "lr": 0.1, "weight_decay": 0.5}], Config(betas=(0.9, 0.99)))
    w, m = [1.0, -2.0, 0.5], [0.0, 0.0, 0.0]
    # At the second step the third gradient turns around: 0.1 · (−1) outweighs 0.9 · 0.01 · 1, as the sign of Lion's own mean tells.
    for gradient in ([0.3, -4.0, 1.0], [-0.02, -1.0, -1.0]):
        weight.grad = torch.tensor(gradient)
        optimizer.step()
        for n, g in enumerate(gradient):
            update = 0.9 * m[n] + 0.1 * g
            w[n] -= 0.1 * ((update > 0) - (update < 0) + 0.5 * w[n])
            m[n] = 0.99 * m[n] + 0.01 * g
        assert weight.tolist() == pytest.approx(w, rel=1e-6)
        assert optimizer.state[weight]["exp_avg"].tolist() == pytest.approx(m, rel=1e-5)


def test_steps_have_one_size_whatever_the_gradient() -> None:
    weight = nn.Parameter(torch.zeros(4))
    weight.grad = torch.tensor([1e-12, 1e12, -3.0, 0.0])
    Lion([{"params": [weight], "lr": 0.1, "weight_decay": 0.0}], Config()).step()
    assert weight.tolist() == pytest.approx([-0.1, -0.1, 0.1, 0.0])
