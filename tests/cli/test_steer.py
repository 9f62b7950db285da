"""`headwater steer`: a mistake is one sentence before the run hears of it; a process that is steered, killed and resumed ends with the bits
of a run that had the changes in its recipe."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from headwater.cli.main import app
from headwater.cli.steer import read_words, running, steer
from headwater.core.errors import HeadwaterError
from headwater.core.storage import read_jsonl, write_json
from headwater.recipe.pretrain_config import Pretrain
from headwater.training.steering_files import ANSWERED, ASKED, FOLDER, RECORD

PRETRAIN = Pretrain.model_validate({"model": {"layers": 1, "width": 32, "heads": 2, "context": 16}, "steps": 50, "schedule": {"warmup": 2}})


@pytest.fixture
def partial(tmp_path: Path) -> Iterator[Path]:
    """A training in the making, whose lock is held."""
    folder = tmp_path / "artifacts" / "pretrain-0123456789abcdef.partial"
    (folder / FOLDER).mkdir(parents=True)
    write_json(folder / FOLDER / "config.json", {"stage": "pretrain", "step": 7, "config": PRETRAIN.model_dump(mode="json")})
    with open(folder.with_name("pretrain-0123456789abcdef.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def asked(partial: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted((partial / FOLDER).glob(f"{ASKED}*.json"))]


@pytest.mark.parametrize("path", ["", "pretrain", "artifacts/pretrain-0123456789abcdef.partial"])
def test_a_run_is_found_by_its_workspace_its_stage_or_its_folder(tmp_path: Path, partial: Path, path: str) -> None:
    assert running(tmp_path / path) == partial


def test_a_request_is_one_file(partial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steer(partial, ["optimizer.lr=3e-4", "pretrain.clip=null", "validate"], wait=0, as_json=False)
    assert asked(partial) == [{"set": {"optimizer.lr": 3e-4, "clip": None}, "do": ["validate"]}]
    assert capsys.readouterr().out.startswith(
        "pretrain: asked for optimizer.lr = 0.0003, clip = null, validate; it holds from the next step"
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["optimizer.lr=0"], "steer: optimizer.lr: input should be greater than 0 (given: 0)"),
        (["optimiser.lr=1"], "steer: there is no 'optimiser.lr' to change; did you mean 'optimizer'?"),
        (["optimizer.rate=1"], "steer: unknown key 'optimizer.rate'"),
        (["model.width=64"], "steer: model.width cannot change while the run goes: the weights have its shape"),
        (["seed=4"], "steer: seed cannot change while the run goes: every draw so far came from it"),
        (["halt"], "steer: 'halt' is neither key=value nor an order; known here: sample, save, stop, validate"),
        (["sotp"], "steer: 'sotp' is neither key=value nor an order; did you mean 'stop'?"),
        (["clip=[1"], "override 'value=[1'"),
        (["steps=7"], "steer: the run would end after 7 steps, and 7 were made before; say at least steps=8, or stop it"),
        ([], "steer: nothing is asked; say key=value, or one of stop, validate, sample, save"),
    ],
)
def test_a_mistake_is_one_sentence_and_the_run_never_hears_of_it(partial: Path, words: list[str], sentence: str) -> None:
    with pytest.raises(HeadwaterError) as caught:
        steer(partial, words, wait=0, as_json=False)
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)
    assert asked(partial) == []


def test_where_nothing_runs_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(HeadwaterError, match="is no workspace, nor a stage that trains"):
        steer(tmp_path / "nowhere", ["stop"], wait=0, as_json=False)
    stopped = tmp_path / "artifacts" / "sft-0123456789abcdef.partial"
    stopped.mkdir(parents=True)
    with pytest.raises(HeadwaterError, match="nothing is being trained there"):
        steer(tmp_path, ["stop"], wait=0, as_json=False)
    stopped.with_name("sft-0123456789abcdef.lock").touch()  # as a killed process leaves it
    with pytest.raises(HeadwaterError, match="nothing is being trained there"):
        steer(tmp_path / "sft", ["stop"], wait=0, as_json=False)
    with pytest.raises(HeadwaterError, match="is no workspace, nor a stage that trains"):
        steer(tmp_path / "corpus", ["stop"], wait=0, as_json=False)


def test_a_run_that_has_not_begun_to_train(partial: Path) -> None:
    (partial / FOLDER / "config.json").unlink()
    with pytest.raises(HeadwaterError, match="has not begun to train yet; ask again in a moment"):
        steer(partial, ["stop"], wait=0, as_json=False)


def test_what_the_run_refuses_is_told(partial: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 5)
    write_json(partial / FOLDER / f"{ANSWERED}5-{os.getpid()}.json", {"refused": "it is too late"})
    with pytest.raises(HeadwaterError, match="pretrain: the run refused: it is too late") as caught:
        steer(partial, ["stop"], wait=5, as_json=False)
    assert "pretrain: the run refused: it is too late" in str(caught.value)


def test_words_may_be_those_of_the_command_line() -> None:
    assert read_words(["sft.optimizer.kind=lion", "steps=30", "stop"], "sft") == ({"optimizer.kind": "lion", "steps": 30}, ["stop"])


def test_the_log_is_what_a_recipe_would_say(partial: Path) -> None:
    assert "nothing was asked of a run here" in str(CliRunner().invoke(app, ["steer", str(partial), "--log"]).exception)
    rows = [
        {"step": 3, "rollbacks": 0, "set": {"optimizer.lr": 3e-4, "optimizer.kind": "lion"}, "do": [], "request": "1"},
        {"step": 9, "rollbacks": 1, "set": {}, "do": ["validate"], "request": "2"},
    ]
    (partial / RECORD).write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = yaml.safe_load(CliRunner().invoke(app, ["steer", str(partial), "--log"]).stdout)
    assert said == {
        "changes": [
            {"step": 3, "set": {"optimizer.lr": 3e-4, "optimizer.kind": "lion"}},
            {"step": 9, "rollbacks": 1, "do": ["validate"]},
        ]
    }
    Pretrain.model_validate({**PRETRAIN.model_dump(), **said})


@contextlib.contextmanager
def _process(world: Path, workspace: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A pretraining that goes; it ends with the test at the latest."""
    command = [sys.executable, "-m", "headwater", "run", str(world / "recipe.yaml"), "--workspace", str(workspace), "--until", "pretrain",
               "pretrain.steps=120", "pretrain.precision=fp32", *more]  # fmt: skip
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _steps(workspace: Path) -> int:
    found = list((workspace / "artifacts").glob("pretrain-*.partial/metrics.jsonl"))
    rows = read_jsonl(found[0]) if found else []
    return int(rows[-1]["step"]) if rows else 0


