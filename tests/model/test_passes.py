"""headwater/model/passes.py: formulas in fp64 say what the kernels compute, for every bf16 number there is."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch.nn import functional

from headwater.core.team import gathered
from headwater.model import feed_forward, norms, positions
from headwater.model.parts import RoPE, Scaling
from headwater.model.passes import (
    added,
    norm_gradients,
    normed,
    rotated,
    swiglu,
    swiglu_gradients,
    tanh_gelu,
    tanh_gelu_gradient,
)
from headwater.model.positions import Rotation
from headwater.tokens.batch import Inputs
from tests.model.conftest import tiny
from tests.model.test_network import tokens

pytestmark = pytest.mark.skipif(gathered() is None, reason="torch has no OpenMP library here that we know")
EVERY = torch.arange(1 << 16, dtype=torch.int32).to(torch.uint16).view(torch.bfloat16)
SIZES = [(1, 1), (1, 3), (5, 64), (33, 100), (100, 384)]


def formula(x: torch.Tensor) -> torch.Tensor:
    """By erfc-like care for the tail: (1 + tanh u) / 2 = sigmoid(2u)."""
    return x * torch.sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))


def assert_near(found: torch.Tensor, expected: torch.Tensor) -> None:
    """To bf16's rounding; what is nearly nothing may be nothing."""
    assert torch.equal(found.isnan(), expected.isnan())
    known = expected.isfinite() & (expected.abs() < 3.3e38)
    torch.testing.assert_close(found[known].double(), expected[known], rtol=2**-8 + 1e-4, atol=1e-30)


def test_gelu_of_every_number() -> None:
    usual = EVERY.isfinite()
    assert_near(tanh_gelu(EVERY[usual]), formula(EVERY[usual].double()))
    assert tanh_gelu(torch.tensor([math.inf]).bfloat16()).item() == math.inf
    assert tanh_gelu(EVERY[EVERY.isnan()]).isnan().all()


def test_gelus_gradient_of_every_number() -> None:
    x = EVERY[EVERY.isfinite() & (EVERY.abs() < 1e12)].double().requires_grad_()
    (slope,) = torch.autograd.grad(formula(x).sum(), x)
    found = tanh_gelu_gradient(torch.full_like(x, 2, dtype=torch.bfloat16), x.detach().bfloat16())
    assert torch.equal(found.isnan(), torch.zeros(len(x), dtype=torch.bool))
    torch.testing.assert_close(found.double(), 2 * slope, rtol=2**-8, atol=2e-6)
    lost = torch.tensor([math.nan, 1.0]).bfloat16()
    assert tanh_gelu_gradient(lost, lost.flip(0)).isnan().all(), "the guard must see a number that is none"


def test_swiglu_of_every_gate() -> None:
    """Beside each other in one tensor, as a product of two layers leaves them."""
    usual = EVERY[EVERY.isfinite() & (EVERY.abs() < 1e15)]
    both = torch.stack((usual, torch.full_like(usual, -1.5))).repeat(3, 1, 1).flatten(1)
    gate, up = both.split(len(usual), dim=-1)
    wide = [x.double().requires_grad_() for x in (gate, up)]
    expected = functional.silu(wide[0]) * wide[1]
    assert_near(swiglu(gate, up), expected.detach())
    grad = torch.full(gate.shape, 2.0).bfloat16()
    expected.backward(grad.double())
    for found, x in zip(swiglu_gradients(grad, gate, up), wide, strict=True):
        assert x.grad is not None and found.is_contiguous()
        torch.testing.assert_close(found.double(), x.grad, rtol=2**-8, atol=1e-5)
    lost = torch.tensor([[math.nan, 1.0]]).bfloat16()
    assert swiglu(lost, lost.flip(1)).isnan().all() and swiglu_gradients(lost.flip(1), lost, lost)[0].isnan().all()


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize("scaling", [None, Scaling(kind="yarn", factor=4.0, original_context=8)], ids=str)
def test_turning_and_its_gradient(share: float, scaling: Scaling | None) -> None:
    """As the formula in fp64 turns; of a view of a wider tensor, with places that differ between rows."""
    at = torch.stack((torch.arange(7), torch.arange(7) + 100))
    turn = Rotation.at(at, RoPE(share=share, scaling=scaling), 12)
    x = torch.randn(2, 7, 40, generator=torch.Generator().manual_seed(0)).bfloat16()[..., 2:38].view(2, 7, 3, 12)
    exact = Rotation(turn.cos_BT1R.double(), turn.sin_BT1R.double(), False)
    wide = x.double().requires_grad_()
    expected = exact.apply(wide)
    assert_near(rotated(x, turn.cos_BT1R, turn.sin_BT1R, 1.0), expected.detach())
    grad = torch.randn(2, 7, 3, 12, generator=torch.Generator().manual_seed(1)).bfloat16()
    expected.backward(grad.double())
    assert wide.grad is not None
    torch.testing.assert_close(rotated(grad, turn.cos_BT1R, turn.sin_BT1R, -1.0).double(), wide.grad, rtol=2**-7, atol=1e-6)


