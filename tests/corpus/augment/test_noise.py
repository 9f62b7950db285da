"""headwater/corpus/augment/noise.py"""

from __future__ import annotations

import itertools

import pytest
from rapidfuzz.distance import OSA

from headwater.core.random import stream
from headwater.corpus.augment.config import Noise
from headwater.corpus.augment.noise import NEIGHBOURS, noisy

TEXT = "The river was wide and slow, and we crossed it before the evening came. 1234 话说天下大势，分久必合。\n" * 40


@pytest.mark.parametrize("slip", ["drop", "double", "swap", "keyboard"])
def test_every_slip_is_one_edit_and_as_frequent_as_asked(slip: str) -> None:
    share = 0.05
    found = noisy(TEXT, Noise(share=share, slips=[slip]), stream(1, slip))  # type: ignore[list-item]
    letters = sum(letter.isalpha() and (slip != "keyboard" or letter.isascii()) for letter in TEXT)
    if slip == "swap":  # with a letter that follows and is another
        letters = sum(a.isalpha() and b.isalpha() and a != b for a, b in itertools.pairwise(TEXT))
    edits = sum(OSA.distance(a, b) for a, b in zip(TEXT.split("\n"), found.split("\n"), strict=True))
    assert edits == pytest.approx(share * letters, rel=0.25)
    length = {"drop": -1, "double": 1}.get(slip, 0)
    assert len(found) - len(TEXT) == length * edits


def test_only_letters_slip() -> None:
    assert noisy("12 .,;。，\n", Noise(share=1.0), stream(1, "x")) == "12 .,;。，\n"
    assert noisy("话说", Noise(share=1.0, slips=["keyboard"]), stream(1, "x")) == "话说"
    assert noisy("Ab", Noise(share=1.0, slips=["swap"]), stream(1, "x")) == "bA"


def test_keys_touch_both_ways() -> None:
    assert all(key in NEIGHBOURS[near] for key, nears in NEIGHBOURS.items() for near in nears)
    assert set(NEIGHBOURS["g"]) == set("fhtyvb")
