"""Checkpoints: written beside training one at a time, which of them stay, which can be trusted, and what is said of the others."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import headwater.training.checkpoint as checkpoint
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.parallel.group import Group
from headwater.training.checkpoint import Checkpoints
from headwater.training.checkpoint_config import CheckpointConfig
from headwater.training.checkpoint_files import Parts
from tests.heard import Heard

MODEL = {"embedding.weight": (5, 3), "norm.scale": (3,)}


def parts(value: float) -> Parts:
    return {"network": {name: torch.full(shape, value) for name, shape in MODEL.items()}, "optimizer": {}}


def whole(part: str, name: str, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    return torch.empty(tuple(shape), dtype=dtype)


def store(folder: Path, **config: Any) -> Checkpoints:
    return Checkpoints(folder, CheckpointConfig(**{"asynchronous": False, **config}), identity="this run")


def steps(checkpoints: Checkpoints) -> list[int]:
    return [int(path.name.removeprefix("step-")) for path in checkpoints.all()]


def write(checkpoints: Checkpoints, *numbers: int, best: int = 0, **state: Any) -> None:
    for number in numbers:
        checkpoints.write(number, parts(number), {"best": {"step": best}, **state})


def value_at(checkpoints: Checkpoints, path: Path) -> float:
    return float(checkpoints.read(path, whole)[0]["network"]["norm.scale"][0])


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Writing waits for the second event, after it has set the first."""
    begun, release = threading.Event(), threading.Event()
    real = checkpoint.write_tensors

    def slow(*arguments: Any) -> None:
        begun.set()
        assert release.wait(20)
        real(*arguments)

    monkeypatch.setattr(checkpoint, "write_tensors", slow)
    return begun, release


def test_what_is_written_is_read(tmp_path: Path) -> None:
    checkpoints = store(tmp_path)
    write(checkpoints, 5, 12)
    path = checkpoints.newest(Reporter(), MODEL)
    assert path == tmp_path / "step-0000012"
    tensors, state = checkpoints.read(path, whole)
    assert torch.equal(tensors["network"]["embedding.weight"], torch.full((5, 3), 12.0))
    assert tensors["optimizer"] == {}
    assert (state["step"], state["back"], state["run"]) == (12, 12, "this run")


def test_none_is_no_trouble(tmp_path: Path) -> None:
    assert store(tmp_path / "nothing").newest(Reporter(), MODEL) is None


def test_training_goes_on_while_a_thread_writes(tmp_path: Path, held: tuple[threading.Event, threading.Event]) -> None:
    """`write` returns at once, nothing is to be seen until the folder is whole, and the next write waits for this one."""
    begun, release = held
    checkpoints = store(tmp_path, asynchronous=True)
    write(checkpoints, 5)
    assert begun.wait(20)
    checkpoints.settle()  # does not wait
    assert checkpoints.all() == []
    second = threading.Thread(target=write, args=(checkpoints, 6))
    second.start()
    second.join(0.2)
    assert second.is_alive()
    release.set()
    second.join(20)
    assert steps(checkpoints)[0] == 5
    checkpoints.settle(wait=True)
    assert steps(checkpoints) == [5, 6]
    assert [value_at(checkpoints, path) for path in checkpoints.all()] == [5.0, 6.0]


@pytest.mark.fault
def test_what_stops_the_thread_is_said_and_the_older_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = store(tmp_path, asynchronous=True)
    write(checkpoints, 5)
    checkpoints.settle(wait=True)

    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoint, "seal", full)
    write(checkpoints, 6)
    with pytest.raises(HeadwaterError, match="no space left on the disk; free some and run the same command again"):
        checkpoints.settle(wait=True)
    assert [path.name for path in tmp_path.iterdir()] == ["step-0000005"]
    assert checkpoints.trouble(checkpoints.path(5), MODEL) is None
    checkpoints.settle(wait=True)  # said once


class Two(Group):
    """The leader of two processes. The other says what is in `said`, one word at each meeting."""

    size = 2

    def __init__(self, said: list[bool]) -> None:
        self.said = said

    def any(self, flag: bool) -> bool:
        return self.said.pop(0) or flag


@pytest.mark.fault
def test_another_process_that_cannot_write_is_heard_of(tmp_path: Path) -> None:
    """Nothing is renamed, and nobody goes on alone."""
    room_made, still_writing, done, failed = False, True, False, True
    checkpoints = Checkpoints(tmp_path, CheckpointConfig(), Two([room_made, still_writing, done, failed]))
    write(checkpoints, 5)
    checkpoints.settle(wait=True)
    assert checkpoints.all() == []
    with pytest.raises(HeadwaterError, match="another process could not write its part of a checkpoint"):
        checkpoints.settle(wait=True)
    assert list(tmp_path.iterdir()) == []


def test_leaving_waits_for_the_thread_but_not_for_who_is_in_a_hurry(tmp_path: Path, held: tuple[threading.Event, threading.Event]) -> None:
    begun, release = held
    checkpoints = store(tmp_path, asynchronous=True)
    write(checkpoints, 5)
    assert begun.wait(20)
    with pytest.raises(KeyboardInterrupt), checkpoints:
        raise KeyboardInterrupt
    assert checkpoints.all() == []
    threading.Timer(0.2, release.set).start()
    with pytest.raises(MemoryError), checkpoints:
        raise MemoryError
    assert steps(checkpoints) == [5]


