"""The learning rate: its ends, its peak, its shape against closed forms and against transformers' schedules."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from headwater.training.config import WSD, Constant, Cosine, InverseSqrt, Linear, Polynomial, ScheduleConfig, Step, Training
from headwater.training.schedule import rate_at

STEPS = 100


def rates(schedule: ScheduleConfig, steps: int = STEPS) -> list[float]:
    return [rate_at(schedule, step, steps) for step in range(steps)]


def test_warms_up_peaks_and_ends_at_the_floor() -> None:
    found = rates(Cosine(warmup=10, floor=0.1))
    assert found[0] == pytest.approx(1 / 11)
    assert found[10] == pytest.approx(1.0)
    assert found[-1] == pytest.approx(0.1)
    assert all(0 < rate <= 1 for rate in found)
    assert found[:11] == sorted(found[:11])
    assert found[10:] == sorted(found[10:], reverse=True)


def test_half_way_is_half_way() -> None:
    assert rate_at(Cosine(warmup=0, floor=0.0), 50, 101) == pytest.approx(0.5 * (1 + math.cos(math.pi / 2)))


@pytest.mark.parametrize(
    "schedule", [Cosine(warmup=5, floor=0.0), Linear(warmup=5), Polynomial(warmup=5, power=2.5), WSD(warmup=5, fall=20)]
)
def test_never_negative_past_the_end(schedule: ScheduleConfig) -> None:
    """A step count read wrongly must not turn the rate around."""
    assert rate_at(schedule, 10_000, 100) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("schedule", "peer"),
    [
        (Constant(warmup=9), lambda o, s: o.get_constant_schedule_with_warmup(s, 10)),
        (Linear(warmup=9), lambda o, s: o.get_linear_schedule_with_warmup(s, 10, STEPS)),
        (Linear(warmup=0), lambda o, s: o.get_linear_schedule_with_warmup(s, 1, STEPS)),
        (Cosine(warmup=9, floor=0.0), lambda o, s: o.get_cosine_schedule_with_warmup(s, 10, STEPS)),
        (Cosine(warmup=9, floor=0.1), lambda o, s: o.get_cosine_with_min_lr_schedule_with_warmup(s, 10, STEPS, min_lr_rate=0.1)),
        (
            Polynomial(warmup=9, power=3, floor=0.2),
            lambda o, s: o.get_polynomial_decay_schedule_with_warmup(s, 10, STEPS, lr_end=0.2, power=3),
        ),
        (InverseSqrt(warmup=10), lambda o, s: o.get_inverse_sqrt_schedule(s, 10)),
        (WSD(warmup=9, fall=30), lambda o, s: o.get_wsd_schedule(s, 10, 30, num_training_steps=STEPS, decay_type="linear")),
        (WSD(warmup=9, fall=30, shape="cosine"), lambda o, s: o.get_wsd_schedule(s, 10, 30, num_training_steps=STEPS, decay_type="cosine")),
        (WSD(warmup=9, fall=30, shape="sqrt"), lambda o, s: o.get_wsd_schedule(s, 10, 30, num_training_steps=STEPS, decay_type="1-sqrt")),
    ],
)
def test_equals_transformers_one_step_on(schedule: ScheduleConfig, peer: Callable[[Any, Any], Any]) -> None:
    """Its first step (0, at which it learns nothing) is left out here: our step n is its n + 1, our warm-up of 9 its 10."""
    import torch
    from transformers import optimization

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = peer(optimization, optimizer).lr_lambdas[0]
    assert rates(schedule) == pytest.approx([theirs(step + 1) for step in range(STEPS)], abs=1e-12)


def test_vaswani_s_rate_is_the_paper_s_equation_3() -> None:
    width, warmup = 512, 4000
    peak = (width * warmup) ** -0.5
    for step in (0, 1, 3998, 3999, 4000, 99_999):
        n = step + 1
        assert peak * rate_at(InverseSqrt(warmup=warmup), step, 100_000) == pytest.approx(width**-0.5 * min(n**-0.5, n * warmup**-1.5))


def test_t5_s_rate() -> None:
    schedule = InverseSqrt(warmup=0, timescale=10_000)
    for step in (0, 9_998, 9_999, 10_000, 499_999):
        assert 0.01 * rate_at(schedule, step, 500_000) == pytest.approx(1 / math.sqrt(max(step + 1, 10_000)))


def test_ulmfit_s_triangle_is_a_line_with_a_floor() -> None:
    found = rates(Linear(warmup=9, floor=1 / 32))
    assert (found[9], found[-1]) == (1.0, pytest.approx(1 / 32))
    assert found[54] == pytest.approx(1 - 45 / 90 * (31 / 32))


def test_steps() -> None:
    """DeepSeek's: 31.6 % after 80 % of the run, 10 % after 90 %."""
    found = rates(Step(warmup=9, at=(80, 90), factor=0.1**0.5))
    assert found[9:80] == [1.0] * 71
    assert found[80:90] == pytest.approx([0.316] * 10, abs=1e-3)
    assert found[90:] == pytest.approx([0.1] * 10)


def test_wsd_is_at_the_peak_until_it_falls() -> None:
    found = rates(WSD(warmup=9, fall=30, floor=0.1))
    assert found[9:70] == [1.0] * 61
    assert found[70] < 1
    assert found[-1] == pytest.approx(0.1)


def test_a_horizon_before_the_end_and_one_counted_in_tokens() -> None:
    """GPT-3: down to 10 % at 260 G tokens, then 10 % until 300 G. Each step asks for its last token."""
    assert rates(Cosine(warmup=10, horizon=50, floor=0.1))[49:] == pytest.approx([0.1] * 51)
    tokens = Cosine(warmup=375_000_000, horizon=260_000_000_000, unit="tokens", floor=0.1)
    assert rate_at(tokens, 3_200_000 - 1, 0) == pytest.approx(3.2 / 375, rel=1e-6)
    assert rate_at(tokens, 375_000_000, 0) == pytest.approx(1.0)
    assert rate_at(tokens, 299_999_999_999, 0) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("schedule", "sentence"),
    [
        ({"warmup": 100}, r"the warm-up \(100 steps\) is not shorter than the run \(100 steps\)"),
        ({"kind": "wsd", "warmup": 50, "fall": 50}, "the schedule needs more than 100 steps, and the run has 100"),
        ({"kind": "step", "warmup": 5, "at": [10, 100]}, "the schedule needs more than 100 steps, and the run has 100"),
        ({"kind": "step", "warmup": 5, "at": [10, 10]}, "the steps must come after the warm-up, one after the other"),
        ({"kind": "step", "warmup": 5, "at": [5]}, "the steps must come after the warm-up, one after the other"),
        ({"kind": "linear", "warmup": 50, "horizon": 50}, "the schedule needs more than 50 steps, and its horizon is 50"),
        ({"unit": "tokens"}, "a schedule in tokens needs its horizon in tokens"),
        ({"kind": "inverse_sqrt", "warmup": 50, "timescale": 40}, r"the timescale \(40\) is shorter than the warm-up \(50\)"),
        ({"floor": 1.1}, "less than or equal to 1"),
        ({"warmup": -1}, "greater than or equal to 0"),
        ({"kind": "step", "at": [], "warmup": 1}, "at least 1 item"),
    ],
)
def test_what_cannot_be_is_refused(schedule: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Training(steps=100, schedule=schedule)


def test_a_schedule_without_its_kind_is_a_cosine() -> None:
    assert Training(steps=100, schedule={"warmup": 3, "floor": 0.02}).schedule == Cosine(warmup=3, floor=0.02)
