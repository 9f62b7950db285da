"""When a run is kept: whoever interrupts it, it goes back to the same steps and ends with the same bits."""

from __future__ import annotations

import dataclasses
import math
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from headwater.core.artifact import Work
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.tokens.batch import Batch
from headwater.training.checkpoint import Checkpoints
from headwater.training.config import AdamW, Training
from headwater.training.keeping import identity, regular
from tests.faults.world import CONFIG, Counting, bits, changed, logs, rows_of, run
from tests.parallel.processes import CONFIG as GROUP
from tests.parallel.processes import learn, together, values

POISON = frozenset({17, 18, 19, 30, 31, 32})
ROLLED = changed(steps=36, checkpoint_every=10, guard={"snapshot_every": 4, "patience": 3, "rewarm": 4})
ON_DISK = changed(steps=36, checkpoint_every=5, guard={"snapshot_every": None, "patience": 3, "rewarm": 4})


class Poisoned(Counting):
    """Batches 17 to 19 and 30 to 32 have no loss that is a number."""

    def batch(self, place: int) -> Batch:
        batch = super().batch(place)
        return dataclasses.replace(batch, weights_BT=batch.weights_BT * math.nan) if place in POISON else batch


def interrupted_at(place: int) -> Poisoned:
    return Poisoned(before=lambda now: signal.raise_signal(signal.SIGINT) if now == place else None)


def killed_at(place: int) -> Poisoned:
    def kill(now: int) -> None:
        if now == place:
            raise MemoryError("killed")

    return Poisoned(before=kill)


def steps_on_disk(folder: Path) -> list[int]:
    return [int(path.name.removeprefix("step-")) for path in Checkpoints(folder / "scratch" / "checkpoints").all()]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    ended = {}
    for name, config in (("memory", ROLLED), ("disk", ON_DISK)):
        folder = tmp_path_factory.mktemp(name)
        network, trained = run(folder, Poisoned(), config)
        ended[name] = (folder, bits(network), trained)
    return ended


def test_goes_back_to_the_newest_snapshot(undisturbed: dict[str, Any]) -> None:
    """Multiples of 4 and of 10, where the guard trusted the run; without snapshots multiples of 5."""
    for name, back in (("memory", [16, 24]), ("disk", [15, 25])):
        rows = rows_of(undisturbed[name][0], "rollback")
        assert [row["to"] for row in rows] == back


@pytest.mark.fault
@pytest.mark.parametrize("where", ["memory", "disk"])
@pytest.mark.parametrize(
    "ends",
    [
        [(interrupted_at, 2)],  # before anything was written
        [(interrupted_at, 16)],  # between the snapshot of 16 and the rollback
        [(interrupted_at, 18)],  # while the guard mistrusts the run
        [(killed_at, 19)],
        [(interrupted_at, 21), (interrupted_at, 25), (interrupted_at, 31)],  # behind the rollback, and in the second trouble
        [(interrupted_at, 18), (killed_at, 20), (interrupted_at, 28), (killed_at, 32)],
    ],
)
def test_equal_bits_however_interrupted(undisturbed: dict[str, Any], tmp_path: Path, ends: list[Any], where: str) -> None:
    config = {"memory": ROLLED, "disk": ON_DISK}[where]
    for make, place in ends:
        with pytest.raises((KeyboardInterrupt, MemoryError)):
            run(tmp_path, make(place), config)
    network, trained = run(tmp_path, Poisoned(), config)
    folder, expected, as_expected = undisturbed[where]
    assert bits(network) == expected
    assert logs(tmp_path) == logs(folder)
    assert trained == as_expected


@pytest.mark.fault
def test_an_interrupt_keeps_the_regular_state_beside_its_own(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, interrupted_at(13), ROLLED)
    assert steps_on_disk(tmp_path) == [10, 12, 14]
    damaged = tmp_path / "scratch" / "checkpoints" / "step-0000012" / "network.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    folder = Checkpoints(tmp_path / "scratch" / "checkpoints", identity=identity(Work(tmp_path, {}, 3, Reporter()), ROLLED))
    assert folder.trouble(folder.path(14)) == "needs step-0000012, which is damaged (network.safetensors)"
    assert folder.newest(Reporter()) == folder.path(10)


