"""The command line as people meet it: help at once, mistakes in one sentence with exit code 2, nothing half-written."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest


def test_help_answers_at_once(headwater: Any) -> None:
    headwater("--help")
    times = []
    for _ in range(5):
        started = time.monotonic()
        done = headwater("--help")
        times.append(time.monotonic() - started)
    assert done.returncode == 0
    for verb in ("run", "chat", "generate", "status", "report", "doctor", "recipes"):
        assert verb in done.stdout
    assert min(times) < 0.5, statistics.median(times)


@pytest.mark.parametrize("verb", ["run", "chat", "generate", "status", "report", "doctor", "recipes"])
def test_each_verb_explains_itself_with_an_example(headwater: Any, verb: str) -> None:
    done = headwater(verb, "--help")
    assert done.returncode == 0
    assert verb == "doctor" or f"headwater {verb}" in done.stdout


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a mistake prints; asserts that it is one, and no trace."""
    assert done.returncode == 2, (done.returncode, done.stderr)
    lines = [line for line in done.stderr.splitlines() if line.startswith("headwater: ")]
    assert len(lines) == 1
    assert "Traceback" not in done.stderr + done.stdout
    return lines[0]


def recipe(folder: Path, sources: str, more: str = "") -> Path:
    path = folder / "recipe.yaml"
    path.write_text(f"name: bad\ncorpus:\n  sources: {sources}\n  language: {{model: null}}\n{more}", encoding="utf-8")
    return path


def nothing_left(workspace: Path) -> bool:
    return not any((workspace / "artifacts").glob("*")) if (workspace / "artifacts").exists() else True


GOOD = "The river runs past the old stone bridge and the quiet town. " * 8


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("missing.txt", None, "missing.txt"),
        ("empty.txt", b"", "empty"),
        ("binary.txt", bytes(range(256)) * 40, "binary"),
        ("broken.txt.gz", gzip.compress(GOOD.encode(), mtime=0)[:-12], "broken.txt.gz"),
        ("cut.parquet", b"PAR1" + b"\0" * 100, "cut.parquet"),
        ("bad.jsonl", json.dumps({"text": GOOD}).encode() + b"\n{oops\n", "bad.jsonl:2"),
        ("field.jsonl", json.dumps({"txt": GOOD}).encode() + b"\n", "text"),
    ],
)
def test_bad_files(headwater: Any, tmp_path: Path, name: str, content: bytes | None, expected: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = headwater("run", recipe(tmp_path, f"[{{path: '{tmp_path / name}'}}]"), "--workspace", tmp_path / "ws")
    assert expected in sentence(done)
    assert nothing_left(tmp_path / "ws")


def test_a_bad_line_can_be_skipped(headwater: Any, small_world: Path, tmp_path: Path) -> None:
    rows = [json.dumps({"text": path.read_text()}) for path in sorted((small_world / "text").iterdir())]
    (tmp_path / "rows.jsonl").write_text("\n".join([*rows, "{oops"]))
    source = f"[{{path: '{tmp_path}/rows.jsonl', on_bad_row: skip}}]"
    done = headwater("run", recipe(tmp_path, source, "  duplicates: {near: null}\n"), "--workspace", tmp_path / "ws")
    assert done.returncode == 0, done.stderr
    funnel = json.loads((tmp_path / "ws" / "corpus" / "funnel.json").read_text())
    assert list(funnel["bad_rows"].values()) == [1]


def test_text_in_another_encoding_is_read(headwater: Any, small_world: Path, tmp_path: Path) -> None:
    for number in range(30):
        text = f"第{number}回，天下大势，分久必合，合久必分。周末七国分争，并入于秦。及秦灭之后，楚、汉分争，又并入于汉。" * 3
        (tmp_path / f"{number}.txt").write_bytes(text.encode("gb18030"))
    path = recipe(
        tmp_path, f"[{{path: '{tmp_path}/*.txt'}}]", "  duplicates: {near: null}\n  quality: {characters: {repeated_ngrams: {max: 1}}}\n"
    )
    done = headwater("run", path, "--workspace", tmp_path / "ws")
    assert done.returncode == 0, done.stderr
    import pyarrow.parquet as pq

    texts = pq.read_table(next((tmp_path / "ws" / "corpus" / "documents").glob("train-*.parquet"))).column("text").to_pylist()
    assert all("天下大势" in text for text in texts)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["pretrain.stepz=3"], "unknown key 'pretrain.stepz'; did you mean 'steps'?"),
        (["pretrain.steps=many"], "pretrain.steps"),
        (["sead=3"], "did you mean 'seed'?"),
        (["pretrain.optimizer={kind: adamw, lr: -1}"], "greater than 0"),
        (["pretrain.model.heads=3"], "heads do not divide"),
        (["pretrain.schedule.warmup=90000"], "not shorter than the run"),
        (["tokenizer.kind=bpee"], "tokenizer"),
        (["nonsense"], "key=value"),
        (["--until", "pretrian"], "did you mean 'pretrain'?"),
        (["--from", "release", "--until", "corpus"], "comes after"),
    ],
)
def test_bad_words(headwater: Any, small_world: Path, tmp_path: Path, arguments: list[str], expected: str) -> None:
    done = headwater("run", small_world / "recipe.yaml", *arguments, "--workspace", tmp_path / "ws")
    assert expected in sentence(done)
    assert nothing_left(tmp_path / "ws")


