"""Every way of computing attention against the formula in fp64, one query at a time."""

from __future__ import annotations

import math

import pytest
import torch

from headwater.model import kernels
from headwater.model.kernels import Lowered, Scores, attend, biased, explicit, fused, lower
from headwater.tokens.masks import Mask, Places, causal, documents, full, prefix, strided, window

B, T, H, K = 3, 10, 4, 6
ORDER = torch.arange(T)[None]
SEGMENTS = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 1, 2, 2], [0] * 10, [0, 1, 2, 2, 2, 2, 2, 2, 2, 3]])
GIVEN = torch.tensor([[1, 1, 0, 1, 1, 1, 0, 0, 1, 0], [1] * 6 + [0] * 4, [0] * 10]).bool()
PLACES = Places(ORDER, ORDER, SEGMENTS, SEGMENTS, GIVEN)
MASKS = {
    "causal": causal(),
    "full": full(),
    "documents": causal() & documents(),
    "either": causal() | documents(),
    "prefix": (causal() | prefix()) & documents(),
    "window": causal() & window(3),
    "strided": causal() & (window(2) | strided(4)),
}
SCORES = Scores(1 / math.sqrt(K))
KINDS = {"plain": SCORES, "own scale": Scores(0.3), "softcap": Scores(0.8, softcap=1.5)}
BIASES = {"none": None, "shared": (1, H), "by row": (B, H)}


