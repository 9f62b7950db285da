"""Whether there are others is told by torchrun's environment alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

from headwater.parallel.group import Group, current
from headwater.parallel.launch import is_lost_peer, launched, processes_here, say_once

OF_TORCHRUN = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in OF_TORCHRUN:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def launch(environment: pytest.MonkeyPatch, **changes: str) -> None:
    for name, value in {**OF_TORCHRUN, **changes}.items():
        environment.setenv(name, value)


def test_alone_without_torchrun(environment: pytest.MonkeyPatch) -> None:
    assert not launched()
    assert processes_here() == 1
    assert type(current()) is Group
    environment.setenv("WORLD_SIZE", "8")  # another scheduler's word
    assert not launched()


def test_one_process_of_torchrun_is_alone(environment: pytest.MonkeyPatch) -> None:
    launch(environment, WORLD_SIZE="1", RANK="0")
    assert type(current()) is Group


def test_several(environment: pytest.MonkeyPatch) -> None:
    launch(environment)
    assert launched()
    assert processes_here() == 2


def test_last_words_are_said_even_where_nobody_listens(environment: pytest.MonkeyPatch) -> None:
    said: list[int] = []
    say_once(lambda: said.append(1))
    launch(environment)  # port 1: no store there
    say_once(lambda: said.append(2))
    assert said == [1, 2]


def test_only_a_lost_connection_is_a_lost_peer(environment: pytest.MonkeyPatch) -> None:
    lost = RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:32774")
    assert not is_lost_peer(lost)
    launch(environment)
    assert is_lost_peer(lost)
    assert not is_lost_peer(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_lost_peer(KeyError("gloo"))


@pytest.mark.parametrize(("code", "ending"), [("0", 0), ("2", 2)])
def test_one_of_several_ends_without_finalizing(environment: pytest.MonkeyPatch, code: str, ending: int) -> None:
    """What would abort while the interpreter is taken down does not: its exit code and its words stand."""
    script = f"import atexit, os; from headwater.parallel.launch import leave; atexit.register(os.abort); print('said'); leave({code})"
    launch(environment)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (ending, "said\n")
    environment.delenv("RANK")
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60).returncode < 0  # alone: taken down in order
