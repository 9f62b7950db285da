from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from headwater.model.attention import Attention
from headwater.model.config import ModelConfig
from headwater.model.init import build, multipliers, shapes
from headwater.model.init_config import misfit
from headwater.model.kernels import Scores
from headwater.model.network import Network
from headwater.tokens.batch import Inputs
from tests.model.conftest import tiny

SCHEMES: dict[str, dict[str, Any]] = {
    "normal": {"kind": "normal"},
    "xavier uniform": {"kind": "xavier"},
    "xavier normal": {"kind": "xavier", "distribution": "normal", "gain": 0.5},
    "kaiming in": {"kind": "kaiming"},
    "kaiming out": {"kind": "kaiming", "fan": "out", "distribution": "uniform"},
    "fan_in": {"kind": "fan_in"},
    "small": {"kind": "small"},
    "uniform": {"kind": "uniform", "limit": 0.05},
    "t5": {"kind": "t5"},
    "t_fixup": {"kind": "t_fixup"},
    "deepnorm": {"kind": "deepnorm"},
    "glm-130b": {"kind": "deepnorm", "beta": 0.5},
    "mup": {"kind": "mup", "base_width": 16},
}
NEEDS: dict[str, dict[str, Any]] = {
    "t_fixup": {"norm": {"kind": "none"}, "embedding": {"scale": "width"}},
    "deepnorm": {"norm": {"kind": "layer", "place": "deep"}},
    "fan_in": {"head": {"scale": "width"}},
    "t5": {"head": {"scale": "width"}, "attention_scale": 1.0},
}
PARTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "experts": {"feed_forward": {"kind": "moe", "shared": 1, "expert": {"width": 48}}, "biases": True},
    "t5 positions": {"positions": {"kind": "t5"}, "tied": False},
    "xl": {"positions": {"kind": "xl"}},
}


def test_a_tensor_depends_on_its_name_alone() -> None:
    """More layers, another head, an earlier draw: what is drawn for a name stays (std that depends on layers is switched off)."""
    init = {"std": 0.02, "residual_scaling": False}
    small = dict(build(tiny(layers=1, init=init), seed=3).named_parameters())
    torch.randn(17)
    large = dict(build(tiny(layers=3, init=init, tied=False), seed=3).named_parameters())
    assert all(torch.equal(tensor, large[name]) for name, tensor in small.items())


def test_building_draws_nothing_from_the_global_stream() -> None:
    torch.manual_seed(0)
    build(tiny(), seed=1)
    after = torch.rand(4)
    torch.manual_seed(0)
    assert torch.equal(after, torch.rand(4))


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES.keys())
def test_seeds_and_tensors_differ_and_a_seed_repeats(scheme: dict[str, Any]) -> None:
    config = tiny(init=scheme, **NEEDS.get(scheme["kind"], {}))
    one, two, again = (dict(build(config, seed=seed).named_parameters()) for seed in (1, 2, 1))
    assert not torch.equal(one["embedding.tokens.weight"], two["embedding.tokens.weight"])
    assert not torch.equal(one["stack.blocks.0.attention.query.weight"], one["stack.blocks.1.attention.query.weight"])
    assert all(torch.equal(tensor, again[name]) for name, tensor in one.items())


def test_shapes_are_the_built_ones() -> None:
    config = tiny(biases=True, tied=False)
    assert shapes(config) == {name: tuple(tensor.shape) for name, tensor in build(config, 0).named_parameters()}


def test_what_is_not_drawn() -> None:
    """Norms 1, biases 0 (of all experts at once, too), BatchNorm's counts and the balancing bias at their beginning."""
    experts = {"kind": "moe", "balance_rate": 0.01, "expert": {"kind": "gelu", "width": 8}}
    network = build(tiny(kind="encoder", norm={"kind": "batch"}, biases=True, feed_forward=experts), 0)
    for name, tensor in network.state_dict().items():
        if "norm.weight" in name or name.endswith("variance"):
            assert tensor.eq(1).all(), name
        elif name.endswith(("bias", "mean", "balance")):
            assert tensor.eq(0).all(), name
    xl = build(tiny(positions={"kind": "xl"}), 0)
    assert xl.stack.blocks[0].attention.relative.content_bias.eq(0).all()


def test_an_lstms_forget_gates_begin_open() -> None:
    """Jozefowicz et al. 2015: a forget bias of 1; the gates stand in torch's order i, f, g, o."""
    network = build(tiny(mixer={"kind": "lstm"}, positions={"kind": "none"}), 0)
    for block in network.stack.blocks:
        assert block.attention.bias.view(4, 32).tolist() == [[0.0] * 32, [1.0] * 32, [0.0] * 32, [0.0] * 32]


