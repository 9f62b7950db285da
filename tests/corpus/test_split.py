"""headwater/corpus/split.py: stable, stratified, never empty and never everything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.errors import HeadwaterError
from headwater.corpus.config import Holdout
from headwater.corpus.split import held_out


def test_the_fraction_is_held_within_chance() -> None:
    ids = [f"s/{n}.txt" for n in range(20_000)]
    share = held_out(ids, ["s"] * len(ids), Holdout(fraction=0.05)).mean()
    assert abs(share - 0.05) < 5 * np.sqrt(0.05 * 0.95 / 20_000)


def test_more_data_moves_nobody() -> None:
    ids = [f"s/{n}" for n in range(5000)]
    few, many = held_out(ids[:2000], ["s"] * 2000, Holdout()), held_out(ids[::-1], ["s"] * 5000, Holdout())[::-1]
    assert (few == many[:2000]).all()


@given(st.integers(2, 60), st.floats(0.001, 0.5), st.integers(1, 6))
def test_neither_nothing_nor_everything(count: int, fraction: float, strata: int) -> None:
    held = held_out([f"x/{n}" for n in range(count)], [n % strata for n in range(count)], Holdout(fraction=fraction, stratum=2))
    assert 0 < held.sum() < count


def test_every_big_enough_stratum_has_some_held_out() -> None:
    strata = [("big", "en")] * 500 + [("small", "zh")] * 12 + [("tiny", "zh")] * 3
    held = held_out([f"{name}/{n}" for n, (name, _) in enumerate(strata)], strata, Holdout(fraction=0.002))
    assert held[:500].any()
    assert held[500:512].any()


@pytest.mark.parametrize("count", [0, 1])
def test_one_document_cannot_be_split(count: int) -> None:
    with pytest.raises(HeadwaterError, match="none can be held out"):
        held_out(["a"] * count, ["s"] * count, Holdout())
