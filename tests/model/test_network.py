from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from headwater.core.errors import HeadwaterError
from headwater.model.cache import KVCache
from headwater.tokens.batch import Inputs
from headwater.tokens.masks import Mask, Places, causal, documents, full, prefix
from tests.model.conftest import GPT2_LIKE, tiny

KINDS: dict[str, dict[str, Any]] = {
    "llama-like": {},
    "gpt2-like": {**GPT2_LIKE, "kv_heads": None},
    "alibi, one norm parallel, one key head": {"positions": {"kind": "alibi"}, "block": "parallel", "kv_heads": 1},
    "t5 buckets, own scale": {"positions": {"kind": "t5", "buckets": 8, "max_distance": 16}, "attention_scale": 1.0},
    "t5 buckets a layer, sandwich": {"positions": {"kind": "t5", "per_layer": True}, "norm": {"place": "sandwich"}},
    "transformer-xl, post": {"positions": {"kind": "xl"}, "norm": {"place": "post"}},
    "sinusoidal, deep, scaled": {"positions": {"kind": "sinusoidal"}, "norm": {"place": "deep"}, "embedding": {"scale": "width"}},
    "none, embedding norm, softcaps": {
        "positions": {"kind": "none"}, "embedding": {"norm": True}, "attention_softcap": 5.0, "head": {"kind": "lm", "softcap": 30.0}
    },
    "partial rope of neighbours, two norms parallel": {
        "positions": {"kind": "rope", "share": 0.5, "pairs": "neighbours"}, "block": "parallel-two-norms", "biases": True
    },
    "qk norm, head width, narrow table": {"qk_norm": True, "head_width": 6, "embedding": {"width": 16}, "tied": False},
    "two-dimensional": {"positions": {"kind": "glm"}},
    "windows in turn": {"pattern": [{"kind": "window", "size": 3}, {"kind": "all"}]},
    "strided": {"pattern": [{"kind": "strided", "size": 2, "stride": 3}]},
}  # fmt: skip
SEGMENTS = torch.tensor([[1, 1, 1, 2, 2, 2, 2, 3, 3, 3], [1, 1, 1, 1, 1, 1, 1, 1, 2, 2]])
GIVEN = torch.tensor([[1, 0, 0, 1, 1, 1, 0, 1, 1, 0], [1, 1, 1, 1, 0, 0, 0, 0, 1, 0]]).bool()
MASKS = {
    "causal": causal(),
    "documents": causal() & documents(),
    "whole documents": documents(),
    "full": full(),
    "causal or own document": causal() | documents(),
    "prefix": (causal() | prefix()) & documents(),
}


