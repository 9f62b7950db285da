"""Interrupts: the first signal is heard, the second one has its old effect; time is told by a clock that nobody can set."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from headwater.training.interrupts import Interrupts


@pytest.fixture
def deaths() -> Iterator[list[int]]:
    """What the handlers before ours hear: signals that would have ended the process."""
    heard: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = {number: signal.signal(number, lambda number, frame: heard.append(number)) for number in numbers}
    yield heard
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_is_heard_and_the_second_leaves(deaths: list[int], number: int) -> None:
    with Interrupts() as interrupts:
        assert not interrupts.requested
        os.kill(os.getpid(), number)
        assert interrupts.requested
        assert interrupts.reason == f"{signal.Signals(number).name} came"
        assert deaths == []
        os.kill(os.getpid(), number)
        assert deaths == [number]


def test_a_schedulers_warning_does_not_count_as_the_first(deaths: list[int]) -> None:
    """SIGUSR1 may come again, and the SIGTERM after it is still the first."""
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupts.requested
        assert interrupts.reason == "SIGUSR1 came"
        assert deaths == []
        os.kill(os.getpid(), signal.SIGTERM)
        assert deaths == [signal.SIGTERM]


def test_handlers_are_put_back(deaths: list[int]) -> None:
    with Interrupts():
        pass
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        os.kill(os.getpid(), number)
    assert deaths == [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1]


@pytest.mark.fault
def test_the_time_limit_keeps_to_a_steady_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(time, "time", lambda: 9e9)  # somebody set the clock
    with Interrupts(3600) as interrupts:
        now += 3599.9
        assert not interrupts.requested
        now += 0.1
        assert interrupts.requested
        assert interrupts.reason == "the time limit of 3,600 s is reached"
