"""headwater/core/team.py: each share is computed once, by torch's threads."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numba.core.errors import TypingError

from headwater.core.team import Kernel, argument, begin, floats, gathered, run, soon, take

pytestmark = pytest.mark.skipif(gathered() is None, reason="torch has no OpenMP library here that we know")


@Kernel
def _grow(job: Any) -> None:
    """One more for each number, and in `counts` for its share."""
    count = argument(job, 0)
    share = take(job)
    while share >= 0:
        first, last = begin(job, share, count), begin(job, share + 1, count)
        x, counts = floats(job, 1, first, last), floats(job, 2, share, share + 1)
        for at in range(len(x)):
            x[at] += np.float32(1)
        counts[0] += np.float32(1)
        share = take(job)


@Kernel
def _shrink(job: Any) -> None:
    if take(job) >= 0:
        x = floats(job, 1, 0, argument(job, 0))
        for at in range(len(x)):
            x[at] -= np.float32(1)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("count", [0, 1, 5, 100_003])
@pytest.mark.parametrize("shares", [1, 3, 32])
@pytest.mark.parametrize("team", [1, 2, 4])
def test_each_share_is_computed_once(team: int, shares: int, count: int) -> None:
    torch.set_num_threads(team)
    x, counts = torch.arange(float(count)), torch.zeros(shares)
    for _ in range(20):
        run(_grow, shares, count, x, counts)
    assert torch.equal(x, torch.arange(float(count)) + 20)
    assert torch.equal(counts, torch.full((shares,), 20.0))


@pytest.mark.usefixtures("threads")
def test_the_threads_are_those_of_torch() -> None:
    torch.set_num_threads(4)
    torch.ones(1 << 20).mul_(2)  # torch's team is there from here on
    tasks = Path("/proc/self/task")
    before = len(list(tasks.iterdir()))
    run(_grow, 32, 1000, torch.zeros(1000), torch.zeros(32))
    assert len(list(tasks.iterdir())) == before


def test_from_a_thread_of_its_own() -> None:
    x = torch.zeros(1000)
    thread = threading.Thread(target=run, args=(_grow, 4, 1000, x, torch.zeros(4)))
    thread.start()
    thread.join()
    assert torch.equal(x, torch.ones(1000))


def test_kernels_are_compiled_beside_what_goes_on() -> None:
    """Who runs one meanwhile waits for it; one that cannot be compiled says so to whoever runs it, and to nobody before."""

    @Kernel
    def _wrong(job: Any) -> None:
        job.no_such_thing()

    thread = soon([_wrong, _shrink])
    x = torch.ones(10)
    run(_shrink, 1, 10, x)
    assert torch.equal(x, torch.zeros(10))
    thread.join()
    with pytest.raises(TypingError):
        run(_wrong, 1, x)
