"""headwater/corpus/split.py: stable, stratified, never empty and never everything."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.errors import HeadwaterError
from headwater.corpus.config import Holdout
from headwater.corpus.split import hashes_of, held_out


def held(ids: list[str], strata: list[int], config: Holdout) -> np.ndarray:
    return held_out(hashes_of(pa.array(ids, pa.string())), np.array(strata, np.int64), config)


def test_the_fraction_is_held_within_chance() -> None:
    ids = [f"s/{n}.txt" for n in range(20_000)]
    share = held(ids, [0] * len(ids), Holdout(fraction=0.05)).mean()
    assert abs(share - 0.05) < 5 * np.sqrt(0.05 * 0.95 / 20_000)


def test_more_data_moves_nobody() -> None:
    ids = [f"s/{n}" for n in range(5000)]
    few, many = held(ids[:2000], [0] * 2000, Holdout()), held(ids[::-1], [0] * 5000, Holdout())[::-1]
    assert (few == many[:2000]).all()


@given(st.integers(2, 60), st.floats(0.001, 0.5), st.integers(1, 6))
def test_neither_nothing_nor_everything(count: int, fraction: float, strata: int) -> None:
    found = held([f"x/{n}" for n in range(count)], [n % strata for n in range(count)], Holdout(fraction=fraction, stratum=2))
    assert 0 < found.sum() < count


def test_every_big_enough_stratum_has_some_held_out() -> None:
    names = ["big"] * 500 + ["small"] * 12 + ["tiny"] * 3
    strata = [["big", "small", "tiny"].index(name) for name in names]
    found = held([f"{name}/{n}" for n, name in enumerate(names)], strata, Holdout(fraction=0.002))
    assert found[:500].any()
    assert found[500:512].any()


def test_a_group_with_one_hash_is_never_divided() -> None:
    hashes = np.repeat(hashes_of(pa.array([f"g/{n}" for n in range(300)])), 3)
    found = held_out(hashes, np.arange(900) % 7, Holdout(fraction=0.1)).reshape(300, 3)
    assert (found.all(axis=1) == found.any(axis=1)).all()
    assert found.any()


@pytest.mark.parametrize("count", [0, 1])
def test_one_document_cannot_be_split(count: int) -> None:
    with pytest.raises(HeadwaterError, match="none can be held out"):
        held(["a"] * count, [0] * count, Holdout())


def test_one_group_cannot_be_split() -> None:
    with pytest.raises(HeadwaterError, match="one group of duplicates"):
        held(["a", "a"], [0, 0], Holdout())
