"""Who is moved by what, that state survives a checkpoint, and that each kind moves as torch's own or as its paper says."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from headwater.training.config import SGD, Adafactor, Adam, AdamW, Lion, Muon, OptimizerConfig, Rates, RMSprop, ScheduleFree
from headwater.training.optimizer import Optimizers

CONFIGS = [
    AdamW(lr=1e-2),
    AdamW(lr=1e-2, l1=1e-3, l2=1e-2, decay="all"),
    Adam(lr=1e-2, l2=1e-2),
    SGD(lr=1e-2),
    SGD(lr=1e-2, momentum=0.9, nesterov=True),
    RMSprop(lr=1e-2, momentum=0.5),
    Adafactor(),
    Adafactor(factored=False, momentum=0.9, weight_decay=1, decay_power=2),
    Lion(lr=1e-2),
    ScheduleFree(lr=1e-2),
    Muon(lr=1e-2),
]
NAMES = [f"{number}-{config.kind}" for number, config in enumerate(CONFIGS)]


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.attention = nn.Linear(8, 8)
        self.scores = nn.Embedding(4, 2)  # a table of biases
        self.experts = nn.Parameter(torch.randn(3, 6, 8) / 3)
        self.experts_bias = nn.Parameter(torch.zeros(3, 6))


class Toy(nn.Module):
    """Every sort of parameter that a network may have, under the names that networks have."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Module()
        self.embedding.tokens = nn.Embedding(11, 8)
        self.embedding.blocks = nn.Embedding(5, 8)  # GLM's second positions
        self.stack = nn.Module()
        self.stack.blocks = nn.ModuleList(Block() for _ in range(2))
        self.encoder = nn.Module()
        self.encoder.blocks = nn.ModuleList(Block() for _ in range(3))
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 11)
        self.ahead = nn.ModuleList([Block()])  # of multi-token prediction


def push(network: nn.Module, optimizers: Optimizers, step: int, share: float = 0.5) -> None:
    """One step on made-up gradients."""
    draw = torch.Generator().manual_seed(step)
    for _, parameter in optimizers.named:
        parameter.grad = torch.randn(parameter.shape, generator=draw)
    optimizers.step(share)


def flat(network: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def test_muon_moves_the_matrices_inside_the_blocks_and_nothing_else() -> None:
    network = Toy()
    muon, adamw = Optimizers(Muon(), network).parts
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    sets = [{names[id(parameter)] for group in part.param_groups for parameter in group["params"]} for part in (muon, adamw)]
    blocks = ["stack.blocks.0", "stack.blocks.1", "encoder.blocks.0", "encoder.blocks.1", "encoder.blocks.2", "ahead.0"]
    assert sets[0] == {f"{block}.{part}" for block in blocks for part in ("attention.weight", "experts")}
    assert sets[1] == set(names.values()) - sets[0]
    assert {"embedding.tokens.weight", "embedding.blocks.weight", "stack.blocks.0.scores.weight", "stack.blocks.0.experts_bias"} <= sets[1]


@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
def test_every_parameter_has_one_group_and_only_matrices_decay(config: OptimizerConfig) -> None:
    network = Toy()
    optimizers = Optimizers(config, network)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    seen = []
    for part in optimizers.parts:
        for group in part.param_groups:
            for parameter in group["params"]:
                name = names[id(parameter)]
                seen.append(name)
                matrix = parameter.ndim >= 2 and not name.endswith("bias")
                asked = getattr(config, "weight_decay", 0.0) if part is not optimizers.parts[-1] or config.kind != "muon" else 0.1
                assert group["weight_decay"] == (asked if matrix or config.decay == "all" else 0.0), name
    assert sorted(seen) == sorted(names.values())


@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
def test_the_share_scales_every_rate(config: OptimizerConfig) -> None:
    network = Toy()
    optimizers = Optimizers(config, network)
    push(network, optimizers, 0)
    rates = [group["lr"] for part in optimizers.parts for group in part.param_groups]
    assert rates == [0.5 * peak for peaks in optimizers.peaks for peak in peaks]


@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
def test_a_share_of_nothing_moves_nothing(config: OptimizerConfig) -> None:
    network = Toy()
    before = flat(network)
    push(network, Optimizers(config, network), 0, share=0.0)
    assert torch.equal(flat(network), before)


@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
def test_equal_bits_after_state_was_put_into_a_new_one(config: OptimizerConfig) -> None:
    network = Toy()
    optimizers = Optimizers(config, network)
    for step in range(3):
        push(network, optimizers, step)
    twin = copy.deepcopy(network)
    resumed = Optimizers(config, twin)
    push(copy.deepcopy(twin), resumed, 99)  # what it holds before is forgotten
    state = {name: tensor.clone() for name, tensor in optimizers.state().items()}
    assert state or config.kind == "sgd"
    twin.load_state_dict(network.state_dict())
    resumed.load(state)
    for step in range(3, 6):
        push(network, optimizers, step)
        push(twin, resumed, step)
    for (name, one), (_, other) in zip(network.named_parameters(), twin.named_parameters(), strict=True):
        assert torch.equal(one, other), name
    assert all(torch.equal(value, resumed.averages()[name]) for name, value in optimizers.averages().items())


@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
def test_what_the_state_does_not_name_is_forgotten(config: OptimizerConfig) -> None:
    """Going back to before the first step leaves no moment of the steps since."""
    network = Toy()
    optimizers = Optimizers(config, network)
    push(network, optimizers, 1)
    network.load_state_dict(Toy().state_dict())
    optimizers.load({})
    push(network, optimizers, 2)
    push(fresh := Toy(), Optimizers(config, fresh), 2)
    assert torch.equal(flat(network), flat(fresh))


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("config", "peer"),
    [
        (AdamW(lr=1e-2, decay="all"), lambda p: torch.optim.AdamW(p, lr=1e-2, betas=(0.9, 0.95), weight_decay=0.1)),
        (Adam(lr=1e-2, l2=0.3, decay="all"), lambda p: torch.optim.Adam(p, lr=1e-2, weight_decay=0.3)),
        (SGD(lr=1e-2, momentum=0.9, l2=0.3, decay="all"), lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, weight_decay=0.3)),
        (SGD(lr=1e-2, momentum=0.9, nesterov=True), lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, nesterov=True)),
        (RMSprop(lr=1e-2, l2=0.3, decay="all"), lambda p: torch.optim.RMSprop(p, lr=1e-2, weight_decay=0.3)),
    ],
)
def test_moves_as_torch_does_and_l2_is_its_coupled_decay(config: OptimizerConfig, peer: Any) -> None:
    ours, theirs = Toy(), Toy()
    optimizers, other = Optimizers(config, ours), peer(theirs.parameters())
    for step in range(5):
        push(ours, optimizers, step, share=1.0)
        draw = torch.Generator().manual_seed(step)
        for parameter in theirs.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=draw)
        other.step()
    torch.testing.assert_close(flat(ours), flat(theirs), rtol=1e-5, atol=1e-6)


