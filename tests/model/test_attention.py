from __future__ import annotations

import torch

from headwater.model.attention import Attention, Frame
from headwater.model.kernels import Lowered
from tests.model.conftest import tiny

FRAME = Frame(Lowered(causal=True), None, None)


def test_grouped_queries_are_heads_whose_keys_are_copies() -> None:
    """Ainslie et al. 2023: 2 key heads for 4 queries equal 4 key heads, each pair alike."""
    grouped = Attention(tiny(heads=4, kv_heads=2, biases=True), layer=0)
    multi = Attention(tiny(heads=4, kv_heads=4, biases=True), layer=0)
    with torch.no_grad():
        for name, tensor in multi.named_parameters():
            source = dict(grouped.named_parameters())[name]
            if name.startswith(("key", "value")):
                source = source.unflatten(0, (2, 8)).repeat_interleave(2, dim=0).flatten(0, 1)
            tensor.copy_(source)
    x = torch.randn(2, 7, 32)
    torch.testing.assert_close(grouped(x, FRAME), multi(x, FRAME), atol=1e-6, rtol=1e-5)


def test_the_first_token_gathers_only_itself() -> None:
    part = Attention(tiny(kv_heads=4), layer=0)
    x = torch.randn(1, 5, 32)
    torch.testing.assert_close(part(x, FRAME)[:, 0], part.out(part.value(x))[:, 0])


def test_dropout_is_for_training_alone() -> None:
    part = Attention(tiny(dropout=0.5), layer=0)
    x = torch.randn(1, 5, 32)
    assert not torch.equal(part(x, FRAME), part(x, FRAME))
    part.eval()
    assert torch.equal(part(x, FRAME), part(x, FRAME))
