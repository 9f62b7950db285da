"""headwater/model/tiles.py: the formula in fp64 says what it computes, and its gradient by autograd what it learns."""

from __future__ import annotations

import math

import pytest
import torch

from headwater.core import brgemm
from headwater.model import kernels, tiles
from headwater.model.cache import KVCache
from headwater.model.kernels import Lowered, Scores, attend
from headwater.tokens.batch import Inputs
from tests.model.conftest import tiny
from tests.model.test_network import tokens

pytestmark = pytest.mark.skipif(brgemm.found() is None, reason="no AMX here, or a torch that does not export its micro-kernel")
# B, H, J, T, S, K: one tile and many, parts of tiles, heads that share keys, other sources
SIZES = [(2, 2, 2, 2, 2, 16), (1, 3, 3, 64, 64, 64), (2, 4, 2, 100, 100, 32), (1, 2, 1, 600, 600, 48), (2, 2, 2, 70, 130, 16)]


def drawn(B: int, H: int, J: int, T: int, S: int, K: int) -> tuple[torch.Tensor, ...]:
    """q, k, v as parts of one tensor of wider lines, and a gradient."""
    draw = torch.Generator().manual_seed(T)
    wide = [torch.randn(B, length, heads * K + 8, generator=draw).bfloat16()[..., 8:] for length, heads in ((T, H), (S, J), (S, J), (T, H))]
    return tuple(x.unflatten(2, (-1, K)).transpose(1, 2) for x in wide)


def formula(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, allowed: torch.Tensor, scale: float) -> torch.Tensor:
    """What is gathered where something is allowed, else nothing."""
    shared = q.shape[1] // k.shape[1]
    weight = torch.exp(scale * torch.einsum("bhtk,bhsk->bhts", q, k.repeat_interleave(shared, 1))) * allowed
    total = weight.sum(-1, keepdim=True)
    return torch.einsum("bhts,bhsk->bhtk", weight / total.where(total > 0, 1), v.repeat_interleave(shared, 1))


def masks(B: int, T: int, S: int) -> dict[str, tuple[bool, torch.Tensor | None, torch.Tensor]]:
    """How each is said to the kernel, and as booleans."""
    some = torch.rand(B, 1, T, S, generator=torch.Generator().manual_seed(S)) < 0.3
    some[0, 0, 1] = False  # a query that sees nothing
    all_of_it = torch.ones(T, S, dtype=torch.bool)
    found = {"full": (False, None, all_of_it), "some": (False, some, some), "one for all rows": (False, some[:1], some[:1])}
    return {**found, "causal": (True, None, all_of_it.tril())} if T == S else found


@pytest.mark.parametrize(
    ("size", "name"),
    [(size, name) for size in SIZES for name in ("full", "causal", "some", "one for all rows") if name != "causal" or size[3] == size[4]],
    ids=str,
)
def test_mixture_and_gradients_equal_the_formula(size: tuple[int, ...], name: str) -> None:
    B, H, J, T, S, K = size
    causal, allowed, exact_allowed = masks(B, T, S)[name]
    q, k, v, grad = drawn(B, H, J, T, S, K)
    exact = [x.double().requires_grad_() for x in (q, k, v)]
    expected = formula(*exact, exact_allowed, 0.2)
    mixed, kept = tiles.forward(q, k, v, causal, allowed, 0.2)
    found = (mixed, *tiles.backward(grad, q, k, v, mixed, kept, causal, allowed, 0.2))
    near = 0.004 if T > 2 else 0.01  # what two tokens learn of each other is the difference of two rounded numbers
    for mine, its in zip(found, (expected, *torch.autograd.grad(expected, exact, grad.double())), strict=True):
        assert (mine.double() - its).norm() <= near * its.norm() + 1e-9
    assert torch.equal(mixed == 0, expected == 0), "a query that sees nothing gathers nothing"


def test_closer_than_rounded_scores() -> None:
    q, k, v, grad = drawn(2, 4, 4, 256, 256, 64)
    exact = [x.double().requires_grad_() for x in (q, k, v)]
    expected = torch.autograd.grad(formula(*exact, torch.ones(256, 256).tril(), 0.125), exact, grad.double())
    mixed, kept = tiles.forward(q, k, v, True, None, 0.125)
    mine = tiles.backward(grad, q, k, v, mixed, kept, True, None, 0.125)
    other = kernels._gradients(q, k, v, grad, Lowered(causal=True), 0.125, 2)
    for a, b, its in zip(mine, other, expected, strict=True):
        assert (a.double() - its).norm() < 0.8 * (b.double() - its).norm()


def test_what_is_forbidden_is_exactly_nothing() -> None:
    """By gradient: of one query's mixture alone, no later key has any; nor has it where its score is the largest of all."""
    q, k, v, grad = drawn(1, 2, 2, 130, 130, 32)
    only = torch.zeros_like(grad)
    only[:, :, 65] = grad[:, :, 65]
    k[:, :, 66:] *= 100
    mixed, kept = tiles.forward(q, k, v, True, None, 0.2)
    of_q, of_k, of_v = tiles.backward(only, q, k, v, mixed, kept, True, None, 0.2)
    assert (of_k[:, :, 66:] == 0).all() and (of_v[:, :, 66:] == 0).all() and (of_k[:, :, :66] != 0).any()
    assert (of_q[:, :, :65] == 0).all() and (of_q[:, :, 66:] == 0).all()