def test_l1_adds_the_sign_to_what_decays() -> None:
    network = Toy()
    before = copy.deepcopy(network)
    optimizers = Optimizers(SGD(lr=0.1, l1=0.5), network)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizers.step(1.0)
    torch.testing.assert_close(network.head.weight, before.head.weight - 0.05 * before.head.weight.sign())
    assert torch.equal(network.head.bias, before.head.bias)
    assert torch.equal(network.norm.weight, before.norm.weight)


def test_rates_by_layer_and_by_the_callers_multipliers() -> None:
    """SGD on gradients of one moves every weight by its rate."""
    network = Toy()
    before = copy.deepcopy(network)
    optimizers = Optimizers(SGD(lr=1.0), network, Rates(layer_decay=0.5), {"head.weight": 0.25, "stack.blocks.1.attention.weight": 3.0})
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizers.step(1.0)
    moved = {
        name: float((old - new).detach().mean()) for (name, old), new in zip(before.named_parameters(), network.parameters(), strict=True)
    }
    expected = {
        "head.weight": 0.25,
        "head.bias": 1.0,
        "norm.weight": 1.0,
        "stack.blocks.1.attention.weight": 1.5,
        "stack.blocks.1.attention.bias": 0.5,
        "stack.blocks.0.experts": 0.25,
        "encoder.blocks.2.attention.weight": 0.5,
        "encoder.blocks.0.attention.weight": 0.125,
        "embedding.tokens.weight": 0.0625,
        "embedding.blocks.weight": 0.0625,
        "ahead.0.attention.weight": 1.0,
    }
    assert {name: moved[name] for name in expected} == pytest.approx(expected, rel=1e-4)


def test_a_multiplier_of_no_parameter_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match=r"head\.wieght"):
        Optimizers(SGD(), Toy(), multipliers={"head.wieght": 2.0})


@pytest.mark.parametrize(
    ("config", "steps"),
    [
        (AdamW(lr=0.05, weight_decay=0.0), 400),
        (Adam(lr=0.05), 400),
        (SGD(lr=0.1), 500),
        (SGD(lr=0.02, momentum=0.9, nesterov=True), 200),
        (RMSprop(lr=0.02), 400),
        (Adafactor(lr=0.05), 600),
        (Adafactor(lr=0.05, factored=False, momentum=0.9), 600),
        (Lion(lr=0.02, weight_decay=0.0), 600),
        (ScheduleFree(lr=0.1, weight_decay=0.0), 400),
    ],
    ids=lambda value: getattr(value, "kind", str(value)),
)
def test_finds_the_bottom_of_a_quadratic(config: OptimizerConfig, steps: int) -> None:
    """½ Σ c (w − target)² with curvatures from 0.3 to 3, at a rate that falls to 0 in a line (the schedule-free one's does not)."""
    network = nn.Linear(4, 3)
    torch.manual_seed(1)
    target, curvature = torch.randn(3, 4), torch.linspace(0.3, 3, 12).view(3, 4)
    start = float((network.weight.detach() - target).abs().max())
    optimizers = Optimizers(config, network)
    for step in range(steps):
        optimizers.zero_grad()
        (0.5 * curvature * (network.weight - target) ** 2).sum().backward()
        optimizers.step(1.0 if config.kind == "schedule_free" else 1 - step / steps)
    found = optimizers.averages().get("weight", network.weight.detach())
    assert float((found - target).abs().max()) < 0.02 * start


def test_palm_s_decay_is_the_square_of_the_rate() -> None:
    network = nn.Linear(4, 3, bias=False)
    before = network.weight.detach().clone()
    optimizers = Optimizers(Adafactor(lr=0.01, weight_decay=1, decay_power=2), network)
    for share in (1.0, 0.5):
        network.weight.grad = torch.zeros_like(network.weight)
        optimizers.step(share)
    torch.testing.assert_close(network.weight.detach(), before * (1 - 1e-4) * (1 - 0.25e-4), rtol=0, atol=1e-7)