def tokens(rows: int, length: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 262, (rows, length)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
@pytest.mark.parametrize("kind", KINDS)
def test_no_position_hears_what_the_mask_forbids(kind: str, mask: Mask, dtype: torch.dtype) -> None:
    """d out_i / d in_j is exactly 0 for every forbidden pair, and not 0 for an allowed one. One layer, so that paths do not chain."""
    network = tiny(layers=1, **KINDS[kind]).build(0)
    x = tokens(2, 10)
    order = torch.arange(10)[None]
    allowed = mask.dense(Places(order, order, SEGMENTS, SEGMENTS, GIVEN)).expand(2, 10, 10)
    allowed = allowed & network.config.pattern[0].mask().dense(Places(order, order))
    embedded: list[torch.Tensor] = []
    network.embedding.register_forward_hook(lambda module, given, out: embedded.append(out))
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        out = network(Inputs(x, segments_BT=SEGMENTS, mask=mask, prefix_BT=GIVEN))
    for place in range(10):
        (grad,) = torch.autograd.grad(out[:, place].float().square().sum(), embedded, retain_graph=True)
        heard = grad.abs().sum(-1) > 0
        assert torch.equal(heard, allowed[:, place])


@pytest.mark.parametrize("kind", KINDS)
def test_packed_documents_equal_documents_alone(kind: str) -> None:
    """With documents() and positions that start anew, packing changes nothing."""
    network = tiny(**KINDS[kind]).build(0)
    x = tokens(1, 10)
    positions = torch.tensor([[0, 1, 2, 0, 1, 2, 3, 0, 1, 2]])
    packed = network(Inputs(x, positions, SEGMENTS[:1], causal() & documents()))
    alone = torch.cat([network(x[:, start:end]) for start, end in ((0, 3), (3, 7), (7, 10))], dim=1)
    torch.testing.assert_close(packed, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("steps", [[20], [1] * 20, [7, 1, 1, 5, 6], [1, 19]], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_cached_decoding_equals_the_full_pass(kind: str, steps: list[int]) -> None:
    config = tiny(**KINDS[kind])
    network = config.build(0)
    x = tokens(3, 20)
    cache = KVCache(config, rows=3, capacity=20)
    pieces = []
    for piece in x.split(steps, dim=1):
        pieces.append(network(piece, cache=cache))
        cache.advance(piece.shape[1])
    torch.testing.assert_close(torch.cat(pieces, dim=1), network(x), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_cached_decoding_with_padding_equals_the_full_pass(kind: str) -> None:
    """Prompts of 9, 4 and 1 tokens padded on the right with noise, then tokens one by one and three at once."""
    config = tiny(**KINDS[kind])
    network = config.build(0)
    x, read = tokens(3, 20), [9, 4, 1]
    full_pass = network(x)
    cache = KVCache(config, rows=3, capacity=20)
    prompt = tokens(3, 9, seed=9)
    for row, count in enumerate(read):
        prompt[row, :count] = x[row, :count]
    first = network(prompt, cache=cache)
    cache.advance(read)
    for row, count in enumerate(read):
        torch.testing.assert_close(first[row, :count], full_pass[row, :count], atol=2e-5, rtol=1e-4)
    for width in (1, 1, 3, 1):
        step = torch.stack([x[row, count : count + width] for row, count in enumerate(read)])
        out = network(step, cache=cache)
        for row, count in enumerate(read):
            torch.testing.assert_close(out[row], full_pass[row, count : count + width], atol=2e-5, rtol=1e-4)
        cache.advance(width)
        read = [count + width for count in read]


def test_a_mask_that_looks_ahead_sees_no_slot_that_is_not_written() -> None:
    """full() with a cache of unequal rows: each row's newest token hears its own row, whole, and none of the padding."""
    config = tiny(layers=1)
    network = config.build(0)
    x, read = tokens(2, 10), [9, 4]
    cache = KVCache(config, rows=2, capacity=12)
    network(x[:, :9], cache=cache)
    cache.advance(read)
    newest = torch.stack([x[row, count : count + 1] for row, count in enumerate(read)])
    out = network(Inputs(newest, mask=full()), cache=cache)
    for row, count in enumerate(read):
        alone = network(Inputs(x[row : row + 1, : count + 1], mask=full()))
        torch.testing.assert_close(out[row, 0], alone[0, -1], atol=2e-5, rtol=1e-4)


def test_a_row_longer_than_the_context_is_refused() -> None:
    config = tiny()
    network = config.build(0)
    with pytest.raises(HeadwaterError, match="a row of 25 tokens exceeds the model's context of 24"):
        network(tokens(1, 25))
    cache = KVCache(config, rows=1, capacity=30)
    network(tokens(1, 20), cache=cache)
    cache.advance(20)
    with pytest.raises(HeadwaterError, match="25 tokens"):
        network(tokens(1, 5), cache=cache)


def test_bf16_training_keeps_residuals_and_logits_in_fp32_and_stays_near() -> None:
    network = tiny(layers=4).build(0)
    x = tokens(4, 24)
    with torch.autocast("cpu", torch.bfloat16):
        places = torch.arange(x.shape[1])[None]
        inputs = Inputs(x)
        frame = network.stack.frame(inputs, places, cache=None, memory=None, notes=None)
        hidden = network.stack.blocks[0](network.embedding(inputs, places), frame)
        logits = network(x)
    assert hidden.dtype == logits.dtype == torch.float32
    exact = network(x)
    assert (logits - exact).norm() / exact.norm() < 0.03


def test_dropout_stops_with_training() -> None:
    network = tiny(dropout=0.3).build(0)
    x = tokens(1, 6)
    network.train()
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


def test_it_learns() -> None:
    """A sequence that repeats with period 5 is learned to near certainty in 60 steps."""
    network = tiny(init={"std": 0.02}).build(0)
    x = torch.tensor([[11, 47, 3, 200, 9] * 4])
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(network(x[:, :-1]).flatten(0, 1), x[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
