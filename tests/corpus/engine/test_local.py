"""headwater/corpus/engine/local.py: workers that are killed, and workers whose parent is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headwater.core.errors import HeadwaterError
from headwater.corpus.engine.local import in_processes

PARENT = """
import sys, time
sys.path.insert(0, {root!r})
from tests_local_tasks import sleep_long
from headwater.corpus.engine.local import in_processes
if __name__ == "__main__":
    list(in_processes(sleep_long, [{folder!r}] * 2, 2))
"""
TASKS = """
import os, pathlib, time
def sleep_long(folder):
    (pathlib.Path(folder) / str(os.getpid())).touch()
    time.sleep(60)
"""


def kill_myself(number: int) -> None:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.fault
def test_a_killed_worker_is_a_sentence() -> None:
    with pytest.raises(HeadwaterError, match="a worker process was killed from outside"):
        list(in_processes(kill_myself, range(8), 2))


@pytest.mark.fault
def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    """kill -9 of the parent: nobody tells the workers, and they would write on for minutes."""
    (tmp_path / "tests_local_tasks.py").write_text(TASKS)
    (tmp_path / "parent.py").write_text(PARENT.format(root=str(tmp_path), folder=str(tmp_path / "pids")))
    (tmp_path / "pids").mkdir()
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py"])
    wait_for(lambda: len(list((tmp_path / "pids").iterdir())) == 2)
    parent.kill()
    parent.wait()
    workers = [int(path.name) for path in (tmp_path / "pids").iterdir()]
    wait_for(lambda: not any(alive(worker) for worker in workers))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_for(condition: object, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)