def test_the_line_of_a_bad_key_is_named(headwater: Any, tmp_path: Path) -> None:
    path = recipe(tmp_path, "[{path: x}]", "tokeniser: {}\n")
    assert f"{path}:5: unknown key 'tokeniser'; did you mean 'tokenizer'?" in sentence(headwater("run", path))


@pytest.mark.parametrize("content", [b"", b"- a\n- b\n", b"a: [1\n", b"\xff\xfe\x00", b"corpus: {}\n"])
def test_bad_recipes(headwater: Any, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "recipe.yaml").write_bytes(content)
    assert "recipe.yaml" in sentence(headwater("run", tmp_path / "recipe.yaml", "--workspace", tmp_path / "ws"))


def test_no_such_recipe(headwater: Any) -> None:
    assert "did you mean 'demo'?" in sentence(headwater("run", "demmo"))
    assert "no such file" in sentence(headwater("run", "no/such.yaml"))


def test_a_vocabulary_that_the_text_cannot_give(headwater: Any, small_world: Path, tmp_path: Path) -> None:
    done = headwater("run", small_world / "recipe.yaml", "tokenizer.vocab_size=50000", "--workspace", tmp_path / "ws")
    said = sentence(done)
    assert "the corpus gives only" in said
    assert not list((tmp_path / "ws" / "artifacts").glob("tokenizer-*"))
    reachable = said.split("ask for at most ")[1].split(",")[0]
    again = headwater(
        "run", small_world / "recipe.yaml", f"tokenizer.vocab_size={reachable}", "--workspace", tmp_path / "ws", "--until", "tokenizer"
    )
    assert again.returncode == 0, again.stderr


