"""Cutting gradients: by norm, by value, not at all; the norm that is told is always the one before."""

import pytest
import torch
from torch import nn

from headwater.training.clip import clip


def parameters() -> list[nn.Parameter]:
    made = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))]
    made[0].grad, made[1].grad = torch.tensor([3.0, -0.5]), torch.tensor([4.0])  # the third has none
    return made


def gradients(made: list[nn.Parameter]) -> list[float]:
    return [value for parameter in made if parameter.grad is not None for value in parameter.grad.tolist()]


@pytest.mark.parametrize(
    ("limit", "by", "expected"),
    [
        (None, "norm", [3.0, -0.5, 4.0]),
        (1.0, "value", [1.0, -0.5, 1.0]),
        (100.0, "norm", [3.0, -0.5, 4.0]),
        (None, "value", [3.0, -0.5, 4.0]),
    ],
)
def test_cuts(limit: float | None, by: str, expected: list[float]) -> None:
    made = parameters()
    assert clip(made, limit, by) == pytest.approx(25.25**0.5)
    assert gradients(made) == expected


def test_to_the_norm() -> None:
    made = parameters()
    assert clip(made, 1.0, "norm") == pytest.approx(25.25**0.5)
    assert sum(value**2 for value in gradients(made)) == pytest.approx(1.0, rel=1e-4)


def test_no_gradients_have_no_norm() -> None:
    assert clip([nn.Parameter(torch.zeros(1))], None, "norm") == 0.0
