"""Products: torch's own linear says what they and their gradients are, in every orientation."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from headwater.model.products import EVEN, evened, linear, through


def learned(layers: list[nn.Linear], x_BTI: torch.Tensor, *, ours: bool) -> list[torch.Tensor]:
    """Outputs and gradients in bf16 autocast, or of torch in fp32."""
    x_BTI = x_BTI.clone().requires_grad_()
    for layer in layers:
        layer.zero_grad()
    if ours:
        with torch.autocast("cpu", torch.bfloat16):
            outs = list(through(x_BTI.bfloat16(), *layers))
    else:
        outs = [layer(x_BTI) for layer in layers]
    sum((out.float() * torch.linspace(-1, 1, out.shape[-1])).sum() for out in outs).backward()  # type: ignore[union-attr]
    grads = [parameter.grad for layer in layers for parameter in layer.parameters()]
    return [x for x in (*outs, x_BTI.grad, *grads) if x is not None]


@pytest.mark.parametrize("sizes", [(16,), (8,), (48,), (160,), (16, 8, 8)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_as_torch_in_fp32_up_to_rounding(sizes: tuple[int, ...], bias: bool) -> None:
    """Narrower, equally wide, wider, a vocabulary's head, and several of one input."""
    torch.manual_seed(0)
    layers, x_BTI = [nn.Linear(16, size, bias=bias) for size in sizes], torch.randn(3, 5, 16)
    ours, torchs = learned(layers, x_BTI, ours=True), learned(layers, x_BTI, ours=False)
    assert len(ours) == len(torchs) == len(sizes) * (3 if bias else 2) + 1
    for mine, theirs in zip(ours, torchs, strict=True):
        assert mine.shape == theirs.shape
        assert torch.linalg.vector_norm(mine.float() - theirs) < 0.01 * torch.linalg.vector_norm(theirs)


def test_gradients_of_weights_are_fp32() -> None:
    layer = nn.Linear(8, 4)
    assert [x.dtype for x in learned([layer], torch.randn(2, 3, 8), ours=True)[2:]] == [torch.float32] * 2


def test_a_frozen_layer_gets_no_gradient_and_hands_one_on() -> None:
    layer = nn.Linear(8, 4).requires_grad_(False)
    found = learned([layer], torch.randn(2, 3, 8), ours=True)
    assert len(found) == 2 and found[1].any()


def test_outside_autocast_it_is_torchs_to_the_bit() -> None:
    torch.manual_seed(0)
    layer, x_BTI = nn.Linear(8, 4), torch.randn(2, 3, 8)
    assert torch.equal(linear(x_BTI, layer.weight, layer.bias), layer(x_BTI)) and torch.equal(through(x_BTI, layer)[0], layer(x_BTI))


def test_a_layer_that_does_more_than_its_product_is_called() -> None:
    layer, seen = nn.Linear(8, 4), list[int]()
    layer.register_forward_hook(lambda *_: seen.append(1))
    learned([layer], torch.randn(2, 3, 8), ours=True)
    assert seen == [1]


def test_what_comes_out_may_be_changed_in_place() -> None:
    """The loss turns logits into their gradient where they stand; with a bias, torch's linear gives a view, which forbids that."""
    layer = nn.Linear(8, 16)
    x = torch.randn(1, 5, 8, dtype=torch.bfloat16, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        out = linear(x, layer.weight, layer.bias)
    buffer = out.detach()
    buffer.fill_(1.0)
    out.backward(buffer)
    assert layer.bias.grad is not None
    assert layer.bias.grad.tolist() == [5.0] * 16


@pytest.mark.parametrize("rows", [0, 1, EVEN - 1, EVEN, EVEN + 1])
def test_rows_are_evened_where_their_number_is_compiled(rows: int) -> None:
    x_NI = torch.randn(rows, 3)
    assert evened(x_NI) is x_NI
    with torch.autocast("cpu", torch.bfloat16):
        even_NI = evened(x_NI)
    assert torch.equal(even_NI[:rows], x_NI)
    assert len(even_NI) % EVEN == 0 and len(even_NI) - rows < EVEN
    assert not even_NI[rows:].any()
