"""The best validation: which it is, when patience ends, what is remembered."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch

from headwater.core.errors import HeadwaterError
from headwater.training.config import Stopping
from headwater.training.stopping import Best


def follow(best: Best, figures: list[Any], figure: str = "bits_per_byte") -> list[bool]:
    """Whether patience had ended after each."""
    ended = []
    for step, value in enumerate(figures):
        best.note(step, {figure: value}, {"weight": torch.tensor([float(step)])})
        ended.append(best.exhausted)
    return ended


def test_ends_after_so_many_that_were_not_better() -> None:
    assert follow(Best(Stopping(patience=2)), [5.0, 4.0, 4.0, 3.0, 3.5, 3.0]) == [False, False, False, False, False, True]
    assert not any(follow(Best(Stopping()), [5.0] * 50))


def test_keeps_the_weights_of_the_best_and_nothing_where_nobody_asked() -> None:
    best, plain = Best(Stopping(keep="best")), Best(Stopping())
    for one in (best, plain):
        follow(one, [5.0, 3.0, 4.0])
        assert (one.step, one.figures) == (1, {"bits_per_byte": 3.0})
    assert best.weights["weight"].tolist() == [1.0]
    assert plain.weights == {}


def test_more_may_be_better_and_little_may_not_be_enough() -> None:
    best = Best(Stopping(figure="accuracy", goal="most", least_gain=0.1))
    follow(best, [0.5, 0.55, 0.65, 0.6], "accuracy")
    assert (best.step, best.since) == (2, 1)


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf])
def test_what_is_no_number_is_never_better(nothing: float | None) -> None:
    best = Best(Stopping())
    follow(best, [3.0, nothing, 2.0])
    assert best.step == 2
    follow(worst := Best(Stopping()), [nothing, 9.0])
    assert worst.step == 1


def test_goes_through_a_checkpoint() -> None:
    first, second = Best(Stopping(patience=3, keep="best")), Best(Stopping(patience=3, keep="best"))
    follow(first, [3.0, 4.0, 4.0])
    second.load(json.loads(json.dumps(first.state())), first.weights)
    assert second.state() == first.state()
    second.note(9, {"bits_per_byte": 4.0}, {})
    assert second.exhausted
    assert second.weights["weight"].tolist() == [0.0]


def test_an_unknown_figure_is_a_mistake() -> None:
    with pytest.raises(HeadwaterError, match=r"stopping.figure: validation has no figure 'acuracy'; did you mean 'accuracy'\?"):
        Best(Stopping(figure="acuracy")).note(0, {"accuracy": 0.5}, {})