@pytest.mark.parametrize(
    ("config", "best", "left"),
    [
        ({"keep": 2}, 0, [40, 50]),
        ({"keep": 1}, 0, [50]),
        ({"keep": 1, "keep_every": 20}, 0, [20, 40, 50]),
        ({"keep": 1, "keep_best": True}, 30, [30, 50]),
        ({"keep": 1, "keep_best": True}, 25, [30, 50]),  # the first that knows of it
    ],
)
def test_which_stay(tmp_path: Path, config: dict[str, Any], best: int, left: list[int]) -> None:
    checkpoints = store(tmp_path, **config)
    for number in (10, 20, 30, 40, 50):
        write(checkpoints, number, best=min(best, number))
    assert steps(checkpoints) == left


def test_an_irregular_one_stays_until_the_next_with_the_one_it_needs(tmp_path: Path) -> None:
    checkpoints = store(tmp_path, keep=1)
    write(checkpoints, 10, 20)
    write(checkpoints, 25, back=20)
    assert steps(checkpoints) == [20, 25]
    write(checkpoints, 27, back=20)
    assert steps(checkpoints) == [20, 27]
    write(checkpoints, 30)
    assert steps(checkpoints) == [30]


def test_those_ahead_of_a_run_that_went_back_go(tmp_path: Path) -> None:
    checkpoints = store(tmp_path)
    write(checkpoints, 10, 20, 30)
    write(checkpoints, 25)
    assert steps(checkpoints) == [20, 25]


@pytest.mark.fault
def test_the_newest_whole_one_is_taken_and_the_others_named(tmp_path: Path) -> None:
    checkpoints = store(tmp_path, keep=9)
    write(checkpoints, 10, 20)
    write(checkpoints, 25, back=20)
    write(checkpoints, 30, 40)
    (checkpoints.path(40) / "state.json").unlink()
    (checkpoints.path(30) / "checksums.json").write_text("{")
    file = checkpoints.path(20) / "network.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    heard = Heard()
    assert checkpoints.newest(heard, MODEL) == checkpoints.path(10)
    assert heard.lines == [
        "checkpoint step-0000040 is damaged (state.json is missing); going back to the one before it",
        "checkpoint step-0000030 is damaged (checksums.json); going back to the one before it",
        "checkpoint step-0000020 is damaged (network.safetensors); going back to the one before it",
    ]


@pytest.mark.fault
def test_a_run_does_not_begin_anew_without_a_word(tmp_path: Path) -> None:
    checkpoints = store(tmp_path)
    write(checkpoints, 10, 20)
    for path in checkpoints.all():
        (path / "network.safetensors").write_bytes(b"")
    with pytest.raises(HeadwaterError) as raised:
        checkpoints.newest(Reporter(), MODEL)
    assert str(raised.value) == (
        f"{tmp_path}: no checkpoint can be gone on from; the newest step-0000020 is damaged (network.safetensors); "
        "delete this folder to start again from step 0"
    )


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({**MODEL, "norm.scale": (4,)}, "norm.scale is 3 there and 4 here"),
        ({**MODEL, "embedding.weight": (5, 4)}, "embedding.weight is 5 × 3 there and 5 × 4 here"),
        ({"embedding.weight": (5, 3)}, "that one alone has norm.scale"),
        ({**MODEL, "bias": ()}, "this one alone has bias"),
    ],
)
def test_the_checkpoint_of_another_model(tmp_path: Path, other: dict[str, tuple[int, ...]], said: str) -> None:
    checkpoints = store(tmp_path)
    write(checkpoints, 10)
    with pytest.raises(HeadwaterError, match="no checkpoint can be gone on from; the newest step-0000010 is of another model") as raised:
        checkpoints.newest(Reporter(), other)
    assert said in str(raised.value)


@pytest.mark.fault
def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    """A folder that was never finished, one that was put aside, and one put aside whose successor never came."""
    checkpoints = store(tmp_path)
    write(checkpoints, 10, 20)
    (tmp_path / ".step-0000030.tmp").mkdir()
    (tmp_path / ".step-0000030.tmp" / "network.safetensors").write_bytes(b"half")
    os.rename(checkpoints.path(20), tmp_path / ".step-0000020.old")
    assert checkpoints.newest(Reporter(), MODEL) == checkpoints.path(20)
    (tmp_path / ".step-0000020.old").mkdir()
    assert checkpoints.newest(Reporter(), MODEL) == checkpoints.path(20)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-0000010", "step-0000020"]


def test_chosen_ones_outlive_the_run(tmp_path: Path) -> None:
    checkpoints = store(tmp_path / "scratch", keep=1, keep_every=20)
    write(checkpoints, 10, 20, 30)
    checkpoints.leave(tmp_path / "left")
    assert [path.name for path in (tmp_path / "left").iterdir()] == ["step-0000020"]
    for path in checkpoints.all():
        for file in path.iterdir():
            file.unlink()
    assert value_at(checkpoints, tmp_path / "left" / "step-0000020") == 20.0
