from __future__ import annotations

import numpy as np
import pytest
import torch

from headwater.model.norms import BatchNorm, Identity, LayerNorm, RMSNorm, as_operand, build_norm
from tests.model.conftest import tiny

X = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0)) * 3 + 1
REAL = torch.tensor([[True, True, False], [True, True, True]])


def test_rms_norm_is_its_formula() -> None:
    norm = RMSNorm(8, eps=1e-3)
    torch.nn.init.normal_(norm.weight)
    x = X.double().numpy()
    expected = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-3) * norm.weight.detach().numpy()
    np.testing.assert_allclose(norm(X).detach().numpy(), expected, rtol=1e-5, atol=1e-6)
    with torch.no_grad():  # another way of computing it
        np.testing.assert_allclose(norm(X).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_rms_norm_has_the_gradient_of_its_formula() -> None:
    norm = RMSNorm(8, eps=1e-3).double()
    torch.nn.init.normal_(norm.weight)
    x = X.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x, weight: torch.func.functional_call(norm, {"weight": weight}, x), (x, norm.weight))


def test_layer_norm_is_its_formula() -> None:
    norm = LayerNorm(8, eps=1e-3, bias=True)
    assert norm.bias is not None
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = X.double().numpy()
    centred = x - x.mean(-1, keepdims=True)
    expected = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-3) * norm.weight.detach().numpy() + norm.bias.detach().numpy()
    np.testing.assert_allclose(norm(X).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def pair(eps: float = 1e-3) -> tuple[BatchNorm, torch.nn.BatchNorm1d]:
    ours, theirs = BatchNorm(8, eps), torch.nn.BatchNorm1d(8, eps)
    with torch.no_grad():
        for tensor, other in ((ours.weight, theirs.weight), (ours.bias, theirs.bias)):
            other.copy_(torch.nn.init.normal_(tensor, generator=torch.Generator().manual_seed(7)))
    return ours, theirs


@pytest.mark.oracle
@pytest.mark.parametrize("real", [REAL, None, torch.tensor([[True, False, False], [False, True, False]])])
def test_batch_norm_is_torchs_over_real_tokens(real: torch.Tensor | None) -> None:
    ours, theirs = pair()
    at = torch.ones(2, 3, dtype=torch.bool) if real is None else real
    for step in range(3):  # statistics run on
        x, other = (X + step).clone().requires_grad_(), (X + step)[at].clone().requires_grad_()
        found, expected = ours(x, real)[at], theirs(other)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
        probe = torch.randn(expected.shape, generator=torch.Generator().manual_seed(step))
        grads = torch.autograd.grad((found * probe).sum(), [x, ours.weight, ours.bias])
        their_grads = torch.autograd.grad((expected * probe).sum(), [other, theirs.weight, theirs.bias])
        torch.testing.assert_close(grads[0][at], their_grads[0], atol=1e-5, rtol=1e-4)
        assert (grads[0][~at] == 0).all()
        for mine, its in zip(grads[1:], their_grads[1:], strict=True):
            torch.testing.assert_close(mine, its, atol=1e-5, rtol=1e-4)
    assert theirs.running_mean is not None and theirs.running_var is not None
    torch.testing.assert_close(ours.mean, theirs.running_mean)
    torch.testing.assert_close(ours.variance, theirs.running_var)
    ours.eval(), theirs.eval()
    torch.testing.assert_close(ours(X, real)[at], theirs(X[at]), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours.mean, theirs.running_mean)  # evaluation counts nothing


def test_padding_moves_no_real_token_under_batch_norm() -> None:
    ours, _ = pair()
    wild = torch.where(REAL[..., None], X, 1000.0)
    torch.testing.assert_close(ours(wild, REAL)[REAL], ours(X, REAL)[REAL])
    assert not torch.allclose(ours(X)[REAL], ours(X, REAL)[REAL], atol=1e-3)


def test_one_token_does_not_divide_by_nothing() -> None:
    ours, _ = pair()
    assert ours(X[:1, :1]).isfinite().all()
    assert ours.variance.isfinite().all()


def test_a_norm_keeps_the_streams_dtype_and_products_get_theirs() -> None:
    """Under autocast the residual stream stays fp32; `as_operand` is the one cast before matrix products."""
    for norm in (RMSNorm(8, eps=1e-5), LayerNorm(8, eps=1e-5, bias=True), BatchNorm(8, eps=1e-5), Identity()):
        exact = norm(X)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(norm(X), exact)
            assert torch.equal(as_operand(norm(X)), exact.bfloat16())
    assert as_operand(X) is X
    assert Identity()(X) is X


def test_which_norm_a_config_asks_for() -> None:
    rms = build_norm(tiny(norm={"kind": "rms", "eps": 1e-3}))
    assert isinstance(rms, RMSNorm)
    assert (rms.eps, tuple(rms.weight.shape)) == (1e-3, (32,))
    assert tuple(build_norm(tiny(), 5).weight.shape) == (5,)
    plain, biased = (build_norm(tiny(norm={"kind": "layer", "eps": 1e-3}, biases=biases)) for biases in (False, True))
    assert isinstance(plain, LayerNorm)
    assert plain.bias is None and plain.eps == 1e-3
    assert isinstance(biased, LayerNorm)
    assert biased.bias is not None
    batch = build_norm(tiny(kind="encoder", norm={"kind": "batch", "eps": 1e-3}))
    assert isinstance(batch, BatchNorm)
    assert batch.eps == 1e-3
    assert isinstance(build_norm(tiny(norm={"kind": "none"})), Identity)