def rows(N: int, D: int) -> dict[str, torch.Tensor]:
    drawn = torch.Generator().manual_seed(N * D)
    x, stream = (3 * torch.randn(N, D, generator=drawn) + 1 for _ in range(2))
    weight, bias = torch.rand(D, generator=drawn) + 0.5, torch.randn(D, generator=drawn)
    return {"x": x, "stream": stream, "weight": weight, "bias": bias, "grad": torch.randn(N, D, generator=drawn).bfloat16()}


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize(("N", "D"), SIZES)
def test_a_norm_and_its_gradients(N: int, D: int, biased: bool, centred: bool) -> None:
    said = rows(N, D)
    x, weight, bias = (said[name].double().requires_grad_() for name in ("x", "weight", "bias"))
    eps = 1e-3
    around = functional.layer_norm(x, (D,), weight, eps=eps) if centred else functional.rms_norm(x, (D,), weight, eps=eps)
    expected = around + bias if biased else around
    ((expected * said["grad"].double()).sum() + (x * said["stream"].double()).sum()).backward()
    found, mean_N, scale_N = normed(said["x"], said["weight"], said["bias"] if biased else None, eps, centred)
    assert_near(found, expected.detach())
    grads = norm_gradients(said["grad"], said["stream"], said["x"], said["weight"], mean_N, scale_N, centred)
    assert x.grad is not None and weight.grad is not None
    torch.testing.assert_close(grads[0].double(), x.grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(grads[1].double(), weight.grad, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(grads[2].double(), said["grad"].double().sum(0), rtol=1e-4, atol=1e-4)


def test_a_number_that_is_none_stays_in_its_row() -> None:
    said = rows(5, 64)
    said["x"][2, 7] = math.nan
    found, mean_N, scale_N = normed(said["x"], said["weight"], None, 1e-5, True)
    assert found.isnan().any(1).tolist() == [False, False, True, False, False]
    grad, of_weight, _ = norm_gradients(said["grad"], said["stream"], said["x"], said["weight"], mean_N, scale_N, True)
    assert grad.isnan().any(1).tolist() == [False, False, True, False, False] and of_weight.isnan().all()


def test_a_sum_of_two_dtypes() -> None:
    said = rows(33, 100)
    assert torch.equal(added(said["x"], said["grad"]), said["x"] + said["grad"].float())
    assert torch.equal(added(said["x"].T, said["grad"].T), (said["x"] + said["grad"].float()).T)


@pytest.mark.usefixtures("threads")
def test_any_number_of_threads_gives_the_same_bits() -> None:
    said, found = rows(100, 384), []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        n, mean_N, scale_N = normed(said["x"], said["weight"], said["bias"], 1e-5, True)
        found.append((n, *norm_gradients(n, said["stream"], said["x"], said["weight"], mean_N, scale_N, True), tanh_gelu(n)))
    for others in found[1:]:
        assert all(map(torch.equal, found[0], others))


@pytest.mark.parametrize(
    "changes",
    [
        {"norm": {"kind": "layer"}, "biases": True, "feed_forward": {"kind": "gelu"}},
        {"norm": {"kind": "layer", "place": "post"}, "feed_forward": {"kind": "geglu"}},
        {"norm": {"place": "sandwich"}, "dropout": 0.1},
        {"norm": {"kind": "layer", "place": "deep"}, "biases": True},
        {"block": "parallel"},
        {"block": "parallel-two-norms", "norm": {"kind": "layer"}, "biases": True},
        {"norm": {"kind": "none"}},
        {"positions": {"kind": "rope", "share": 0.5}, "feed_forward": {"kind": "swiglu"}, "qk_norm": True},
    ],
    ids=str,
)
def test_a_network_learns_the_same_with_torchs_operators(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    network, inputs = tiny(**changes).build(0).train(), Inputs(tokens(3, 20))

    def gradients() -> list[torch.Tensor]:
        network.zero_grad()
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16):
            logits_BTV = network(inputs)
        functional.log_softmax(logits_BTV.float(), dim=-1)[..., 5].sum().backward()
        return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]

    ours = gradients()
    for module in (norms, feed_forward, positions):
        monkeypatch.setattr(module, "in_one_pass", lambda x: False)
    torchs = gradients()
    assert len(ours) == len(torchs) > 0
    for mine, theirs in zip(ours, torchs, strict=True):
        assert torch.linalg.vector_norm(mine - theirs) <= 0.03 * torch.linalg.vector_norm(theirs)