def tensors(heads_of_keys: int, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    made = torch.Generator().manual_seed(0)
    return [torch.randn(B, heads, T, K, generator=made).to(dtype).requires_grad_() for heads in (H, heads_of_keys, heads_of_keys)]


def biases(name: str) -> torch.Tensor | None:
    shape = BIASES[name]
    return None if shape is None else torch.randn(*shape, T, T, generator=torch.Generator().manual_seed(2)).requires_grad_()


def reference(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: Mask, scores: Scores = SCORES, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """softmax(q·k / sqrt(K)) over the allowed keys, written out."""
    allowed = mask.dense(PLACES).expand(B, T, T)
    shared = H // k.shape[1]
    rows = []
    for b in range(B):
        for h in range(H):
            for t in range(T):
                keys = allowed[b, t].nonzero()[:, 0]
                score = k[b, h // shared, keys].double() @ q[b, h, t].double() * scores.scale
                if scores.softcap is not None:
                    score = scores.softcap * torch.tanh(score / scores.softcap)
                if bias is not None:
                    score = score + bias[b % len(bias), h, t, keys].double()
                weight = torch.exp(score)
                rows.append((weight / weight.sum()) @ v[b, h // shared, keys].double())
    return torch.stack(rows).view(B, H, T, K)


@pytest.mark.parametrize("heads_of_keys", [4, 2, 1])
@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("way", ["fused", "explicit"])
def test_ways_equal_the_formula(way: str, name: str, heads_of_keys: int) -> None:
    q, k, v = tensors(heads_of_keys)
    lowered = lower(MASKS[name], PLACES, from_start=True)
    mixed = {"fused": fused, "explicit": explicit}[way](q, k, v, lowered, SCORES)
    torch.testing.assert_close(mixed.double(), reference(q, k, v, MASKS[name]), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias_name", BIASES)
@pytest.mark.parametrize("heads_of_keys", [4, 2])
@pytest.mark.parametrize("name", ["causal", "prefix", "full"])
def test_scores_with_terms_equal_the_formula_and_its_gradient(name: str, heads_of_keys: int, bias_name: str, kind: str) -> None:
    inputs, bias, scores = tensors(heads_of_keys), biases(bias_name), KINDS[kind]
    lowered = lower(MASKS[name], PLACES, from_start=True)
    mixed = attend(*inputs, lowered if bias is None else biased(lowered, bias), scores)
    exact = reference(*inputs, MASKS[name], scores, bias)
    torch.testing.assert_close(mixed.double(), exact, atol=1e-6, rtol=1e-5)
    wanted = inputs if bias is None else [*inputs, bias]
    grad = torch.randn(B, H, T, K, generator=torch.Generator().manual_seed(1))
    found = torch.autograd.grad(mixed, wanted, grad)
    for ours, theirs in zip(found, torch.autograd.grad(exact, wanted, grad.double()), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("rows_at_once", [1, 2, 3])
@pytest.mark.parametrize("kind", ["own scale", "softcap"])
@pytest.mark.parametrize("bias_name", BIASES)
def test_training_in_bf16_gives_a_bias_its_gradient(monkeypatch: pytest.MonkeyPatch, bias_name: str, kind: str, rows_at_once: int) -> None:
    monkeypatch.setattr(kernels, "SCORES_AT_ONCE", rows_at_once * H * T * T)
    inputs, bias, scores = tensors(2, torch.bfloat16), biases(bias_name), KINDS[kind]
    lowered = lower(causal(), PLACES, from_start=True)
    mixed = attend(*inputs, lowered if bias is None else biased(lowered, bias), scores)
    assert type(mixed.grad_fn).__name__ == "_RecomputedBackward"
    wanted = inputs if bias is None else [*inputs, bias]
    grad = torch.randn(B, H, T, K, generator=torch.Generator().manual_seed(1)).bfloat16()
    exact = reference(*inputs, causal(), scores, bias)
    for ours, theirs in zip(torch.autograd.grad(mixed, wanted, grad), torch.autograd.grad(exact, wanted, grad.double()), strict=True):
        assert (ours.float() - theirs.float()).norm() / theirs.float().norm() < 0.02


@pytest.mark.parametrize("scores_at_once", [1, 2 * H * T * T, 1 << 21], ids=["row by row", "two rows", "all"])
@pytest.mark.parametrize("heads_of_keys", [4, 2])
@pytest.mark.parametrize("name", MASKS)
def test_training_in_bf16_has_the_formulas_gradient(
    monkeypatch: pytest.MonkeyPatch, name: str, heads_of_keys: int, scores_at_once: int
) -> None:
    monkeypatch.setattr(kernels, "SCORES_AT_ONCE", scores_at_once)
    grad = torch.randn(B, H, T, K, generator=torch.Generator().manual_seed(1))
    inputs = tensors(heads_of_keys, torch.bfloat16)
    mixed = attend(*inputs, lower(MASKS[name], PLACES, from_start=True), SCORES)
    assert type(mixed.grad_fn).__name__ == "_RecomputedBackward"
    found = torch.autograd.grad(mixed, inputs, grad.bfloat16())
    exact = torch.autograd.grad(reference(*inputs, MASKS[name]), inputs, grad.bfloat16().double())
    for ours, theirs in zip(found, exact, strict=True):
        error = (ours.float() - theirs.float()).norm() / theirs.float().norm()
        assert error < 0.01  # bf16 keeps 8 bits: each number is off by up to 0.4 %


def test_only_bf16_training_on_short_rows_recomputes() -> None:
    def way(inputs: list[torch.Tensor], dropout: float = 0.0) -> str:
        return type(attend(*inputs, Lowered(causal=True), SCORES, dropout).grad_fn).__name__

    short = tensors(4, torch.bfloat16)
    assert way(short) == "_RecomputedBackward"
    assert way(tensors(4)) != "_RecomputedBackward"
    assert way(short, dropout=0.1) != "_RecomputedBackward"
    long = [torch.zeros(1, 1, 513, 2, dtype=torch.bfloat16, requires_grad=True) for _ in range(3)]
    assert way(long) != "_RecomputedBackward"
    with torch.no_grad():
        assert way(short) == "NoneType"


def test_a_mask_becomes_a_flag_only_where_the_flag_is_exact() -> None:
    assert lower(causal(), PLACES, from_start=True) == Lowered(causal=True)
    assert lower(causal(), PLACES, from_start=False).allowed_B1TS is not None
    assert lower(causal() & documents(), PLACES, from_start=True).allowed_B1TS is not None