def test_a_corpus_with_nothing_left_says_which_rule(headwater: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Too short.")
    said = sentence(headwater("run", recipe(tmp_path, f"[{{path: '{tmp_path}/a.txt'}}]"), "--workspace", tmp_path / "ws"))
    assert "length" in said


@pytest.mark.parametrize("verb", ["chat", "generate"])
def test_a_directory_that_is_no_model(headwater: Any, tmp_path: Path, verb: str) -> None:
    assert "no model directory" in sentence(headwater(verb, tmp_path, "--prompt", "x"))
    assert "no such model directory" in sentence(headwater(verb, tmp_path / "gone", "--prompt", "x"))


@pytest.mark.parametrize("verb", ["status", "report"])
def test_a_folder_that_is_no_workspace(headwater: Any, tmp_path: Path, verb: str) -> None:
    assert "is no workspace" in sentence(headwater(verb, tmp_path))


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """A filesystem of 1.5 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("mounting a small filesystem takes root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.fault
def test_a_full_disk(headwater: Any, small_world: Path, small_disk: Path) -> None:
    model = ["pretrain.model.width=256", "pretrain.model.layers=4", "pretrain.validation_documents=1"]
    done = headwater("run", small_world / "recipe.yaml", *model, "--workspace", small_disk / "ws", "--until", "pretrain")
    assert "no space left on the disk" in sentence(done)
    assert not [path for path in (small_disk / "ws" / "artifacts").glob("pretrain-*") if path.suffix != ".partial"]


@pytest.mark.fault
def test_a_disk_that_may_not_be_written(headwater: Any, small_world: Path, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert "may not be written" in sentence(headwater("run", small_world / "recipe.yaml", "--workspace", small_disk / "ws"))


def test_a_fault_of_ours_keeps_its_trace(headwater: Any, tmp_path: Path) -> None:
    """The command line's own boundary: an exception that is no HeadwaterError is exit code 1 and a kept trace."""
    (tmp_path / "sitecustomize.py").write_text(
        "import headwater.cli.recipes as r\ndef broken(name): raise RuntimeError('planted')\nr.list_recipes = broken\n"
    )
    done = headwater("recipes", env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert "a fault of Headwater: RuntimeError: planted" in done.stderr
    trace = Path(done.stderr.split("The trace is in ")[1].split(";")[0])
    assert "planted" in trace.read_text()
    trace.unlink()


def test_recipes_lists_and_prints(headwater: Any, tmp_path: Path) -> None:
    assert "demo" in headwater("recipes").stdout
    printed = headwater("recipes", "demo").stdout
    assert printed.startswith("# Raw pages")
    assert "corpus:" in printed


def test_doctor(headwater: Any) -> None:
    done = headwater("doctor", "--json")
    assert done.returncode == 0, done.stderr
    names = [json.loads(line)["name"] for line in done.stdout.splitlines()]
    assert {"processor", "bf16", "memory", "disk", "gpu"} <= set(names)
    assert shutil.which("nvidia-smi") or "none" in headwater("doctor").stdout


@pytest.mark.parametrize(
    "arguments",
    [["foo"], ["run"], ["run", "--bogus"], ["run", "demo", "--until"], ["chat", "x", "--top-p", "7"], ["report", "x", "--lang", "fr"]],
)
def test_words_that_no_verb_knows(headwater: Any, arguments: list[str]) -> None:
    assert "see `headwater --help`" in sentence(headwater(*arguments))


def test_alone_it_explains_itself(headwater: Any) -> None:
    done = headwater()
    assert done.returncode == 2
    assert "doctor" in done.stdout + done.stderr


@pytest.mark.parametrize("place", ["file.txt", "file.txt/inside"])
def test_a_workspace_where_no_folder_can_be(headwater: Any, small_world: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "file.txt").write_text("in the way")
    done = headwater("run", small_world / "recipe.yaml", "--workspace", tmp_path / place, "--until", "corpus")
    assert "no place where a folder can be made" in sentence(done)


@pytest.mark.parametrize("name", ["../escape", "a/b", ""])
def test_a_recipe_cannot_name_itself_out_of_runs(headwater: Any, small_world: Path, name: str) -> None:
    assert "name" in sentence(headwater("run", small_world / "recipe.yaml", f"name={name!r}"))


@pytest.mark.fault
def test_ctrl_c_says_that_the_same_command_goes_on(small_world: Path, tmp_path: Path) -> None:
    import signal
    import sys

    command = [
        sys.executable,
        "-m",
        "headwater",
        "run",
        str(small_world / "recipe.yaml"),
        "pretrain.steps=5000",
        "--workspace",
        str(tmp_path),
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("artifacts/pretrain-*.partial/scratch/checkpoints/step-*")) and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "headwater: interrupted; the same command goes on from here"
