"""headwater/model/describe.py: against published figures, closed forms, and torch's own counter of operations."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from headwater.model.config import ModelConfig
from headwater.model.describe import PARTS, describe, part_of
from headwater.model.init import shapes
from headwater.recipe.reading import read
from tests.model.conftest import tiny

KINDS: dict[str, dict[str, Any]] = {
    "llama": {},
    "gelu, untied, biases": {"feed_forward": {"kind": "gelu"}, "tied": False, "biases": True},
    "one key head, parallel": {"kv_heads": 1, "block": "parallel"},
    "encoder": {"kind": "encoder", "positions": {"kind": "learned"}, "head": {"kind": "mlm"}},
    "encoder-decoder": {"kind": "encoder-decoder", "positions": {"kind": "t5"}},
    "narrow table": {"embedding": {"width": 16}},
}


def published(name: str, scale: str | None = None) -> ModelConfig:
    recipe = read(name, scale=scale)
    assert recipe.pretrain is not None
    model = recipe.pretrain.model
    return model if model.vocab_size else model.with_vocabulary(recipe.tokenizer.vocab_size)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", KINDS)
def test_arithmetic_is_what_torch_counts(kind: str) -> None:
    """Matrix products of a forward pass by torch's counter; attention is counted whole there, with its mask here."""
    config = tiny(context=16, **KINDS[kind])
    found = describe(config)
    tokens = torch.zeros(1, 16, dtype=torch.int64)
    network = config.build(0).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(tokens, source=tokens if config.kind == "encoder-decoder" else None)
    products = sum(
        count for name, count in counter.get_flop_counts()["Global"].items() if "attention" not in str(name) and "bmm" not in str(name)
    )
    assert products / 16 == pytest.approx(found.forward_flops - found.attention_flops, rel=1e-6)


def test_gpt3s_arithmetic_is_the_papers() -> None:
    """Table D.1 of Brown et al. 2020: 3.14e23 FLOPs for 300 G tokens, 6 a parameter and token, attention and embeddings not counted."""
    found = describe(published("gpt3", "175b"))
    dense = (found.training_flops - 3 * found.attention_flops) * 300e9
    assert dense == pytest.approx(3.14e23, rel=0.01)


def test_palms_arithmetic_is_the_papers() -> None:
    """Appendix B of Chowdhery et al. 2022: 6 N + 12 L H Q T a token, where every query is counted with the whole row."""
    config = published("palm", "540b")
    found = describe(config)
    whole_rows = 12 * config.layers * config.heads * config.head_features * config.context
    assert 3 * found.attention_flops == pytest.approx(whole_rows / 2, rel=0.001)
    assert found.training_flops - 3 * found.attention_flops == pytest.approx(6 * found.parameters, rel=0.001)


@pytest.mark.parametrize(
    ("name", "scale", "bytes_a_token"),
    [
        ("llama2", "70b", 2 * 2 * 80 * 8 * 128),  # 320 KiB: 8 key heads of 128 in 80 layers, bf16
        ("palm", "540b", 2 * 2 * 118 * 256),
        ("gpt3", "175b", 2 * 2 * 96 * 12288),
    ],
)
def test_a_cached_token_costs_its_keys_and_values(name: str, scale: str, bytes_a_token: int) -> None:
    assert describe(published(name, scale)).cache_bytes == bytes_a_token


def test_keys_seen_are_counted_by_the_mask_itself() -> None:
    """The closed forms against the masks of the algebra, layer by layer."""
    from headwater.tokens.masks import Places, causal

    pattern = [{"kind": "window", "size": 5}, {"kind": "strided", "size": 3, "stride": 4}, {"kind": "all"}]
    config = tiny(layers=3, context=24, pattern=pattern)
    order = torch.arange(24)[None]
    seen = sum(float((causal() & part.mask()).dense(Places(order, order)).sum()) / 24 for part in config.pattern)
    strided = describe(config).attention_flops / (4 * config.heads * config.head_features)
    assert strided == pytest.approx(seen, rel=0.03)


@pytest.mark.parametrize("name", ["deepseek-moe", "t5", "bert", "gopher", "glam", "opt", "lstm"])
def test_every_parameter_is_of_one_part(name: str) -> None:
    config = published(name, "tiny")
    parts = {part_of(parameter, config) for parameter in shapes(config)}
    assert parts <= {*PARTS, "experts"}
    assert describe(config).parameters == config.parameter_count()


def test_experts_and_what_stays_idle() -> None:
    found = describe(published("mixtral"))
    assert found.parts["experts"] == 32 * 8 * 3 * 4096 * 14336
    assert found.parameters - found.active == found.parts["experts"] * 6 // 8


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ["RMSNorm ── grouped-query attention (4 heads of 8)", "swiglu", "queries and keys turned by RoPE"]),
        ({"block": "parallel", "kv_heads": 1}, ["multi-query", "╰─ swiglu"]),
        ({"norm": {"place": "deep"}}, ["of 1.41 · stream + branch"]),
        ({"kind": "encoder-decoder"}, ["cross-attention", "2 × encoder", "2 × decoder"]),
        ({"feed_forward": {"kind": "moe", "experts": 4, "top_k": 2, "shared": 1}}, ["2 of 4 + 1 shared experts"]),
        ({"pattern": [{"kind": "all"}, {"kind": "window", "size": 9}]}, ["window 9"]),
        (
            {"block": "stacked", "mixer": {"kind": "lstm"}, "positions": {"kind": "none"}, "feed_forward": {"kind": "none"}},
            ["LSTM", "no residual"],
        ),
    ],
)
def test_the_picture_shows_the_block(changes: dict[str, Any], said: list[str]) -> None:
    lines = describe(tiny(**changes)).picture
    drawn = "\n".join(lines)
    assert [word for word in said if word not in drawn] == []
    boxes = [line for line in lines if line[:1] in "╭│╰" and line]
    assert len({len(line) for line in boxes if "no residual" not in drawn}) <= 1
    assert lines[-1].startswith("tokens → embedding of width 32")
