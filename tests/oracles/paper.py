"""What papers write in one line, written so: tokens are vectors in a list, attention is a loop. Nothing here is from the package.

A formula takes `w`, a network's weights by name in fp64, and gives logits; `agrees` compares them and the gradient of every weight.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from headwater.model.network import Network

Weights = dict[str, Tensor]


def agrees(network: Network, ours: Tensor, formula: Callable[[Weights], Tensor], at: Tensor | None = None) -> None:
    """Logits to 1e-4 (`at` where it is true), and the gradient of a loss that weighs each of them by another number."""
    w = {name: tensor.detach().double().requires_grad_() for name, tensor in network.named_parameters()}
    expected = formula(w)
    at = torch.ones(expected.shape[:-1], dtype=torch.bool) if at is None else at
    assert ours.shape == expected.shape
    assert expected[at].std() > 0.1
    assert (ours - expected)[at].abs().max() <= 1e-4
    probe = torch.randn(expected[at].shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64) / len(expected[at])
    network.zero_grad()
    (probe.float() * ours[at]).sum().backward()
    (probe * expected[at]).sum().backward()
    for name, tensor in network.named_parameters():
        theirs = w[name].grad
        assert theirs is not None, f"the formula does not read {name}"
        assert tensor.grad is not None
        assert (tensor.grad - theirs).abs().max() <= 1e-4, name
        if not name.endswith("key.bias"):  # adds the same to all scores of a query, unless positions turn it
            assert theirs.abs().max() > 1e-5, f"{name} learns nothing"


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor | None = None, eps: float = 1e-5) -> Tensor:
    mean = x.sum() / len(x)
    variance = ((x - mean) ** 2).sum() / len(x)
    y = (x - mean) / (variance + eps) ** 0.5 * weight
    return y if bias is None else y + bias


def rms_norm(x: Tensor, weight: Tensor, eps: float = 1e-5) -> Tensor:
    return x / ((x**2).sum() / len(x) + eps) ** 0.5 * weight


def gelu(x: Tensor) -> Tensor:
    return x * (1 + torch.erf(x / 2**0.5)) / 2


def swish(x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-x))


def mixture(scores: Sequence[Tensor], values: Sequence[Tensor]) -> Tensor:
    """Softmax of the scores, and the mean of the values by it."""
    exps = [torch.exp(score) for score in scores]
    total = sum(exps, torch.zeros(()))
    return sum((e / total * v for e, v in zip(exps, values, strict=True)), torch.zeros(()))


def turned(x: Tensor, position: int, base: float = 10_000.0) -> Tensor:
    """Su et al. 2021, equation 34: features 2i and 2i + 1 are turned by position / base^(2i/d)."""
    y = []
    for pair in range(len(x) // 2):
        angle = position / base ** (2 * pair / len(x))
        a, b = x[2 * pair], x[2 * pair + 1]
        y += [a * math.cos(angle) - b * math.sin(angle), a * math.sin(angle) + b * math.cos(angle)]
    return torch.stack(y)


def sinusoid(position: int, width: int) -> Tensor:
    """Vaswani et al. 2017, section 3.5."""
    values = []
    for feature in range(width):
        angle = position / 10_000 ** (2 * (feature // 2) / width)
        values.append(math.sin(angle) if feature % 2 == 0 else math.cos(angle))
    return torch.tensor(values, dtype=torch.float64)
