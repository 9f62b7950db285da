"""Who is moved by what, and that state survives a checkpoint."""

from __future__ import annotations

import copy

import pytest
import torch

from headwater.model.config import ModelConfig
from headwater.model.network import Network
from headwater.training.config import AdamW, Muon
from headwater.training.optimizer import Optimizers

SHAPE = ModelConfig(layers=2, width=32, heads=2, context=16, biases=True, tied=False, vocab_size=50)
CONFIGS = [AdamW(lr=1e-2), Muon(lr=1e-2)]


def push(network: Network, optimizers: Optimizers, step: int) -> None:
    """One step on made-up gradients."""
    draw = torch.Generator().manual_seed(step)
    for _, parameter in optimizers.named:
        parameter.grad = torch.randn(parameter.shape, generator=draw)
    optimizers.step(0.5)


def test_muon_moves_the_matrices_inside_the_blocks_and_nothing_else() -> None:
    network = SHAPE.build(1)
    muon, adamw = Optimizers(Muon(), network).parts
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    inside = {names[id(parameter)] for group in muon.param_groups for parameter in group["params"]}
    outside = {names[id(parameter)] for group in adamw.param_groups for parameter in group["params"]}
    assert inside == {name for name, parameter in network.named_parameters() if name.startswith("blocks.") and parameter.ndim == 2}
    assert not inside & outside
    assert "embedding.weight" in outside


@pytest.mark.parametrize("config", CONFIGS)
def test_vectors_do_not_decay(config: AdamW | Muon) -> None:
    optimizers = Optimizers(config, SHAPE.build(1))
    for part in optimizers.parts:
        for group in part.param_groups:
            for parameter in group["params"]:
                assert (group["weight_decay"] > 0) == (parameter.ndim >= 2)


@pytest.mark.parametrize("config", CONFIGS)
def test_the_share_scales_every_rate(config: AdamW | Muon) -> None:
    network = SHAPE.build(1)
    optimizers = Optimizers(config, network)
    push(network, optimizers, 0)
    rates = [group["lr"] for part in optimizers.parts for group in part.param_groups]
    assert rates == [0.5 * peak for peaks in optimizers.peaks for peak in peaks]


@pytest.mark.parametrize("config", CONFIGS)
def test_equal_bits_after_state_was_put_into_a_new_one(config: AdamW | Muon) -> None:
    network = SHAPE.build(1)
    optimizers = Optimizers(config, network)
    for step in range(3):
        push(network, optimizers, step)
    twin = copy.deepcopy(network)
    resumed = Optimizers(config, twin)
    resumed.load({name: tensor.clone() for name, tensor in optimizers.state().items()})
    for step in range(3, 6):
        push(network, optimizers, step)
        push(twin, resumed, step)
    for (name, one), (_, other) in zip(network.named_parameters(), twin.named_parameters(), strict=True):
        assert torch.equal(one, other), name