@pytest.mark.parametrize("size", [1e-30, 30.0, 1e4])
def test_scores_of_any_size(size: float) -> None:
    """Weights that are all equal, and such that one is all."""
    q, k, v, grad = drawn(1, 2, 2, 64, 64, 16)
    q = (q.float() * size).bfloat16()
    mixed, kept = tiles.forward(q, k, v, True, None, 1.0)
    scores = torch.einsum("bhtk,bhsk->bhts", q.double(), k.double()).masked_fill(~torch.ones(64, 64, dtype=torch.bool).tril(), -math.inf)
    expected = torch.einsum("bhts,bhsk->bhtk", scores.softmax(-1), v.double())
    assert (mixed.double() - expected).norm() <= 0.01 * expected.norm()
    assert all(x.isfinite().all() for x in tiles.backward(grad, q, k, v, mixed, kept, True, None, 1.0))


@pytest.mark.parametrize("lost", [math.nan, -math.nan, math.inf])
@pytest.mark.parametrize("place", [0, 1, 2, 3])
@pytest.mark.parametrize("name", ["causal", "some"])
def test_a_number_that_is_none_is_seen(name: str, place: int, lost: float) -> None:
    tensors = drawn(1, 2, 2, 64, 64, 16)
    tensors[place][0, 1, 5, 3] = lost
    q, k, v, grad = tensors
    causal, allowed, _ = masks(1, 64, 64)[name]
    mixed, kept = tiles.forward(q, k, v, causal, allowed, 0.25)
    grads = tiles.backward(grad, q, k, v, mixed, kept, causal, allowed, 0.25)
    assert not (mixed[0, 1] if place < 3 else grads[0][0, 1]).isfinite().all()
    assert all(x[0, 0].isfinite().all() for x in (mixed, *grads)), "the other head knows nothing of it"


def test_a_mask_may_be_one_for_all_queries() -> None:
    """Padding, as SDPA takes it: as many numbers as there are keys."""
    q, k, v, grad = drawn(3, 2, 2, 66, 66, 16)
    real_B11S = torch.arange(66) < torch.tensor([66, 30, 2])[:, None, None, None]
    found = []
    for allowed in (real_B11S, real_B11S.expand(3, 1, 66, 66).clone()):
        mixed, kept = tiles.forward(q, k, v, False, allowed, 0.2)
        found.append((mixed, *tiles.backward(grad, q, k, v, mixed, kept, False, allowed, 0.2)))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.usefixtures("threads")
def test_same_bits_with_any_number_of_threads() -> None:
    q, k, v, grad = drawn(3, 4, 2, 200, 200, 32)
    found = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        mixed, kept = tiles.forward(q, k, v, True, None, 0.2)
        found.append((mixed, kept, *tiles.backward(grad, q, k, v, mixed, kept, True, None, 0.2)))
    assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


def test_when_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def way(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: Lowered, scores: Scores, dropout: float = 0.0) -> str:
        with torch.autocast("cpu", torch.bfloat16):
            return type(attend(q.requires_grad_(), k, v, mask, scores, dropout).grad_fn).__name__

    q, k, v = drawn(2, 2, 2, 64, 64, 16)[:3]
    assert way(q, k, v, Lowered(causal=True), Scores(0.1)) == "_TiledBackward"
    others = [
        way(q.float(), k.float(), v.float(), Lowered(causal=True), Scores(0.1)),
        way(q, k, v, Lowered(causal=True), Scores(0.1, softcap=20.0)),
        way(q, k, v, Lowered(causal=True), Scores(0.1), 0.1),
        way(q, k, v, Lowered(bias_BHTS=torch.zeros(1, 2, 64, 64)), Scores(0.1)),
        way(*drawn(2, 2, 2, 63, 63, 16)[:3], Lowered(causal=True), Scores(0.1)),
        way(*drawn(2, 2, 2, 64, 64, 24)[:3], Lowered(causal=True), Scores(0.1)),
        way(q, k.float(), v.float(), Lowered(causal=True), Scores(0.1)),
        way(*drawn(3, 4, 1, 64, 64, 16)[:3], Lowered(causal=True), Scores(0.1)),
    ]
    monkeypatch.setattr(brgemm, "found", lambda: None)
    assert "_TiledBackward" not in [*others, way(q, k, v, Lowered(causal=True), Scores(0.1))]
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert attend(q, k, v, Lowered(causal=True), Scores(0.1)).shape == q.shape


def test_keys_of_a_cache_in_fp32() -> None:
    """The default cache's, with gradients on and products in bf16: they are not read as bf16."""
    config = tiny(heads=2)
    network = config.build(0)
    with torch.autocast("cpu", torch.bfloat16):
        plain = network(tokens(3, 20)).float()
        cached = network(tokens(3, 20), cache=KVCache(config, rows=3, capacity=20)).float()
    assert (plain - cached).norm() < 0.02 * plain.norm()


def test_a_network_learns_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its gradients in bf16 are as near to those of fp32 as with the other way."""
    network = tiny(heads=2).build(0)

    def gradients(bf16: bool) -> torch.Tensor:
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            network(Inputs(tokens(2, 8))).float().square().mean().backward()
        return torch.cat([parameter.grad.flatten() for parameter in network.parameters() if parameter.grad is not None])

    exact, tiled = gradients(False), gradients(True)
    monkeypatch.setattr(brgemm, "found", lambda: None)
    other = gradients(True)
    assert not torch.equal(tiled, other)
    assert (tiled - exact).norm() < 1.2 * (other - exact).norm()
