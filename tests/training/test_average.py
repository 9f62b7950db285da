"""Averages of weights: the closed form of the moving one, the plain mean of the last ones, and lending them to the network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from headwater.training.average import Average, lent
from headwater.training.config import EMA, LastSteps, Training


def network(value: float) -> nn.Module:
    made = nn.Linear(1, 1, bias=False)
    nn.init.constant_(made.weight, value)
    return made


def follow(average: Average, values: list[float], refused: frozenset[int] = frozenset()) -> None:
    for step, value in enumerate(values, start=1):
        nn.init.constant_(average.parameters["weight"], value)
        average.note(step, applied=step not in refused)


def test_the_moving_average_in_closed_form() -> None:
    """Decay min(0.9, (1 + n) / (10 + n)): 2/11, 3/12, …, and 0.9 from n = 80 on."""
    average = Average(EMA(decay=0.9), network(5.0), 100)
    values = [float(step % 7) for step in range(100)]
    follow(average, values)
    expected = 5.0
    for n, value in enumerate(values, start=1):
        decay = min(0.9, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * value
    assert float(average.weights()["weight"]) == pytest.approx(expected, rel=1e-5)


def test_a_refused_step_is_not_averaged() -> None:
    one, other = (Average(EMA(decay=0.9), network(5.0), 10) for _ in range(2))
    follow(one, [1.0, 2.0, 2.0, 3.0], frozenset({3}))
    follow(other, [1.0, 2.0, 3.0])
    assert torch.equal(one.weights()["weight"], other.weights()["weight"])


def test_the_mean_of_the_last_five() -> None:
    """Weights that count the steps of a run of 100: 60, 70, 80, 90, 100."""
    average = Average(LastSteps(count=5, every=10), network(0.0), 100)
    follow(average, [float(step) for step in range(1, 56)])
    assert average.weights() == {}
    follow(average, [float(step) for step in range(1, 101)])
    assert float(average.weights()["weight"]) == pytest.approx(80.0)


@pytest.mark.parametrize("config", [EMA(decay=0.9), LastSteps(count=3, every=4)])
def test_equal_bits_after_its_state_went_through_a_checkpoint(config: EMA | LastSteps) -> None:
    whole, first, second = (Average(config, network(1.0), 20) for _ in range(3))
    values = [0.1 * step for step in range(20)]
    follow(whole, values)
    follow(first, values[:15])
    second.load(first.state())
    for step in range(15, 20):
        nn.init.constant_(second.parameters["weight"], values[step])
        second.note(step + 1, applied=True)
    assert torch.equal(whole.weights()["weight"], second.weights()["weight"])


def test_without_a_config_there_is_nothing() -> None:
    average = Average(None, network(1.0), 10)
    follow(average, [2.0])
    assert (average.weights(), average.state()) == ({}, {})


def test_lending_gives_back_to_the_bit_even_when_something_breaks() -> None:
    lender = network(0.1)
    seen = []

    def break_down() -> None:
        with lent(lender, {"weight": torch.tensor([[7.0]])}):
            seen.append(lender.weight.item())
            raise KeyError

    with pytest.raises(KeyError):
        break_down()
    assert seen == [7.0]
    assert torch.equal(lender.weight, torch.tensor([[0.1]]))


@pytest.mark.parametrize(
    ("training", "sentence"),
    [
        ({"average": {"kind": "last"}}, "5 weights, each 100 steps apart, need a longer run than 400 steps"),
        ({"average": {"kind": "last", "every": 10}, "stopping": {"patience": 3}}, "needs to know which is the last"),
        ({"average": {"kind": "ema"}, "optimizer": {"kind": "schedule_free"}, "schedule": {"kind": "constant"}}, "averages by itself"),
        ({"average": {"kind": "ema", "decay": 1.0}}, "less than 1"),
        ({"optimizer": {"kind": "schedule_free"}}, "lowers no rate"),
        ({"optimizer": {"kind": "lion", "lr": 0}}, "greater than 0"),
        ({"optimizer": {"kind": "sgd", "lr": -1}}, "greater than 0"),
        ({"rates": {"layer_decay": 1.5}}, "less than or equal to 1"),
        ({"clip": 0}, "greater than 0"),
    ],
)
def test_what_cannot_be_is_refused(training: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Training.model_validate({"steps": 400, **training})