@pytest.mark.parametrize("kind", ["normal", "xavier"])
def test_a_scalar_head_begins_with_its_own_spread(kind: str) -> None:
    """1/sqrt(D + 1) (Stiennon et al. 2020), whatever the scheme."""
    drawn = [build(tiny(width=255, heads=3, kv_heads=3, layers=1, head_width=16, head={"kind": "scalar"}, init={"kind": kind}), seed)
             for seed in range(12)]  # fmt: skip
    weights = torch.cat([network.output.out.weight for network in drawn])
    assert weights.std().item() == pytest.approx(1 / 16, rel=0.05)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("stacks", ["decoder", "encoder", "encoder-decoder"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_begins_sanely(scheme: str, stacks: str, part: str) -> None:
    """Logits are finite, neither dead nor larger than a language model's should be before it has seen anything."""
    needs = NEEDS.get(SCHEMES[scheme]["kind"], {})
    config = tiny(kind=stacks, width=64, kv_heads=4, init=SCHEMES[scheme], **{**PARTS[part], **needs})
    assert misfit(config) is None
    network = build(config, 0)
    x = torch.arange(20)[None] * 13 % 262
    with torch.no_grad():
        logits = network(Inputs(x), source=x) if stacks == "encoder-decoder" else network(x)
    assert torch.isfinite(logits).all()
    assert 0.003 < logits.std().item() < 4


def steps(width: int, scheme: dict[str, Any], tied: bool) -> list[float]:
    """Mean size of what each part gives, after 4 steps of Adam at one rate."""
    network = build(tiny(width=width, heads=4, kv_heads=4, vocab_size=64, tied=tied, init=scheme), 0).train()
    factors: dict[str, float] = {}
    if scheme["kind"] == "mup":
        factors = multipliers(network.config)
        _scaled_as_mup(network, network.config)
    rate = 3e-3
    optimizer = torch.optim.Adam([{"params": [tensor], "lr": rate * factors.get(name, 1.0)} for name, tensor in network.named_parameters()])
    x = torch.randint(0, 64, (8, 17), generator=torch.Generator().manual_seed(1))
    for _ in range(4):
        loss = functional.cross_entropy(network(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    sizes: list[float] = []
    for block in network.stack.blocks:
        for module in (block.attention, block.feed_forward, block):
            module.register_forward_hook(lambda module, given, out: sizes.append(out.detach().abs().mean().item()))
    network(x[:, :-1])
    return sizes


def _scaled_as_mup(network: Network, config: ModelConfig) -> None:
    """Scores by 1/K and logits by base_width / width, as the config's scheme says."""
    for module in network.modules():
        if isinstance(module, Attention):
            module.scores = Scores(1 / config.head_features)
    network.output.scale = config.init.base_width / config.width


@pytest.mark.parametrize("tied", [False, True])
def test_coordinate_check(tied: bool) -> None:
    """Yang et al. 2022, appendix D.1: after a few steps activations are as large at width 512 as at 64 under muP; else they grow."""
    widths = (64, 512) if tied else (64, 128, 256, 512)
    mup = [steps(width, {"kind": "mup", "base_width": 64}, tied) for width in widths]
    for sizes in zip(*mup, strict=True):
        assert max(sizes) / min(sizes) < 1.35
    plain = [steps(width, {"kind": "normal"}, tied) for width in (64, 512)]
    assert all(wide / narrow > 5 for narrow, wide in zip(*plain, strict=True))


def test_mups_rates() -> None:
    """Everything whose n_in grows learns by 1/m; tables, biases, norms and what reads logits as they are; other schemes say nothing."""
    experts = {"kind": "moe", "expert": {"kind": "gelu", "width": 128}}
    config = tiny(
        width=64, biases=True, tied=False, feed_forward=experts, positions={"kind": "learned"}, init={"kind": "mup", "base_width": 16}
    )
    factors = multipliers(config)
    assert set(factors.values()) == {0.25}
    same = set(shapes(config)) - set(factors)
    tables = {"embedding.tokens.weight", "embedding.positions.weight", "output.weight"}
    assert tables < same
    assert all("norm" in name or name.endswith("bias") for name in same - tables)
    assert {"stack.blocks.0.feed_forward.router.weight", "stack.blocks.0.feed_forward.up", "stack.blocks.1.attention.out.weight"} < set(
        factors
    )
    assert multipliers(tiny()) == {}
