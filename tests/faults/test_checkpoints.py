"""Whatever ends a run, and whatever happens to its checkpoints meanwhile, it goes on from the newest whole one and ends with the same bits.

Promised: a killed process, a torn, lost or changed file, a checkpoint of another run, a full disk and signals cost at most the steps since
the newest checkpoint that is whole; what was found is said with the file's name; and where none is whole the run is refused and does not
begin anew.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.core.errors import HeadwaterError
from headwater.model.network import Network
from headwater.training import checkpoint, checkpoint_files, keeping
from headwater.training.loop import Trained
from tests.faults.world import Counting, bits, changed, logs, run

pytestmark = pytest.mark.fault

CONFIG = changed(
    steps=24, checkpoint_every=6, sample_every=12, guard={"snapshot_every": 4}, stopping={"keep": "best"}, average={"kind": "ema"}
)  # fmt: skip
FILES = ["network.safetensors", "optimizer.safetensors", "average.safetensors", "best.safetensors", "state.json", "checksums.json"]
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "tests.faults.world",
        "torch._dynamo",
        "torch.distributed.checkpoint",
        "torch.utils.tensorboard",
        "fsspec.implementations.local",
        "pytest",
    ]
)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Network, Trained]:
    folder = tmp_path_factory.mktemp("undisturbed")
    return (folder, *run(folder, Counting(), CONFIG))


def goes_on(folder: Path, undisturbed: tuple[Path, Network, Trained]) -> None:
    network, trained = run(folder, Counting(), CONFIG)
    assert bits(network) == bits(undisturbed[1])
    assert logs(folder) == logs(undisturbed[0])
    assert trained == undisturbed[2]


def newest(folder: Path) -> Path:
    return sorted((folder / "scratch" / "checkpoints").glob("step-*"))[-1]


def killed_at(place: int) -> Counting:
    def kill(now: int) -> None:
        if now == place:
            raise MemoryError("killed")

    return Counting(before=kill)


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A run that died at step 20, with checkpoints of steps 12 and 18."""
    with pytest.raises(MemoryError):
        run(tmp_path, killed_at(20), CONFIG)
    assert newest(tmp_path).name == "step-0000018"
    return tmp_path


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) * 2 // 3] ^= 4
    file.write_bytes(content)


