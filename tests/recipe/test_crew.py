"""torchrun over the command line: one artifact that is what one process makes, one sentence when it ends, and on after a death."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Headwater

SHORT = ("--until", "pretrain", "pretrain.precision=fp32", "pretrain.log_every=1")


def torchrun(*arguments: object, processes: int = 2, restarts: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--max-restarts", str(restarts)]
    environment = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE", "MASTER_PORT")}
    return subprocess.Popen(
        [*command, "-m", "headwater", "run", *map(str, arguments)],
        stderr=subprocess.PIPE, text=True, env={**environment, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = process.communicate(timeout=300)
    return process.returncode, said


def rows(artifact: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (artifact / "metrics.jsonl").read_text().splitlines()]


def losses(artifact: Path) -> list[float]:
    return [row["loss"] for row in rows(artifact) if row["kind"] == "train"]


@pytest.fixture(scope="module")
def made(small_world: Path, tmp_path_factory: pytest.TempPathFactory, headwater: Headwater) -> Path:
    """A workspace that one process has brought up to its tokens, and another in which it has trained."""
    place = tmp_path_factory.mktemp("crew")
    tokens = place / "tokens"
    assert headwater("run", small_world / "recipe.yaml", "--until", "tokens", "--workspace", tokens).returncode == 0
    shutil.copytree(tokens, place / "one", symlinks=True)
    done = headwater("run", small_world / "recipe.yaml", *SHORT, "pretrain.steps=12", "--workspace", place / "one")
    assert done.returncode == 0, done.stderr
    return place


@pytest.mark.slow
def test_two_processes_make_the_artifact_of_one(small_world: Path, made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "tokens", tmp_path / "two", symlinks=True)
    code, said = ended(torchrun(small_world / "recipe.yaml", *SHORT, "pretrain.steps=12", "--workspace", tmp_path / "two"))
    assert code == 0, said
    assert said.count("pretrain   done") == 1
    one, two = made / "one" / "pretrain", tmp_path / "two" / "pretrain"
    assert two.resolve().name == one.resolve().name  # the same fingerprint: where it was computed is not what it is
    assert losses(two) == pytest.approx(losses(one), rel=1e-6)
    assert {file.name for file in two.iterdir()} == {file.name for file in one.iterdir()}
    assert not [path for path in (tmp_path / "two" / "artifacts").iterdir() if path.name.startswith(".")]


@pytest.mark.slow
@pytest.mark.fault
def test_one_sentence_whatever_the_number_of_processes(small_world: Path, made: Path) -> None:
    started = time.monotonic()
    code, said = ended(torchrun(small_world / "recipe.yaml", "pretrain.batch_size=1", "--workspace", made / "tokens"))
    assert code != 0
    assert time.monotonic() - started < 120
    assert [line for line in said.splitlines() if line.startswith("headwater:")] == [
        "headwater: batch_size: torchrun started 2 processes, and a batch has only 1 row: some would have none; "
        "start fewer processes, or make batch_size larger"
    ]


@pytest.mark.slow
@pytest.mark.fault
def test_a_killed_process_is_restarted_and_the_run_goes_on(small_world: Path, made: Path, tmp_path: Path) -> None:
    """kill -9 of one of two after a checkpoint: torchrun starts both again, and the losses are those of one that nobody disturbed."""
    place = tmp_path / "killed"
    shutil.copytree(made / "tokens", place, symlinks=True)
    process = torchrun(small_world / "recipe.yaml", *SHORT, "pretrain.steps=150", "--workspace", place, restarts=1)
    deadline = time.monotonic() + 200
    while not list((place / "artifacts").glob("pretrain-*/scratch/checkpoints/step-0000010")):
        assert time.monotonic() < deadline, "no checkpoint"
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    os.kill(_child(process.pid, rank=1), signal.SIGKILL)
    code, said = ended(process)
    assert code == 0, said
    assert "going on from step" in said
    whole = tmp_path / "whole"
    shutil.copytree(made / "tokens", whole, symlinks=True)
    code, said = ended(torchrun(small_world / "recipe.yaml", *SHORT, "pretrain.steps=150", "--workspace", whole))
    assert code == 0, said
    assert rows(place / "pretrain") == rows(whole / "pretrain")  # equal layouts have equal bits


def _child(parent: int, rank: int) -> int:
    """The process that torchrun started as this rank."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            of = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if of == parent and f"RANK={rank}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                return int(folder.name)
        except (OSError, ValueError, IndexError):
            continue
    raise AssertionError("there is no such process")