def test_regular_steps_are_a_function_of_the_config() -> None:
    def at(config: Training) -> list[int]:
        return [step for step in range(1, 41) if regular(step, config) == step]

    assert at(ROLLED) == [4, 8, 10, 12, 16, 20, 24, 28, 30, 32, 36, 40]
    assert at(ON_DISK) == [5, 10, 15, 20, 25, 30, 35, 40]


def test_a_run_is_told_from_others(tmp_path: Path) -> None:
    """By what shapes its weights, and not by how it is carried out."""
    work = Work(tmp_path, {}, 3, Reporter())
    assert identity(work, CONFIG) == identity(work, changed(micro_batch=3, checkpoints={"keep": 7}))
    assert identity(work, CONFIG) != identity(work, changed(steps=31))
    assert identity(work, CONFIG) != identity(Work(tmp_path, {}, 4, Reporter()), CONFIG)


@pytest.mark.fault
def test_the_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    """Of equal shape: only the rate differs."""
    with pytest.raises(MemoryError):
        run(tmp_path, killed_at(12), ROLLED)
    other = ROLLED.model_copy(update={"optimizer": ROLLED.optimizer.model_copy(update={"lr": 2e-2})})
    with pytest.raises(
        HeadwaterError, match=r"the newest step-0000010 is of another run .*; delete this folder to start again from step 0"
    ):
        run(tmp_path, Poisoned(), other)


@pytest.mark.fault
def test_a_damaged_checkpoint_that_a_lost_run_needs(tmp_path: Path) -> None:
    """Without snapshots in memory the disk is all there is: the run ends, and goes on from the one before."""

    class Damaging(Poisoned):
        def batch(self, place: int) -> Batch:
            if place == 19:
                for file in (tmp_path / "scratch" / "checkpoints" / "step-0000015").glob("*.safetensors"):
                    file.unlink()
            return super().batch(place)

    with pytest.raises(HeadwaterError, match="step-0000015: the run must go back to it, and it is damaged"):
        run(tmp_path, Damaging(), ON_DISK)


def test_what_config_names_outlives_the_run(tmp_path: Path) -> None:
    config = changed(checkpoint_every=5, checkpoints={"keep": 1, "keep_every": 10})
    run(tmp_path, Counting(), config)
    assert steps_on_disk(tmp_path) == [10, 20, 30]
    left = sorted(path.name for path in (tmp_path / "journal" / "checkpoints").iterdir())
    assert left == ["step-0000010", "step-0000020", "step-0000030"]


def learns(rank: int, folder: Path, die_at: int | None = None) -> Any:
    """In a group: train, or go on; each process dies before the batch `die_at`. Its losses, weights, and checkpoints that were there."""
    config = GROUP.model_copy(update={"steps": 14, "checkpoint_every": 4, "optimizer": AdamW(lr=1e-2)})

    def at(place: int) -> None:
        if place == die_at:
            raise MemoryError("killed")

    try:
        ended = learn(folder, config, rank=rank, at=at)
    except MemoryError:
        return None
    return ended.losses, ended.bits


@pytest.mark.slow
@pytest.mark.fault
def test_several_processes_keep_their_shards_and_one_goes_on_from_them(tmp_path: Path) -> None:
    """Killed and begun again by as many processes: equal bits. Begun again by one: the same losses."""
    [(losses, expected), _] = values(together(2, learns, tmp_path / "whole"))
    assert values(together(2, learns, tmp_path / "two", 10)) == [None, None]
    newest = sorted((tmp_path / "two" / "shared" / "scratch" / "checkpoints").glob("step-*"))[-1]
    assert newest.name == "step-0000008"
    assert {"network-1-of-2.safetensors", "network-2-of-2.safetensors"} < {file.name for file in newest.iterdir()}
    shutil.copytree(tmp_path / "two", tmp_path / "one")
    [(again, bits_again), other] = values(together(2, learns, tmp_path / "two"))
    assert again == losses
    assert bits_again == other[1] == expected
    alone, _ = learns(0, tmp_path / "one")
    assert alone == pytest.approx(losses, abs=1e-5)
