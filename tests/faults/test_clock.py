"""The clock jumps: somebody sets it, a machine sleeps or is moved to another.

Promised: the run ends with the bits and figures that it would have had, for no clock is read by what is computed; no rate or time that it
tells is negative, infinite or no number; a time limit counts seconds that passed, not hours that the wall's clock was put forward.
"""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.core.progress import JsonReporter
from headwater.model.network import Network
from headwater.training.interrupts import Interrupts
from headwater.training.loop import Trained
from tests.faults.world import Counting, bits, changed, logs, run

pytestmark = pytest.mark.fault

YEAR = 3.2e7


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Network, Trained]:
    folder = tmp_path_factory.mktemp("undisturbed")
    return (folder, *run(folder, Counting()))


def jumping(by: float) -> Callable[[], float]:
    """A wall clock that is put forward and back at each look."""
    signs = itertools.cycle([1.0, -1.0])
    began = time.time()
    return lambda: began + next(signs) * by


def going(by: float) -> Callable[[], float]:
    """A clock that goes on by so many seconds at each look."""
    looks = itertools.count()
    return lambda: 1e6 + by * next(looks)


CLOCKS: dict[str, dict[str, Callable[[], float]]] = {
    "set back and forth": {"time": jumping(YEAR)},
    "stands still": {"perf_counter": lambda: 5.0, "monotonic": lambda: 5.0, "time": lambda: 5.0},
    "runs backwards": {name: going(-1.0) for name in ("perf_counter", "monotonic", "time")},
    "leaps": {name: going(1e5) for name in ("perf_counter", "time")},
}


@pytest.mark.parametrize("kind", CLOCKS)
def test_equal_bits_and_no_senseless_rate(
    undisturbed: tuple[Path, Network, Trained], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    for name, clock in CLOCKS[kind].items():
        monkeypatch.setattr(time, name, clock)
    network, trained = run(tmp_path, Counting(), changed(checkpoints={"time_limit": 3600.0}))
    monkeypatch.undo()
    assert bits(network) == bits(undisturbed[1])
    assert logs(tmp_path) == logs(undisturbed[0])
    assert trained == undisturbed[2]
    rows = [json.loads(line) for line in (tmp_path / "journal" / "timing.jsonl").read_text().splitlines()]
    assert len(rows) == 30
    for row in rows:
        for key, value in row.items():
            assert not isinstance(value, int | float) or (math.isfinite(value) and value >= 0), (key, value)


def test_a_time_limit_does_not_believe_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", jumping(YEAR))
    with Interrupts(60.0) as interrupts:
        assert not any(interrupts.requested for _ in range(10))
    monkeypatch.setattr(time, "monotonic", lambda: 10.0)
    with Interrupts(60.0) as interrupts:
        monkeypatch.setattr(time, "monotonic", lambda: 71.0)
        assert interrupts.requested


def test_the_bar_tells_no_negative_time(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    counter = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: 1e6 - 60.0 * next(counter))
    report = JsonReporter()
    with report.bar("steps", 10, "steps") as bar:
        for _ in range(10):
            bar.advance()
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events
    assert all(event["seconds"] >= 0 for event in events)