def _until(steps: int, workspace: Path, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 300
    while _steps(workspace) < steps:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.fault
def test_a_process_that_is_steered_twice_killed_and_resumed_ends_with_the_bits_of_its_replay(
    small_world: Path, tmp_path: Path, headwater: Any
) -> None:
    steered, replayed = tmp_path / "steered", tmp_path / "replayed"
    done = headwater("run", small_world / "recipe.yaml", "--workspace", steered, "--until", "tokens", timeout=600)
    assert done.returncode == 0, done.stderr
    shutil.copytree(steered, replayed, symlinks=True)
    with _process(small_world, steered) as process:
        _until(20, steered, process)
        steer(steered, ["optimizer.kind=lion", "optimizer.lr=3e-4", "batch_size=6", "validate"], wait=60, as_json=False)
        _until(60, steered, process)
        steer(steered / "pretrain", ["clip=0.5", "model.feed_forward.kind=geglu"], wait=60, as_json=False)
        process.send_signal(signal.SIGKILL)
        process.wait()
    log = headwater("steer", steered, "--log")
    changes = yaml.safe_load(log.stdout)["changes"]
    first, second = changes
    assert list(first["set"]) == ["optimizer.kind", "optimizer.lr", "batch_size"]
    assert list(second["set"]) == ["clip", "model.feed_forward.kind"]
    again = _process(small_world, steered)
    replay = _process(small_world, replayed, f"pretrain.changes={json.dumps(changes)}")
    with again as one, replay as other:
        for process in (one, other):
            _, said = process.communicate(timeout=600)
            assert process.returncode == 0, said
    for name in ("model.safetensors", "config.json", "metrics.jsonl", "samples.jsonl"):
        assert (steered / "pretrain" / name).read_bytes() == (replayed / "pretrain" / name).read_bytes(), name


@pytest.mark.slow
def test_stop_keeps_the_run_and_the_same_command_goes_on(small_world: Path, tmp_path: Path) -> None:
    with _process(small_world, tmp_path / "ws") as process:
        _until(20, tmp_path / "ws", process)
        steer(tmp_path / "ws", ["stop"], wait=60, as_json=True)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "it was asked to stop" in said and "the same command goes on from here" in said
    with _process(small_world, tmp_path / "ws") as process:
        _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    assert "pretrain: going on from step" in said
