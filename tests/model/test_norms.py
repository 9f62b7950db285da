from __future__ import annotations

import numpy as np
import torch

from headwater.model.norms import LayerNorm, RMSNorm, as_operand

X = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(0)) * 3 + 1


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


def test_a_norm_computes_in_fp32_and_gives_what_products_take() -> None:
    norm = RMSNorm(8, eps=1e-5)
    exact = norm(X)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(norm(X), exact.bfloat16())
    assert as_operand(X) is X
