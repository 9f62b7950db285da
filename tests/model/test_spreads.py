from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from headwater.model.init import build, shapes
from headwater.model.init_config import misfit
from headwater.model.spreads import Tensor, deepnorm_beta, is_matrix, std, t_fixup
from tests.model.conftest import tiny

D, H, K, F, L, V = 256, 8, 48, 640, 8, 262
BLOCK = "stack.blocks.5"


def big(**changes: Any) -> dict[str, Any]:
    base = {"width": D, "heads": H, "kv_heads": 2, "head_width": K, "layers": L, "feed_forward": {"kind": "gelu", "width": F}}
    if changes.get("init", {}).get("kind") == "fan_in":
        base["head"] = {"kind": "lm", "scale": "width"}
    return {**base, **changes}


# What each scheme's paper says of these tensors, written out. n_in and n_out: query 256 -> 384, value 256 -> 96, out 384 -> 256,
# up 256 -> 640, down 640 -> 256.
XAVIER = {
    "query": math.sqrt(2 / 640),
    "value": math.sqrt(2 / 352),
    "out": math.sqrt(2 / 640),
    "up": math.sqrt(2 / 896),
    "down": math.sqrt(2 / 896),
}
EXPECTED: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
    "gpt-2": (
        {"kind": "normal", "std": 0.05},
        {"query": 0.05, "value": 0.05, "out": 0.05 / 4, "up": 0.05, "down": 0.05 / 4, "tokens": 0.05},
    ),
    "bert": ({"kind": "normal", "residual_scaling": False}, dict.fromkeys(("query", "value", "out", "up", "down", "tokens"), 0.02)),
    "xavier": ({"kind": "xavier"}, {**XAVIER, "tokens": 1 / 16}),
    "xavier normal": (
        {"kind": "xavier", "distribution": "normal", "gain": 3.0},
        {**{name: 3 * spread for name, spread in XAVIER.items()}, "tokens": 1 / 16},
    ),
    "kaiming in": (
        {"kind": "kaiming"},
        {"query": math.sqrt(2 / 256), "out": math.sqrt(2 / 384), "up": math.sqrt(2 / 256), "down": math.sqrt(2 / 640)},
    ),
    "kaiming out": (
        {"kind": "kaiming", "fan": "out", "distribution": "uniform"},
        {"query": math.sqrt(2 / 384), "value": math.sqrt(2 / 96), "up": math.sqrt(2 / 640), "down": math.sqrt(2 / 256), "tokens": 1 / 16},
    ),
    "palm": ({"kind": "fan_in"}, {"query": 1 / 16, "value": 1 / 16, "out": 384**-0.5, "up": 1 / 16, "down": 640**-0.5, "tokens": 1.0}),
    "neox": (
        {"kind": "small"},
        {"query": math.sqrt(0.4 / D), "value": math.sqrt(0.4 / D), "up": math.sqrt(0.4 / D), "out": 2 / (8 * 16), "down": 2 / (8 * 16)},
    ),
    "uniform": ({"kind": "uniform", "limit": 0.3}, dict.fromkeys(("query", "out", "down", "tokens"), 0.3 / math.sqrt(3))),
    "t5": (
        {"kind": "t5"},
        {"query": (D * K) ** -0.5, "value": 1 / 16, "out": (H * K) ** -0.5, "up": 1 / 16, "down": F**-0.5, "tokens": 1.0},
    ),
    "t-fixup": (
        {"kind": "t_fixup"},
        {
            "query": XAVIER["query"],
            **{name: 0.67 * 8**-0.25 * XAVIER[name] for name in ("value", "out", "up", "down")},
            "tokens": 0.67 * 8**-0.25 / 16,
        },
    ),
    "deepnorm": (
        {"kind": "deepnorm"},
        {"query": XAVIER["query"], **{name: 64**-0.25 * XAVIER[name] for name in ("value", "out", "up", "down")}, "tokens": 1 / 16},
    ),
    "glm-130b": (
        {"kind": "deepnorm", "beta": (2 * L) ** -0.5},
        {"query": XAVIER["query"], **{name: XAVIER[name] / 4 for name in ("value", "out", "up", "down")}},
    ),
    "mup": (
        {"kind": "mup", "base_width": 64, "std": 0.04},
        {"query": 0.02, "value": 0.02, "up": 0.02, "out": 0.02 / 4, "down": 0.02 / 4, "tokens": 0.04},
    ),
}
NEEDS: dict[str, dict[str, Any]] = {
    "t_fixup": {"norm": {"kind": "none"}},
    "deepnorm": {"norm": {"kind": "layer", "place": "deep"}},
    "t5": {"attention_scale": 1.0},
}
EVEN = {"xavier", "kaiming out", "uniform", "t-fixup"}


