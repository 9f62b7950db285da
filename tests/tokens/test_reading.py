"""Windows: every token is learned about once an epoch, each window is arithmetic on its index, epochs differ."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from headwater.core.errors import HeadwaterError
from headwater.tokens.reading import Windows
from headwater.tokens.shards import INDEX, Shards


def stream(size: int, every: int = 10) -> Shards:
    """Tokens that are their own place; documents of `every` tokens."""
    starts = np.arange(0, size, every)
    count = len(starts)
    rows = {"id": [f"d{n}" for n in range(count)], "source": ["s"] * count, "language": [None] * count, "start": starts,
            "length": np.minimum(every, size - starts), "bytes": [every] * count}  # fmt: skip
    return Shards(np.arange(size, dtype=np.uint32), pa.table(rows, schema=INDEX), starts, size)


SIZES = [(101, 10), (100, 10), (109, 10), (110, 10), (1000, 7), (25, 12), (26, 12), (21, 10), (20, 10), (15, 10), (11, 10), (64, 1), (2, 1)]


@pytest.mark.parametrize(("size", "length"), SIZES)
def test_windows_are_runs_of_the_stream(size: int, length: int) -> None:
    windows = Windows(stream(size), length, seed=0)
    rows = windows.rows(0, 5 * windows.per_epoch)
    assert rows.shape == (5 * windows.per_epoch, length + 1)
    assert (np.diff(rows.astype(int), axis=1) == 1).all()
    assert rows.max() < size


@pytest.mark.parametrize(("size", "length"), SIZES)
def test_no_target_stands_in_two_windows_of_an_epoch(size: int, length: int) -> None:
    windows = Windows(stream(size), length, seed=0)
    for epoch in range(5):
        targets = windows.rows(epoch * windows.per_epoch, windows.per_epoch)[:, 1:]
        assert len(np.unique(targets)) == targets.size


@pytest.mark.parametrize(("size", "length"), SIZES)
def test_every_token_is_learned_sooner_or_later(size: int, length: int) -> None:
    """The offset moves the cut from epoch to epoch, so that no token is left out for good: neither the first nor the last."""
    windows = Windows(stream(size), length, seed=0)
    epochs = 60 * length
    targets = np.concatenate([windows.rows(epoch * windows.per_epoch, windows.per_epoch)[:, 1:].ravel() for epoch in range(epochs)])
    never = sorted(set(range(1, size)) - set(targets.tolist()))
    assert never == []


def test_about_once_an_epoch() -> None:
    size, length, epochs = 20_000, 16, 20
    windows = Windows(stream(size), length, seed=0)
    targets = windows.rows(0, epochs * windows.per_epoch)[:, 1:].ravel()
    counts = np.bincount(targets, minlength=size)
    assert (counts[2 * length : -3 * length] == epochs).all()
    assert counts.sum() > 0.995 * epochs * size


def test_a_window_is_a_function_of_its_index() -> None:
    one, other = Windows(stream(1000), 7, seed=3), Windows(stream(1000), 7, seed=3)
    forward = one.rows(0, 400)
    backward = np.concatenate([other.rows(index, 1) for index in reversed(range(400))])[::-1]
    assert np.array_equal(forward, backward)
    assert np.array_equal(Windows(stream(1000), 7, seed=3).rows(123, 50), forward[123:173])


def test_epochs_and_seeds_differ_in_order_and_in_cut() -> None:
    windows = Windows(stream(5000), 50, seed=0)
    epochs = [windows.rows(epoch * windows.per_epoch, windows.per_epoch)[:, 0] for epoch in range(6)]
    assert len({int(epoch.min()) % 50 for epoch in epochs}) > 2, "another offset"
    assert len({tuple(np.argsort(epoch)) for epoch in epochs}) == 6, "another order"
    assert not np.array_equal(epochs[0], Windows(stream(5000), 50, seed=1).rows(0, windows.per_epoch)[:, 0])


def test_documents_are_those_of_the_windows() -> None:
    windows = Windows(stream(1000), 7, seed=0)
    for first in (0, 50, 139):
        rows = windows.rows(first, 3)
        expected = list(dict.fromkeys(f"d{place // 10}" for row in rows for place in row))
        assert windows.documents(first, 3) == expected


@pytest.mark.parametrize("size", [0, 1, 10])
def test_a_text_too_short_is_a_sentence(size: int) -> None:
    with pytest.raises(HeadwaterError, match=r"longer than the training text") as caught:
        Windows(stream(size), 10, seed=0)
    assert caught.value.where == "pretrain.model.context"
    assert f"({size:,} tokens)" in str(caught.value)
