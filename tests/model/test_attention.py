from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from headwater.model.attention import Attention, CrossAttention, Frame, Memory
from headwater.model.cache import KVCache
from headwater.model.config import ModelConfig
from headwater.model.kernels import Lowered
from headwater.model.positions import Rotation
from headwater.tokens.masks import Places, causal, window
from tests.model.conftest import tiny

ORDER = torch.arange(7)[None]
FRAME = Frame((Lowered(causal=True),), ORDER, ORDER)
X = torch.randn(2, 7, 32, generator=torch.Generator().manual_seed(0))


def shaken(part: Any) -> Any:
    for number, tensor in enumerate(part.parameters()):
        torch.nn.init.normal_(tensor, std=0.4, generator=torch.Generator().manual_seed(number))
    return part


def by_hand(part: Any, x: torch.Tensor, source: torch.Tensor, config: ModelConfig, seen: torch.Tensor, turn: Any = None) -> torch.Tensor:
    """softmax(scale q k) v head by head and query by query; `seen` [T, S] is what each may see."""
    wide, rows = config.head_features, []
    for row in range(len(x)):
        q, k, v = part.query(x[row]), part.key(source[row]), part.value(source[row])
        out = torch.zeros(len(q), config.heads * wide)
        for head in range(config.heads):
            of_key = head // (config.heads // config.key_heads)
            mine, other = slice(head * wide, (head + 1) * wide), slice(of_key * wide, (of_key + 1) * wide)
            for i in range(len(q)):
                keys = [j for j in range(len(k)) if seen[i, j]]
                a, b = q[i, mine], k[keys, other]
                if config.qk_norm:
                    a = part.query_norm.weight * a / (a.square().mean() + config.norm.eps).sqrt()
                    b = part.key_norm.weight * b / (b.square().mean(-1, keepdim=True) + config.norm.eps).sqrt()
                if turn is not None:
                    a, b = turn(a[None], [i])[0], turn(b, keys)
                scores = b @ a * (config.attention_scale or 1 / math.sqrt(wide))
                if config.attention_softcap is not None:
                    scores = config.attention_softcap * torch.tanh(scores / config.attention_softcap)
                out[i, mine] = scores.softmax(0) @ v[keys, other]
        rows.append(part.out(out))
    assert rows[0].shape == x[0].shape
    return torch.stack(rows)


LOWER = torch.ones(7, 7).tril().bool()


@pytest.mark.parametrize(
    "changes",
    [
        {"kv_heads": 4},
        {"kv_heads": 2, "biases": True},
        {"kv_heads": 1, "head_width": 6},
        {"attention_scale": 1.0, "kv_heads": 2},
        {"attention_softcap": 0.5, "kv_heads": 2},
        {"qk_norm": True, "kv_heads": 2, "norm": {"eps": 1e-2}},
        {"qk_norm": True, "attention_softcap": 0.5, "attention_scale": 0.7, "kv_heads": 1},
    ],
)
def test_attention_is_its_formula(changes: dict[str, Any]) -> None:
    config = tiny(**changes)
    part = shaken(Attention(config, layer=0))
    torch.testing.assert_close(part(X, FRAME), by_hand(part, X, X, config, LOWER), atol=1e-5, rtol=1e-4)


def test_queries_and_keys_are_turned_after_their_norm() -> None:
    config = tiny(qk_norm=True)

    def turn(x: torch.Tensor, places: list[int]) -> torch.Tensor:
        return Rotation.at(torch.tensor([places]), config.positions, config.head_features).apply(x[None, :, None])[0, :, 0]

    part = shaken(Attention(config, layer=0))
    frame = Frame((Lowered(causal=True),), ORDER, ORDER, rotation=Rotation.at(ORDER, config.positions, config.head_features))
    torch.testing.assert_close(part(X, frame), by_hand(part, X, X, config, LOWER, turn), atol=1e-5, rtol=1e-4)


def test_which_layers_have_biases() -> None:
    for queries, out in ((True, False), (False, True)):
        for kind, part in (("decoder", Attention), ("encoder-decoder", CrossAttention)):
            made = part(tiny(kind=kind, biases={"queries": queries, "out": out}), 0)
            names = {name for name, _ in made.named_parameters() if name.endswith("bias")}
            assert names == ({"query.bias", "key.bias", "value.bias"} if queries else {"out.bias"})


def test_layers_take_the_masks_of_the_pattern_in_turn() -> None:
    banded = (causal() & window(2)).dense(Places(ORDER, ORDER))
    frame = Frame((Lowered(causal=True), Lowered(allowed_B1TS=banded[:, None])), ORDER, ORDER)
    config = tiny(layers=4)
    for layer in range(4):
        part = shaken(Attention(config, layer))
        seen = banded[0] if layer % 2 else LOWER
        torch.testing.assert_close(part(X, frame), by_hand(part, X, X, config, seen), atol=1e-5, rtol=1e-4)