@pytest.mark.parametrize("scheme", EXPECTED)
def test_spreads_are_the_papers(scheme: str) -> None:
    """The numbers drawn, not only the plan; a normal draw has 3 for its fourth moment over the squared variance, an even one 9/5."""
    init, expected = EXPECTED[scheme]
    drawn = dict(build(tiny(**big(init=init, **NEEDS.get(init["kind"], {}))), seed=0).named_parameters())
    names = {**dict.fromkeys(("query", "value", "out"), f"{BLOCK}.attention"), **dict.fromkeys(("up", "down"), f"{BLOCK}.feed_forward")}
    for part, spread in expected.items():
        tensor = drawn["embedding.tokens.weight" if part == "tokens" else f"{names[part]}.{part}.weight"].double()
        assert tensor.std().item() == pytest.approx(spread, rel=0.02), part
        assert abs(tensor.mean().item()) < 5 * spread / math.sqrt(tensor.numel())
        evenly = scheme in EVEN and (part != "tokens" or scheme == "uniform")
        moment = (tensor**4).mean() / (tensor**2).mean() ** 2
        assert moment.item() == pytest.approx(9 / 5 if evenly else 3, rel=0.05), part
        if evenly:
            assert tensor.abs().max().item() <= spread * math.sqrt(3) * 1.0001


def spread_of(name: str, **changes: Any) -> float:
    config = tiny(**big(**changes))
    return std(config, Tensor(name, shapes(config)[name]))


def test_every_drawn_tensor_has_a_spread() -> None:
    """No tensor of any part is forgotten by any scheme: all are finite and above 0."""
    parts: list[dict[str, Any]] = [
        {"feed_forward": {"kind": "moe", "shared": 1, "first_dense": 1}},
        {"kind": "encoder-decoder", "positions": {"kind": "t5"}, "tied": False},
        {
            "kind": "encoder",
            "head": {"kind": "mlm", "next_sentence": True},
            "embedding": {"types": 2, "norm": True},
            "positions": {"kind": "learned"},
        },
        {"positions": {"kind": "xl"}, "head": {"future": 2, "scale": "width"}},
        {"positions": {"kind": "none"}, "mixer": {"kind": "lstm"}, "feed_forward": {"kind": "none"}},
        {"positions": {"kind": "none"}, "mixer": {"kind": "convolution"}},
        {"positions": {"kind": "glm"}, "embedding": {"width": 64}, "head": {"kind": "classes", "pool": "last"}},
        {"head": {"kind": "span"}},
    ]
    for init, _ in EXPECTED.values():
        for part in parts:
            if init["kind"] == "mup" and "width" in part.get("embedding", {}):
                continue  # refused by `misfit`
            config = tiny(**big(init=init, **{**NEEDS.get(init["kind"], {}), **part}))
            assert misfit(config) is None
            for name, shape in shapes(config).items():
                if is_matrix(name, shape):
                    assert 0 < std(config, Tensor(name, shape)) < 1.001, (init, name)


def test_experts_fans_are_those_of_one_expert() -> None:
    experts = {"kind": "moe", "experts": 16, "expert": {"width": F}}
    changes: dict[str, Any] = {"init": {"kind": "xavier"}, "feed_forward": experts}
    assert spread_of(f"{BLOCK}.feed_forward.up", **changes) == pytest.approx(math.sqrt(2 / (D + F)))
    assert spread_of(f"{BLOCK}.feed_forward.down", **changes) == pytest.approx(math.sqrt(2 / (D + F)))
    assert spread_of(f"{BLOCK}.feed_forward.down", **{**changes, "init": {"kind": "fan_in"}}) == pytest.approx(F**-0.5)
    assert spread_of(f"{BLOCK}.feed_forward.down", **{**changes, "init": {"kind": "normal"}}) == pytest.approx(0.02 / 4)
    assert spread_of(f"{BLOCK}.feed_forward.router.weight", **changes) == pytest.approx(math.sqrt(2 / (D + 16)))
    drawn = build(tiny(**big(**changes)), 0).stack.blocks[5].feed_forward.up
    assert drawn.std(dim=(1, 2)).tolist() == pytest.approx([math.sqrt(2 / (D + F))] * 16, rel=0.02)
    assert not torch.equal(drawn[0], drawn[1])