def tear(file: Path) -> None:
    os.truncate(file, file.stat().st_size * 2 // 3)


def lose(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("damage", [flip, tear, lose])
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file(
    undisturbed: tuple[Path, Network, Trained], killed: Path, file: str, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    assert {each.name for each in newest(killed).iterdir()} == set(FILES)
    damage(newest(killed) / file)
    if file == "average.safetensors" and damage is flip:  # one is carried to the end; of the others it is enough where they begin
        goes_on(killed, undisturbed)
    else:
        with pytest.raises(MemoryError):
            run(killed, killed_at(12), CONFIG)
    said = capsys.readouterr().err
    named = "" if file == "checksums.json" and damage is flip else file  # it is another's checksum, or name, that is wrong now
    assert f"checkpoint step-0000018 is damaged ({named}" in said
    assert "going on from step 12 of 24" in said


def test_none_is_whole(killed: Path) -> None:
    for path in (killed / "scratch" / "checkpoints").glob("step-*"):
        flip(path / "optimizer.safetensors")
    with pytest.raises(HeadwaterError, match=r"the newest step-0000018 is damaged \(optimizer.safetensors\); delete this folder to start"):
        run(killed, Counting(), CONFIG)


def test_a_checkpoint_of_another_run(
    undisturbed: tuple[Path, Network, Trained], killed: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exchanged as a whole folder, so that its checksums hold."""
    other = tmp_path_factory.mktemp("other")
    config = CONFIG.model_copy(update={"optimizer": CONFIG.optimizer.model_copy(update={"lr": 3e-3})})
    run(other, Counting(), config)
    shutil.rmtree(newest(killed))
    shutil.copytree(other / "scratch" / "checkpoints" / "step-0000018", killed / "scratch" / "checkpoints" / "step-0000018")
    goes_on(killed, undisturbed)
    assert "checkpoint step-0000018 is of another run" in capsys.readouterr().err


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem that holds two checkpoints and no third."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1700k", "tmpfs", str(place)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("mounting a small filesystem takes root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("asynchronous", [True, False])
def test_the_disk_is_full(undisturbed: tuple[Path, Network, Trained], small_disk: Path, asynchronous: bool) -> None:
    """One sentence, no half-written folder, the older ones whole; with room again the run goes on."""
    folder = small_disk / "run"
    config = CONFIG.model_copy(update={"checkpoints": CONFIG.checkpoints.model_copy(update={"asynchronous": asynchronous})})
    with pytest.raises(HeadwaterError, match="no space left on the disk; free some and run the same command again"):
        run(folder, Counting(), config)
    left = sorted(path.name for path in (folder / "scratch" / "checkpoints").iterdir())
    assert left == ["step-0000006", "step-0000012"]
    assert not any(checkpoint_files.damage(folder / "scratch" / "checkpoints" / name) for name in left)
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    goes_on(folder, undisturbed)


def trains(folder: Path, begun: Any, hook: str = "", number: int = 0) -> None:
    """In a process of its own: train in `folder`; `hook` says what happens there."""
    if hook == "dies":
        _die_at(number)
    if hook == "writes slowly":
        real = checkpoint.write_tensors

        def slow(*arguments: Any) -> None:
            (folder / "writing").touch()
            time.sleep(60)
            real(*arguments)

        checkpoint.write_tensors = slow  # type: ignore[assignment]

    def before(place: int) -> None:
        begun.set()
        time.sleep(0.01)

    limit = 0.15 if hook == "has little time" else None
    checkpoints = CONFIG.checkpoints.model_copy(update={"time_limit": limit})
    try:
        run(folder, Counting(before=before), CONFIG.model_copy(update={"checkpoints": checkpoints}))
    except KeyboardInterrupt:
        sys.exit(130)


def _die_at(number: int) -> None:
    """Kill this process, as the kernel would, at its so-manieth dealing with the disk for a checkpoint."""
    done = 0

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal done
            done += 1
            if done == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return call

    for place, name in ((checkpoint_files, "save_file"), (checkpoint_files, "flush"), (checkpoint_files, "write_json"),
                        (checkpoint, "flush"), (shutil, "rmtree"), (os, "replace")):  # fmt: skip
        setattr(place, name, counted(getattr(place, name)))


def start(folder: Path, *arguments: Any) -> tuple[Any, Any]:
    """The process, once it has read its first batch or has ended."""
    begun = FORKS.Event()
    process = FORKS.Process(target=trains, args=(folder, begun, *arguments))
    process.start()
    while process.is_alive() and not begun.wait(0.01):
        pass
    return process, begun


def kill_at_operations(tmp_path: Path, undisturbed: tuple[Path, Network, Trained], numbers: list[int]) -> None:
    for number in numbers:
        folder = tmp_path / str(number)
        process, _ = start(folder, "dies", number)
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
        goes_on(folder, undisturbed)


def test_killed_at_operations_of_writing(tmp_path: Path, undisturbed: tuple[Path, Network, Trained]) -> None:
    """A checkpoint takes about 20 of them: files written, flushed, renamed, older ones removed; the thread does them while steps go on.
    Here: while the first is sealed, when it is renamed, and in the midst of the third."""
    kill_at_operations(tmp_path, undisturbed, [14, 17, 43])


@pytest.mark.slow
def test_killed_at_each_operation_of_writing(tmp_path: Path, undisturbed: tuple[Path, Network, Trained]) -> None:
    kill_at_operations(tmp_path, undisturbed, list(range(1, 80)))


def test_killed_at_ten_random_moments(tmp_path: Path, undisturbed: tuple[Path, Network, Trained]) -> None:
    """One run, killed ten times where the clock happens to find it."""
    draw = random.Random(11)
    folder = tmp_path / "run"
    for _ in range(10):
        process, _ = start(folder)
        time.sleep(draw.uniform(0.0, 0.25))
        process.kill()
        process.join(60)
    goes_on(folder, undisturbed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_finishes_the_step_and_keeps_it(tmp_path: Path, undisturbed: tuple[Path, Network, Trained], number: int) -> None:
    folder = tmp_path / "run"
    process, _ = start(folder)
    os.kill(process.pid, number)
    process.join(60)
    assert process.exitcode == 130
    assert checkpoint_files.damage(newest(folder)) is None
    assert not list((folder / "scratch" / "checkpoints").glob(".*"))
    goes_on(folder, undisturbed)


def test_sigterm_twice_leaves_at_once(tmp_path: Path, undisturbed: tuple[Path, Network, Trained]) -> None:
    """The first asks for a checkpoint, which here takes a minute; the second does not wait for it."""
    folder = tmp_path / "run"
    process, _ = start(folder, "writes slowly")
    os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + 30
    while not (folder / "writing").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGTERM)
    process.join(10)
    assert process.exitcode == -signal.SIGTERM
    (folder / "writing").unlink()
    goes_on(folder, undisturbed)


def test_the_time_limit(tmp_path: Path, undisturbed: tuple[Path, Network, Trained]) -> None:
    folder = tmp_path / "run"
    process, _ = start(folder, "has little time")
    process.join(60)
    assert process.exitcode == 130
    assert 1 <= int(newest(folder).name.removeprefix("step-")) < 24
    goes_on(folder, undisturbed)


def test_another_machine_is_named(
    undisturbed: tuple[Path, Network, Trained], killed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run goes on, but may not promise its bits."""
    real = keeping.surroundings
    monkeypatch.setattr(keeping, "surroundings", lambda size: {**real(size), "flags": ["avx2"], "processor": "another"})
    run(killed, Counting(), CONFIG)
    said = capsys.readouterr().err
    assert "step-0000018 was written with another kind of processor" in said
    assert "the bits may differ" in said
