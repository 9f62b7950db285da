"""Norms and activations against plain formulas; looking changes nothing, draws nothing and leaves nothing behind."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from headwater.model.attention import Projected
from headwater.model.config import ModelConfig
from headwater.model.kernels import Lowered
from headwater.model.network import Network
from headwater.model.parts import LSTM, Plain
from headwater.objectives.causal import causal_rows
from headwater.tokens.batch import Batch
from headwater.training.loss import token_loss
from headwater.training.statistics import Look, activations, largest_score, part_of

SHAPE = ModelConfig(layers=2, width=32, heads=2, context=16, dropout=0.1, vocab_size=50)


def batch() -> Batch:
    starts = np.random.default_rng(0).integers(0, 50, (6, 1))
    return causal_rows((starts + np.arange(17)) % 50, end=0, across_documents=True)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("stack.blocks.3.attention.query.weight", "blocks.3.attention"),
        ("stack.blocks.3.attention_norm.weight", "blocks.3.attention"),
        ("stack.blocks.11.feed_forward.down.weight", "blocks.11.feed_forward"),
        ("stack.blocks.0._orig_mod.feed_forward_norm.weight", "blocks.0.feed_forward"),
        ("encoder.blocks.1.attention.out.bias", "encoder.blocks.1.attention"),
        ("stack.blocks.1.cross.key.weight", "blocks.1.cross"),
        ("stack.norm.weight", "norms"),
        ("embedding.tokens.weight", "embedding"),
        ("embedding.blocks.weight", "embedding"),
        ("output.weight", "head"),
        ("ahead.0.attention.key.weight", "ahead.0"),
    ],
)
def test_parts_of_names(name: str, part: str) -> None:
    assert part_of(name) == part


def test_norms_are_those_of_the_gradient_and_of_what_the_optimizer_did() -> None:
    network = SHAPE.build(1)
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    (token_loss(network, batch()) / batch().weight).backward()
    whole = math.sqrt(sum(float(p.grad.square().sum()) for p in network.parameters() if p.grad is not None))
    look = Look(network)
    torch.nn.utils.clip_grad_norm_(network.parameters(), 0.01)  # what is told is the gradient as it was made
    torch.optim.SGD(network.parameters(), lr=0.5).step()
    parts = look.parts(network)
    assert set(parts) == {"embedding", "norms", *(f"blocks.{n}.{part}" for n in (0, 1) for part in ("attention", "feed_forward"))}
    squares = {kind: sum((figures[kind] or 0) ** 2 for figures in parts.values()) for kind in ("gradient", "weight", "update")}
    assert math.sqrt(squares["gradient"]) == pytest.approx(whole, rel=1e-4)
    assert math.sqrt(squares["update"]) == pytest.approx(0.5 * 0.01, rel=1e-3)  # SGD: the rate times the clipped gradient
    block = [(name, p) for name, p in network.named_parameters() if name.startswith("stack.blocks.1.feed_forward")]
    moved = sum(float((before[name] - p.detach()).square().sum()) for name, p in block)
    assert parts["blocks.1.feed_forward"]["update"] == pytest.approx(math.sqrt(moved), rel=1e-4)
    assert parts["blocks.1.feed_forward"]["weight"] == pytest.approx(
        math.sqrt(sum(float(p.detach().square().sum()) for _, p in block)), rel=1e-4
    )


def test_a_refused_step_is_an_update_of_nothing_and_no_number_is_null() -> None:
    network = SHAPE.build(1)
    (token_loss(network, batch()) * math.nan).backward()
    parts = Look(network).parts(network)
    assert {figures["update"] for figures in parts.values()} == {0.0}
    assert {figures["gradient"] for figures in parts.values()} == {None}


def test_frozen_weights_are_left_out() -> None:
    network = SHAPE.build(1)
    network.embedding.requires_grad_(False)
    token_loss(network, batch()).backward()
    assert "embedding" not in Look(network).parts(network)


def _plain_stream(network: Network, given: Batch) -> list[torch.Tensor]:
    """The stream after each block, by hooks of the test's own."""
    found: list[torch.Tensor] = []
    hooks = [block.register_forward_hook(lambda _m, _i, out: found.append(out)) for block in network.stack.blocks]
    network.eval()
    with torch.no_grad():
        network.hidden(given.inputs)
    for hook in hooks:
        hook.remove()
    return found