def test_an_lstms_fans_are_those_of_one_gate() -> None:
    changes: dict[str, Any] = {"mixer": {"kind": "lstm"}, "positions": {"kind": "none"}, "init": {"kind": "xavier"}}
    assert spread_of(f"{BLOCK}.attention.state", **changes) == pytest.approx(D**-0.5)


def test_a_convolutions_fan_is_its_window() -> None:
    changes: dict[str, Any] = {"mixer": {"kind": "convolution", "kernel": 5}, "positions": {"kind": "none"}, "init": {"kind": "fan_in"}}
    assert spread_of(f"{BLOCK}.attention.linear.weight", **changes) == pytest.approx((5 * D) ** -0.5)


def test_branches_are_counted_stack_by_stack() -> None:
    """1/sqrt(branches): 2 a layer, 3 where there is cross-attention, 1 without feed-forward; none where nothing is added."""
    out = "stack.blocks.0.attention.out.weight"
    both: dict[str, Any] = {"kind": "encoder-decoder", "encoder_layers": 2}
    assert spread_of(out) == pytest.approx(0.2 / 4)
    assert spread_of(out, **both) == pytest.approx(0.2 / math.sqrt(24))
    assert spread_of("stack.blocks.0.cross.out.weight", **both) == pytest.approx(0.2 / math.sqrt(24))
    assert spread_of("encoder.blocks.0.feed_forward.down.weight", **both) == pytest.approx(0.2 / math.sqrt(4))
    assert spread_of(out, feed_forward={"kind": "none"}) == pytest.approx(0.2 / math.sqrt(8))
    assert spread_of(out, block="stacked") == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("kind", "layers", "encoder_layers", "name", "beta", "factor"),
    [
        ("encoder", 6, None, "stack.x", 48**-0.25, 0.67 * 6**-0.25),
        ("decoder", 6, None, "stack.x", 48**-0.25, 0.67 * 6**-0.25),
        ("encoder-decoder", 6, 12, "encoder.x", 0.87 * (12**4 * 6) ** (-1 / 16), 0.67 * 12**-0.25),
        ("encoder-decoder", 6, 12, "stack.x", 72**-0.25, 54**-0.25),
    ],
)
def test_gains_are_the_tables(kind: str, layers: int, encoder_layers: int | None, name: str, beta: float, factor: float) -> None:
    """Wang et al. 2022, table 2; Huang et al. 2020, section 3.2."""
    config = tiny(kind=kind, layers=layers, encoder_layers=encoder_layers)
    assert deepnorm_beta(config, name) == pytest.approx(beta)
    assert t_fixup(config, name) == pytest.approx(factor)


@pytest.mark.oracle
def test_t5s_spreads_are_transformers(transformers: Any) -> None:
    """transformers draws T5 by the same rules: every tensor of ours against its own, measured."""
    given = transformers.T5Config(d_model=D, d_kv=K, d_ff=F, num_heads=H, num_layers=2, vocab_size=V, feed_forward_proj="relu")
    theirs = dict(transformers.T5ForConditionalGeneration(given).named_parameters())
    changes: dict[str, Any] = {"kind": "encoder-decoder", "layers": 2, "kv_heads": H, "init": {"kind": "t5"}, "attention_scale": 1.0}
    ours = dict(build(tiny(**big(**changes, positions={"kind": "t5"})), 0).named_parameters())
    attention = {"query": "q", "key": "k", "value": "v", "out": "o"}
    pairs = {"embedding.tokens.weight": "shared.weight"}
    for part, letter in attention.items():
        pairs[f"encoder.blocks.1.attention.{part}.weight"] = f"encoder.block.1.layer.0.SelfAttention.{letter}.weight"
        pairs[f"stack.blocks.1.cross.{part}.weight"] = f"decoder.block.1.layer.1.EncDecAttention.{letter}.weight"
    for part, letters in {"up": "wi", "down": "wo"}.items():
        pairs[f"stack.blocks.0.feed_forward.{part}.weight"] = f"decoder.block.0.layer.2.DenseReluDense.{letters}.weight"
    for mine, other in pairs.items():
        assert ours[mine].std().item() == pytest.approx(theirs[other].std().item(), rel=0.03), mine
    bias = theirs["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
    assert ours["encoder.bias.table.weight"].std().item() == pytest.approx(bias.std().item(), rel=0.25)  # 256 numbers each
