"""The runner: runs what is not there, only that, and ends with the same bits however often it was killed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

STAGES = ["annotate", "relate", "corpus", "tokenizer", "tokens", "pretrain", "sft", "evaluate", "release"]


def contents(workspace: Path) -> dict[str, str]:
    """Content hash of each stage's current artifact."""
    return {stage: json.loads((workspace / stage / "manifest.json").read_text())["content"] for stage in STAGES}


def states(output: str) -> dict[str, str]:
    """What became of each stage, from `--json`."""
    events = [json.loads(line) for line in output.splitlines()]
    return {event["stage"]: event["state"] for event in events if event.get("state") in ("done", "up to date")}


@pytest.fixture(scope="session")
def whole(small_world: Path, headwater: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that was run without disturbance."""
    workspace = tmp_path_factory.mktemp("whole") / "ws"
    done = headwater("run", small_world / "recipe.yaml", "--workspace", workspace, "--json")
    assert done.returncode == 0, done.stderr
    assert states(done.stdout) == dict.fromkeys(STAGES, "done")
    return workspace


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "ws", symlinks=True))


def test_again_there_is_nothing_to_do_and_quickly(small_world: Path, headwater: Any, copy: Path) -> None:
    started = time.monotonic()
    done = headwater("run", small_world / "recipe.yaml", "--workspace", copy)
    took = time.monotonic() - started
    assert done.returncode == 0
    assert "nothing to do" in done.stderr
    assert took < 3.0


def test_one_number_reruns_only_what_depends_on_it(small_world: Path, headwater: Any, copy: Path) -> None:
    done = headwater("run", small_world / "recipe.yaml", "sft.steps=20", "--workspace", copy, "--json")
    assert done.returncode == 0, done.stderr
    assert states(done.stdout) == {**dict.fromkeys(STAGES[:6], "up to date"), **dict.fromkeys(STAGES[6:], "done")}


def test_going_back_to_an_old_number_runs_nothing(small_world: Path, headwater: Any, copy: Path, whole: Path) -> None:
    headwater("run", small_world / "recipe.yaml", "sft.steps=20", "--workspace", copy)
    assert contents(copy) != contents(whole)
    back = headwater("run", small_world / "recipe.yaml", "--workspace", copy)
    assert "nothing to do" in back.stderr
    assert contents(copy) == contents(whole)


def test_a_stage_that_came_out_the_same_stops_the_rerun(small_world: Path, headwater: Any, copy: Path) -> None:
    """A setting without effect makes the corpus stage run again and come out with the same bytes: nothing after it runs."""
    done = headwater("run", small_world / "recipe.yaml", "corpus.language.confidence=0.21", "--workspace", copy, "--json")
    assert done.returncode == 0, done.stderr
    assert states(done.stdout) == {**dict.fromkeys(STAGES, "up to date"), "corpus": "done"}


def test_a_changed_user_file_is_noticed(small_world: Path, headwater: Any, copy: Path, tmp_path: Path) -> None:
    text = shutil.copytree(small_world / "text", tmp_path / "text")
    override = f"corpus.sources=[{{path: '{text}/*.txt'}}]"
    headwater("run", small_world / "recipe.yaml", override, "--workspace", copy, "--until", "corpus")
    before = contents(copy)["corpus"]
    (text / "000.txt").write_text("Something else stands here now. " * 10)
    second = headwater("run", small_world / "recipe.yaml", override, "--workspace", copy, "--until", "corpus", "--json")
    assert states(second.stdout) == dict.fromkeys(STAGES[:3], "done")
    assert contents(copy)["corpus"] != before


def test_until_and_from(small_world: Path, headwater: Any, tmp_path: Path) -> None:
    done = headwater("run", small_world / "recipe.yaml", "--workspace", tmp_path, "--until", "tokenizer", "--json")
    assert states(done.stdout) == dict.fromkeys(STAGES[:4], "done")
    alone = headwater("run", small_world / "recipe.yaml", "--workspace", tmp_path, "--from", "tokens", "--until", "tokens", "--json")
    assert states(alone.stdout) == {"tokens": "done"}


def test_from_a_stage_whose_inputs_are_not_there(small_world: Path, headwater: Any, tmp_path: Path) -> None:
    done = headwater("run", small_world / "recipe.yaml", "--workspace", tmp_path, "--from", "sft")
    assert done.returncode == 2
    assert "stage 'sft' needs 'pretrain', which" in done.stderr


def test_a_damaged_input_is_found_before_it_is_used(small_world: Path, headwater: Any, copy: Path) -> None:
    shard = copy / "tokens" / "train.bin"
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)
    done = headwater("run", small_world / "recipe.yaml", "pretrain.steps=41", "--workspace", copy)
    assert done.returncode == 2
    assert "train.bin: was changed after it was written" in done.stderr


def test_bad_dialogues_are_found_before_anything_is_trained(small_world: Path, headwater: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"prompt": "a", "answer": "b"}\n{"prompt": 3}\n')
    override = f"sft.sources=[{{path: '{tmp_path}/bad.jsonl'}}]"
    done = headwater("run", small_world / "recipe.yaml", override, "--workspace", tmp_path / "ws")
    assert done.returncode == 2
    assert "bad.jsonl:2: has neither" in done.stderr
    assert not (tmp_path / "ws").exists()


@pytest.mark.fault
@pytest.mark.slow
def test_kill_nine_at_any_moment_changes_no_bit(small_world: Path, whole: Path, tmp_path: Path) -> None:
    """Killed again and again at random moments, each time started with the same command, until it gets through."""
    command = [sys.executable, "-m", "headwater", "run", str(small_world / "recipe.yaml"), "--workspace", str(tmp_path / "ws")]
    draw = random.Random(11)
    killed = 0
    for _ in range(20):
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        try:
            process.wait(timeout=draw.uniform(0.6, 3.5))
            break
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            killed += 1
    assert killed >= 5
    last = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert last.returncode == 0, last.stderr
    assert contents(tmp_path / "ws") == contents(whole)
    assert not list((tmp_path / "ws" / "artifacts").glob("*.partial"))


@pytest.mark.fault
def test_a_damaged_manifest_is_told_with_a_mend_that_works(small_world: Path, headwater: Any, copy: Path) -> None:
    manifest = copy / "release" / "manifest.json"
    folder = manifest.resolve().parent
    manifest.write_text("{oops")
    done = headwater("run", small_world / "recipe.yaml", "--workspace", copy)
    assert done.returncode == 2
    assert f"manifest.json: is damaged; delete {folder} and run again" in done.stderr
    assert "damaged" in headwater("status", copy).stdout
    shutil.rmtree(folder)
    assert headwater("run", small_world / "recipe.yaml", "--workspace", copy).returncode == 0