def test_activations_are_those_of_the_first_rows() -> None:
    network = SHAPE.model_copy(update={"feed_forward": Plain(kind="relu", width=24)}).build(3)
    found = activations(network, batch(), "fp32")
    streams = _plain_stream(network, next(batch().micro(4)))
    assert list(found) == ["blocks.0", "blocks.1"]
    for figures, stream in zip(found.values(), streams, strict=True):
        assert figures["rms"] == pytest.approx(float(stream.square().mean().sqrt()), rel=1e-5)
        assert figures["most"] == pytest.approx(float(stream.abs().max()), rel=1e-5)
        assert 0.2 < (figures["zeros"] or 0) < 0.8  # of a ReLU on what is about normal, half
        assert figures["logit"] is not None


def test_dead_units_are_found() -> None:
    """A bias far below zero silences a quarter of the units for good."""
    config = SHAPE.model_copy(
        update={"feed_forward": Plain(kind="relu", width=24), "biases": SHAPE.biases.model_copy(update={"feed_forward": True})}
    )
    network = config.build(3)
    up = network.stack.blocks[1].feed_forward.up  # type: ignore[union-attr]
    with torch.no_grad():
        up.bias[:6] = -1e3  # type: ignore[index, union-attr]
    found = activations(network, batch(), "fp32")
    assert (found["blocks.1"]["dead"] or 0) >= 0.25
    assert (found["blocks.0"]["dead"] or 0) < 0.25


@pytest.mark.parametrize("masking", ["causal", "allowed", "bias", "none"])
def test_the_largest_score_is_that_of_the_whole_matrix(masking: str) -> None:
    """Queries fewer than are looked at: exact. What is masked is made the largest, and must not be found."""
    draws = torch.Generator().manual_seed(1)
    q_BHTK, k_BJSK = torch.randn(1, 4, 12, 8, generator=draws), torch.randn(1, 2, 12, 8, generator=draws)
    q_BHTK[:, :, :6] *= 10  # early queries may not see late keys
    k_BJSK[:, :, 6:] *= 10
    seen_TS = torch.ones(12, 12, dtype=torch.bool) if masking == "none" else torch.ones(12, 12, dtype=torch.bool).tril()
    bias_BHTS = torch.randn(1, 4, 12, 12, generator=draws).masked_fill(~seen_TS, -math.inf)
    mask = {"causal": Lowered(causal=True), "allowed": Lowered(allowed_B1TS=seen_TS[None, None]), "bias": Lowered(bias_BHTS=bias_BHTS),
            "none": Lowered()}[masking]  # fmt: skip
    scores = torch.einsum("bhtk,bhsk->bhts", q_BHTK, k_BJSK.repeat_interleave(2, dim=1)) * 0.3
    expected = (scores + bias_BHTS if masking == "bias" else scores.masked_fill(~seen_TS, -math.inf)).max()
    assert float(largest_score(q_BHTK, k_BJSK, mask, 0.3)) == pytest.approx(float(expected), rel=1e-5)


def test_looking_changes_nothing() -> None:
    network = SHAPE.build(1)
    bits = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(5)
    state = torch.get_rng_state()
    found = activations(network, batch(), "fp32")
    assert activations(network, batch(), "fp32") == found
    assert torch.equal(torch.get_rng_state(), state)
    assert network.training and all(module.training for module in network.modules())
    assert all(torch.equal(tensor, bits[name]) for name, tensor in network.state_dict().items())
    for module in network.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks
        assert "mixed" not in vars(module)


def test_what_another_has_put_in_place_of_a_method_stays() -> None:
    """As training/compiling.py does, so that attention is called as it is."""
    network = SHAPE.build(1)
    attention = network.stack.blocks[0].attention
    assert isinstance(attention, Projected)
    plain = attention.mixed
    calls: list[int] = []

    def theirs(*given: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return plain(*given)  # type: ignore[arg-type]

    attention.mixed = theirs  # type: ignore[method-assign, assignment]
    assert activations(network, batch(), "fp32") == activations(SHAPE.build(1), batch(), "fp32")
    assert vars(attention)["mixed"] is theirs and calls == [1]


def test_hooks_go_even_when_the_pass_breaks() -> None:
    network = SHAPE.build(1)
    with pytest.raises(IndexError):
        activations(network, causal_rows(np.full((2, 17), 99), end=0, across_documents=True), "fp32")
    assert network.training
    assert not any(module._forward_hooks or "mixed" in vars(module) for module in network.modules())


def test_what_has_no_attention_tells_what_it_has() -> None:
    network = SHAPE.model_copy(update={"mixer": LSTM()}).build(1)
    assert "logit" not in activations(network, batch(), "fp32")["blocks.0"]


@pytest.mark.slow
def test_it_hears_what_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    network = SHAPE.model_copy(update={"dropout": 0.0}).build(1)
    plain = activations(network, batch(), "fp32")
    for block in network.stack.blocks:
        block.compile(backend="eager")
    token_loss(network, batch()).backward()
    assert activations(network, batch(), "fp32") == plain