def test_a_cache_makes_one_pass_of_two() -> None:
    config = tiny(layers=1)
    part = shaken(Attention(config, layer=0))
    cache = KVCache(config, rows=2, capacity=7)
    frames = [
        Frame((Lowered(causal=True),), ORDER[:, :4], ORDER[:, :4], cache=cache),
        Frame((Lowered(allowed_B1TS=LOWER[None, None, 4:]),), ORDER[:, 4:], ORDER, cache=cache),
    ]
    first = part(X[:, :4], frames[0])
    cache.advance(4)
    found = torch.cat((first, part(X[:, 4:], frames[1])), dim=1)
    torch.testing.assert_close(found, part(X, FRAME), atol=1e-5, rtol=1e-4)


def test_grouped_queries_are_heads_whose_keys_are_copies() -> None:
    """Ainslie et al. 2023: 2 key heads for 4 queries equal 4 key heads, each pair alike."""
    grouped = shaken(Attention(tiny(heads=4, kv_heads=2, biases=True), layer=0))
    multi = Attention(tiny(heads=4, kv_heads=4, biases=True), layer=0)
    with torch.no_grad():
        for name, tensor in multi.named_parameters():
            source = dict(grouped.named_parameters())[name]
            if name.startswith(("key", "value")):
                source = source.unflatten(0, (2, 8)).repeat_interleave(2, dim=0).flatten(0, 1)
            tensor.copy_(source)
    torch.testing.assert_close(grouped(X, FRAME), multi(X, FRAME), atol=1e-6, rtol=1e-5)


def test_the_first_token_gathers_only_itself() -> None:
    part = shaken(Attention(tiny(kv_heads=4), layer=0))
    torch.testing.assert_close(part(X, FRAME)[:, 0], part.out(part.value(X))[:, 0])


@pytest.mark.parametrize("part", [Attention, CrossAttention])
def test_dropout_is_for_training_alone_and_on_weights(part: Any) -> None:
    """Of what a token gathers some is dropped; the mean of many draws is what it gathers without."""
    made = shaken(part(tiny(kind="encoder-decoder", attention_dropout=0.5, dropout=0.0), layer=0))
    source = torch.randn(2, 9, 32, generator=torch.Generator().manual_seed(3))
    frame = Frame((Lowered(causal=True),), ORDER, ORDER, memory=Memory(source, Lowered()))
    torch.manual_seed(0)
    with torch.no_grad():
        drawn = torch.stack([made(X, frame) for _ in range(600)])
    assert not torch.equal(drawn[0], drawn[1])
    made.eval()
    assert torch.equal(made(X, frame), made(X, frame))
    torch.testing.assert_close(drawn.mean(0), made(X, frame), atol=0.2 * float(drawn.std(0).max()), rtol=0)


@pytest.mark.parametrize(
    "changes", [{}, {"kv_heads": 1, "head_width": 6, "biases": True}, {"attention_softcap": 0.5, "attention_scale": 1.0}]
)
def test_cross_attention_is_its_formula(changes: dict[str, Any]) -> None:
    config = tiny(kind="encoder-decoder", **changes)
    part = shaken(CrossAttention(config, layer=0))
    source = torch.randn(2, 9, 32, generator=torch.Generator().manual_seed(3))
    everything = Frame((), ORDER, ORDER, memory=Memory(source, Lowered()))
    torch.testing.assert_close(part(X, everything), by_hand(part, X, source, config, torch.ones(7, 9)), atol=1e-5, rtol=1e-4)
    seen = torch.rand(7, 9, generator=torch.Generator().manual_seed(4)) < 0.6
    some = Frame((), ORDER, ORDER, memory=Memory(source, Lowered(allowed_B1TS=seen[None, None])))
    torch.testing.assert_close(part(X, some), by_hand(part, X, source, config, seen), atol=1e-5, rtol=1e-4)


def test_the_keys_of_a_source_are_made_once() -> None:
    config = tiny(kind="encoder-decoder")
    part, cache = shaken(CrossAttention(config, layer=1)), KVCache(config, rows=2, capacity=7)
    source = torch.randn(2, 9, 32, generator=torch.Generator().manual_seed(3))
    first = part(X, Frame((), ORDER, ORDER, cache=cache, memory=Memory(source, Lowered())))
    assert set(cache.source) == {1}
    with torch.no_grad():
        part.key.weight.zero_()
    again = part(X, Frame((), ORDER, ORDER, cache=cache, memory=Memory(None, Lowered())))
    assert torch.equal(first, again)


def test_without_a_source_it_says_so() -> None:
    part = CrossAttention(tiny(kind="encoder-decoder"), layer=0)
    with pytest.raises(AssertionError, match="no source"):
        part(X, FRAME)
    with pytest.raises(AssertionError, match="neither a source nor a cache"):
        part(X, Frame((), ORDER, ORDER, memory=Memory(None, Lowered())))
