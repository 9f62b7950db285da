"""The guard refuses what cannot be trusted, keeps what can, and remembers across a checkpoint."""

import math
import random

import pytest

from headwater.core.errors import HeadwaterError
from headwater.training.config import GuardConfig
from headwater.training.guard import Guard


def calm(guard: Guard, steps: int, seed: int = 0) -> None:
    draw = random.Random(seed)
    for _ in range(steps):
        assert guard.judge(3.0 + draw.gauss(0, 0.05), math.exp(draw.gauss(0, 0.1))) is None


@pytest.mark.parametrize(("loss", "norm"), [(math.nan, 1.0), (math.inf, 1.0), (3.0, math.nan), (3.0, math.inf), (30.0, 1.0), (3.0, 1000.0)])
def test_refuses_what_is_not_finite_or_far_out(loss: float, norm: float) -> None:
    guard = Guard(GuardConfig())
    calm(guard, 100)
    assert guard.judge(loss, norm) is not None


def test_not_finite_is_refused_from_the_first_step() -> None:
    assert Guard(GuardConfig()).judge(math.nan, 1.0) is not None


def test_a_falling_loss_is_never_an_outlier() -> None:
    guard = Guard(GuardConfig())
    for step in range(2000):
        assert guard.judge(8.0 * math.exp(-step / 100) + 2.0, 1.0 + 3.0 * math.exp(-step / 50)) is None


def test_no_false_alarm_in_ten_thousand_calm_steps() -> None:
    guard = Guard(GuardConfig())
    calm(guard, 10_000)
    assert guard.refused == 0


def test_outliers_do_not_enter_the_window() -> None:
    """Twenty spikes in a row must not teach the guard that spikes are normal."""
    guard = Guard(GuardConfig())
    calm(guard, 100)
    before = guard.state()
    for _ in range(20):
        assert guard.judge(30.0, 1.0) is not None
    assert guard.state()["losses"] == before["losses"]
    assert guard.judge(30.0, 1.0) is not None


def test_gives_up_with_a_sentence_after_its_patience() -> None:
    guard = Guard(GuardConfig(patience=3))
    guard.judge(math.nan, 1.0)
    guard.judge(math.nan, 1.0)
    with pytest.raises(HeadwaterError, match=r"3 steps in a row were refused, the last because the loss is nan; lower optimizer.lr"):
        guard.judge(math.nan, 1.0)


def test_judges_alike_after_its_state_went_through_json() -> None:
    import json

    first = Guard(GuardConfig())
    calm(first, 60)
    second = Guard(GuardConfig())
    second.load(json.loads(json.dumps(first.state())))
    for loss in (3.0, 3.3, 3.6, 4.0, 9.0):
        assert (first.judge(loss, 1.0) is None) == (second.judge(loss, 1.0) is None)
    assert first.state() == second.state()


def test_tells_the_limits_that_it_judges_by() -> None:
    guard = Guard(GuardConfig())
    assert guard.limits() == {"loss": None, "grad_norm": None}
    calm(guard, 100)
    limits = guard.limits()
    assert limits["loss"] is not None and limits["grad_norm"] is not None
    assert guard.judge(limits["loss"] * 1.001, 1.0) is not None
    assert guard.judge(3.0, limits["grad_norm"] * 1.001) is not None
    assert guard.judge(limits["loss"] * 0.999, limits["grad_norm"] * 0.999) is None


def test_a_threshold_beyond_all_numbers_lets_all_that_is_finite_pass() -> None:
    guard = Guard(GuardConfig(threshold=1e9))
    calm(guard, 100)
    assert guard.judge(1e6, 1e300) is None
    assert guard.judge(math.inf, 1.0) is not None
    assert math.isfinite(guard.limits()["grad_norm"] or math.nan)


def test_a_rollback_forgets_the_row_and_not_what_was_learned_of_it() -> None:
    guard = Guard(GuardConfig(patience=9))
    guard.judge(math.nan, 1.0)
    guard.incidents, guard.masked = 1, ["a"]
    known = guard.state()
    guard.load(Guard(GuardConfig()).state())
    guard.forgive(known)
    assert (guard.refused_in_a_row, guard.refused, guard.incidents, guard.masked) == (0, 1, 1, ["a"])
