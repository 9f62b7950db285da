"""headwater/model/recompute.py: the same bits with less memory, and no trace of the second pass."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch

from headwater.core.hardware import cpu_has_bf16
from headwater.model import recompute
from headwater.model.network import Network
from headwater.model.notes import Notes
from headwater.tokens.batch import Inputs
from headwater.tokens.masks import causal, documents
from tests.model.conftest import GPT2_LIKE, tiny
from tests.model.test_network import tokens

MOE = {"kind": "moe", "experts": 4, "top_k": 2, "expert": {"kind": "swiglu", "width": 16}, "balance_loss": 0.01, "router_z_loss": 0.001}
KINDS: dict[str, dict[str, Any]] = {
    "dropout": {"dropout": 0.2},
    "dropout, gpt2-like": {**GPT2_LIKE, "kv_heads": None, "dropout": 0.2, "attention_dropout": 0.1},
    "stochastic depth, alibi": {"positions": {"kind": "alibi"}, "stochastic_depth": 0.5},
    "t5 buckets": {"positions": {"kind": "t5", "buckets": 8, "max_distance": 16}, "dropout": 0.1},
    "experts with losses": {"feed_forward": MOE, "dropout": 0.1},
    "experts with a bias": {"feed_forward": {**MOE, "balance_loss": 0, "balance_rate": 0.01, "capacity_factor": 1.0}},
    "batch norm": {"kind": "encoder", "norm": {"kind": "batch"}, "dropout": 0.1, "head": {"kind": "mlm"}},
    "encoder-decoder": {"kind": "encoder-decoder", "encoder_layers": 2, "dropout": 0.1},
    "lstm": {"mixer": {"kind": "lstm"}, "positions": {"kind": "none"}, "kv_heads": None, "dropout": 0.1},
}
SEGMENTS = torch.tensor([[1, 1, 1, 1, 2, 2, 2, 2, 2, 0], [1] * 10])


def learned(network: Network, *, again: bool, bf16: bool) -> dict[str, Any]:
    """All that a training pass leaves behind."""
    network.train().recompute(again)
    network.zero_grad()
    torch.manual_seed(5)
    x = Inputs(tokens(2, 10), mask=causal() & documents(), segments_BT=SEGMENTS)
    source = Inputs(tokens(2, 7, seed=1)) if network.encoder is not None else None
    notes = Notes()
    with torch.autocast("cpu", torch.bfloat16) if bf16 else contextlib.nullcontext():
        loss = network(x, source=source, notes=notes).square().mean() + notes.loss
    loss.backward()
    left = {name: parameter.grad for name, parameter in network.named_parameters()}
    left |= {f"buffer {name}": buffer.clone() for name, buffer in network.named_buffers()}
    left |= {f"chosen {name}": part.chosen_E for name, part in network.named_modules() if getattr(part, "chosen_E", None) is not None}
    left |= {f"loads {name}": load for name, load in notes.loads.items()}
    return left | {"loss": loss.detach(), "losses": torch.tensor(len(notes.losses)), "generator": torch.get_rng_state()}


@pytest.mark.parametrize("bf16", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_learned_and_counted_is_the_same_to_the_bit(kind: str, bf16: bool) -> None:
    if bf16 and not cpu_has_bf16():
        pytest.skip("no bf16 units")
    kept, anew = (learned(tiny(**KINDS[kind]).build(0), again=again, bf16=bf16) for again in (False, True))
    assert kept.keys() == anew.keys()
    for name, tensor in kept.items():
        assert tensor is not None, name
        assert torch.equal(tensor, anew[name]), name


@pytest.mark.parametrize("kind", ["experts with a bias", "batch norm"])
def test_without_putting_back_it_would_count_twice(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recompute, "without_trace", lambda block: contextlib.nullcontext())
    kept, anew = (learned(tiny(**KINDS[kind]).build(0), again=again, bf16=False) for again in (False, True))
    assert any(not torch.equal(tensor, anew[name]) for name, tensor in kept.items() if name.startswith(("chosen", "buffer")))


def test_a_block_keeps_its_input_alone() -> None:
    """What autograd holds of eight layers between the passes, in bytes: the stream before each one, and little else."""

    def held(again: bool) -> int:
        network = tiny(layers=8, context=512, width=64, dropout=0.1, vocab_size=300).build(0).train()
        network.recompute(again)
        x_BTD = torch.randn(2, 512, 64, requires_grad=True)
        inputs = Inputs(tokens(2, 512))
        kept: dict[int, int] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        alive: list[Any] = []
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: (alive.append(tensor), keep(tensor))[1], lambda tensor: tensor):
            alive.append(network.stack(x_BTD, inputs, torch.arange(512)[None]))
        weights = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
        return sum(size for place, size in kept.items() if place not in weights)

    stream = 2 * 512 * 64 * 4
    assert held(True) < 12 * stream
    assert held(False) > 8 * 10 * stream


def test_nothing_is_made_anew_without_gradients() -> None:
    network = tiny(dropout=0.1).build(0).eval()
    network.recompute(True)
    with torch.no_grad():
        assert network(tokens(1, 8)).grad_fn is None


@pytest.mark.slow
def test_compiled_blocks_learn_the_same_either_way() -> None:
    network = tiny(dropout=0.2).build(0)
    for block in network.stack.blocks:
        block.compile()
    kept, anew = (learned(network, again=again, bf16=False) for again in (False, True))
    for name, tensor in kept.items():
        assert torch.equal(tensor, anew[name]), name
