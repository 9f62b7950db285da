"""The learning rate: its ends, its peak, its shape against the closed form."""

import math

import pytest
from pydantic import ValidationError

from headwater.training.config import Cosine, Training
from headwater.training.schedule import rate_at


def test_warms_up_peaks_and_ends_at_the_floor() -> None:
    schedule = Cosine(warmup=10, floor=0.1)
    rates = [rate_at(schedule, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(1 / 11)
    assert rates[10] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(0.1)
    assert all(0 < rate <= 1 for rate in rates)
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_half_way_is_half_way() -> None:
    assert rate_at(Cosine(warmup=0, floor=0.0), 50, 101) == pytest.approx(0.5 * (1 + math.cos(math.pi / 2)))


def test_never_negative_past_the_end() -> None:
    """A step count read wrongly must not turn the rate around."""
    assert rate_at(Cosine(warmup=5, floor=0.0), 10_000, 100) == pytest.approx(0.0, abs=1e-12)


def test_a_warmup_longer_than_the_run_is_refused() -> None:
    with pytest.raises(ValidationError, match="not shorter than the run"):
        Training(steps=10, schedule=Cosine(warmup=10))
