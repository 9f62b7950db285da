from __future__ import annotations

import pytest
import torch

from headwater.model.cache import KVCache
from tests.model.conftest import tiny


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
