from __future__ import annotations

from typing import Any

import pytest
import torch

from headwater.model.cache import KVCache
from headwater.model.network import Network
from headwater.tokens.batch import Inputs
from headwater.tokens.masks import documents, full
from tests.model.conftest import GPT2_LIKE, tiny


def tensor(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_rows_of_unequal_length_keep_what_is_theirs() -> None:
    """Against a plain list of vectors a row."""
    cache = KVCache(tiny(), rows=3, capacity=8)
    lists: list[list[torch.Tensor]] = [[], [], []]
    for counts in ([4, 2, 3], [1, 1, 1], [2, 0, 1]):
        new = tensor(3, 2, max(counts), 8)
        keys, values = cache.write(1, new, -new)
        cache.advance(counts)
        for row, count in enumerate(counts):
            lists[row] += [new[row, :, place] for place in range(count)]
            assert torch.equal(keys[row, :, : len(lists[row])], torch.stack(lists[row], dim=1))
            assert torch.equal(values[row, :, : len(lists[row])], -torch.stack(lists[row], dim=1))
    assert cache.lengths_B.tolist() == [7, 3, 5]
    assert cache.slots(2).tolist() == [[7, 8], [3, 4], [5, 6]]


def test_a_row_shares_memory_and_length() -> None:
    cache = KVCache(tiny(), rows=2, capacity=8)
    row = cache.row(1)
    row.write(0, tensor(1, 2, 3, 8), tensor(1, 2, 3, 8))
    row.advance(3)
    assert cache.lengths_B.tolist() == [0, 3]
    assert torch.equal(cache.keys_LBJSK[0, 1, :, :3], tensor(1, 2, 3, 8)[0])
    row.reset()
    assert cache.lengths_B.tolist() == [0, 0]


def test_keep_drops_rows() -> None:
    cache = KVCache(tiny(), rows=3, capacity=4)
    cache.write(0, tensor(3, 2, 2, 8), tensor(3, 2, 2, 8))
    cache.advance([2, 1, 2])
    cache.keep([0, 2])
    assert cache.lengths_B.tolist() == [2, 2]
    assert torch.equal(cache.keys_LBJSK[0, 1, :, :2], tensor(3, 2, 2, 8)[2])


def test_too_much_is_our_bug() -> None:
    cache = KVCache(tiny(), rows=1, capacity=2)
    with pytest.raises(AssertionError, match="3 tokens do not fit a cache of 2"):
        cache.write(0, tensor(1, 2, 3, 8), tensor(1, 2, 3, 8))


ATTENDING: dict[str, dict[str, Any]] = {
    "rope": {},
    "rope, a quarter, neighbours, yarn": {"positions": {"kind": "rope", "share": 0.5, "pairs": "neighbours", "scaling": {
        "kind": "yarn", "factor": 4.0, "original_context": 8}}},
    "learned": GPT2_LIKE,
    "sinusoidal": {"positions": {"kind": "sinusoidal"}},
    "alibi": {"positions": {"kind": "alibi"}},
    "t5": {"positions": {"kind": "t5", "buckets": 8, "max_distance": 12}},
    "t5, one a layer": {"positions": {"kind": "t5", "buckets": 8, "max_distance": 12, "per_layer": True}},
    "xl": {"positions": {"kind": "xl"}},
    "glm": {"positions": {"kind": "glm"}},
    "none": {"positions": {"kind": "none"}},
}  # fmt: skip
WINDOW, STRIDED = {"kind": "window", "size": 5}, {"kind": "strided", "size": 3, "stride": 4}
PATTERNS: dict[str, Any] = {"everywhere": [{"kind": "all"}], "window": [WINDOW], "in turn": [{"kind": "all"}, STRIDED]}
MOE = {"kind": "moe", "experts": 4, "expert": {"width": 20}, "shared": 1, "first_dense": 1}
OTHERS: dict[str, dict[str, Any]] = {
    "one key head": {"kv_heads": 1},
    "as many key heads": {"kv_heads": 4},
    "norms of queries and keys": {"qk_norm": True},
    "bent scores": {"attention_softcap": 5.0, "head": {"softcap": 10.0}, "pattern": PATTERNS["in turn"]},
    "bent scores with slopes": {"attention_softcap": 5.0, "positions": {"kind": "alibi"}},
    "post": {"norm": {"kind": "layer", "place": "post"}},
    "sandwich": {"norm": {"place": "sandwich"}},
    "deep": {"norm": {"kind": "layer", "place": "deep"}, "feed_forward": {"kind": "geglu"}},
    "parallel": {"block": "parallel"},
    "parallel, two norms": {"block": "parallel-two-norms"},
    "experts": {"feed_forward": MOE},
    "embedding narrower, scaled and normed": {"embedding": {"width": 12, "scale": "width", "norm": True}},
    "lstm": {"mixer": {"kind": "lstm"}, "positions": {"kind": "none"}},
    "stacked lstm": {"mixer": {"kind": "lstm"}, "positions": {"kind": "none"}, "block": "stacked", "feed_forward": {"kind": "none"}},
    "convolution": {"mixer": {"kind": "convolution", "kernel": 3}, "positions": {"kind": "learned"}},
}
CONFIGS = {f"{place}; {pattern}": {**changes, "pattern": PATTERNS[pattern]} for place, changes in ATTENDING.items() for pattern in PATTERNS}
CONFIGS |= OTHERS


def noise(rows: int, length: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 262, (rows, length), generator=torch.Generator().manual_seed(seed))


def close(ours: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def steps_equal_the_whole(network: Network, x: torch.Tensor, read: list[int], **first: Any) -> None:
    """Rows of unequal length, padded on the right with noise, go on by one token, by three, by one."""
    whole = network(x, **first)
    cache = KVCache(network.config, rows=len(x), capacity=x.shape[1])
    prompt = noise(len(x), max(read), seed=9)
    for row, count in enumerate(read):
        prompt[row, :count] = x[row, :count]
    begun = network(prompt, cache=cache, **first)
    for row, count in enumerate(read):
        close(begun[row, :count], whole[row, :count])
    cache.advance(read)
    for width in (1, 1, 3, 1):
        said = network(torch.stack([x[row, count : count + width] for row, count in enumerate(read)]), cache=cache)
        for row, count in enumerate(read):
            close(said[row], whole[row, count : count + width])
        cache.advance(width)
        read = [count + width for count in read]


@pytest.mark.parametrize("read", [[9, 4, 1], [7, 7, 7]], ids=["unequal", "equal"])
@pytest.mark.parametrize("name", CONFIGS)
def test_cached_decoding_equals_the_full_pass(name: str, read: list[int]) -> None:
    network = tiny(**CONFIGS[name]).build(0).eval()
    steps_equal_the_whole(network, noise(3, 20), read)


@pytest.mark.parametrize("read", [[9, 4, 1], [7, 7, 7]], ids=["unequal", "equal"])
@pytest.mark.parametrize("name", ["rope", "learned", "sinusoidal", "alibi", "t5", "t5, one a layer", "none"])
def test_cached_decoding_after_an_encoder(name: str, read: list[int]) -> None:
    """The source is read once; its padding is seen by nobody, and rows keep theirs when others are dropped or doubled."""
    network = tiny(**ATTENDING[name], kind="encoder-decoder", encoder_layers=1).build(0).eval()
    segments = (torch.arange(12) < torch.tensor([12, 5, 1])[:, None]).long()
    source = Inputs(noise(3, 12, seed=5), segments_BT=segments, mask=full() & documents())
    x = noise(3, 20)
    steps_equal_the_whole(network, x, read, source=source)
    with torch.inference_mode():
        whole = network(x, source=source)
        cache = KVCache(network.config, rows=3, capacity=20)
        network(x[:, :6], source=source, cache=cache)
        cache.advance(6)
        cache.keep([2, 0, 0])
        close(network(x[[2, 0, 0], 6:8], cache=cache), whole[[2, 0, 0], 6:8])


def test_a_row_named_twice_goes_on_as_two() -> None:
    network = tiny().build(0)
    x = noise(2, 12)
    with torch.inference_mode():
        cache = KVCache(network.config, rows=2, capacity=12)
        network(x[:, :6], cache=cache)
        cache.advance([6, 4])
        cache.keep([1, 0, 1])
        rows = torch.stack([torch.cat([x[1, :4], x[1, 4:5]]), torch.cat([x[1, :4], x[0, 7:8]])])
        said = network(torch.stack([rows[0, 4:], x[0, 6:7], rows[1, 4:]]), cache=cache)
        close(said[[0, 2], 0], network(rows)[:, -1])
        close(said[1, 0], network(x[:1, :7])[0, -1])
