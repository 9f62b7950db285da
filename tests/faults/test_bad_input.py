"""What a user can ask that cannot be: one sentence each, with exit code 2's error and nothing left behind, before a step is computed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from headwater.alignment.config import SFT
from headwater.alignment.finetune_config import Finetune
from headwater.cli.main import app
from headwater.core.artifact import MANIFEST, Workspace, hash_files
from headwater.core.errors import HeadwaterError
from headwater.core.fingerprint import hash_value
from headwater.core.storage import read_json, write_json
from headwater.parallel.group import Group
from headwater.parallel.several import Several
from headwater.recipe.pretrain_config import Pretrain
from headwater.training import loop
from headwater.training.step import step as one_step

pytestmark = pytest.mark.fault


def refused(world: Path, workspace: Path, *words: object) -> HeadwaterError:
    """What `headwater run` says; asserts that it is the user's own mistake, in one sentence."""
    result = CliRunner().invoke(app, ["run", str(world / "recipe.yaml"), "--workspace", str(workspace), *map(str, words)])
    assert isinstance(result.exception, HeadwaterError), result.output + repr(result.exception)
    assert "\n" not in str(result.exception)
    assert not list((workspace / "artifacts").glob("pretrain-*")), "nothing is left of it"
    return result.exception


@pytest.fixture(scope="module")
def river(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose next stage is the pretraining."""
    workspace = tmp_path_factory.mktemp("river")
    result = CliRunner().invoke(app, ["run", str(small_world / "recipe.yaml"), "--workspace", str(workspace), "--until", "tokens"])
    assert result.exit_code == 0, result.output
    return workspace


@pytest.fixture
def no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(*_: Any) -> None:
        pytest.fail("a step was computed")

    monkeypatch.setattr(loop, "step", step)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("pretrain.optimizer.lr=0", "pretrain.optimizer.lr: input should be greater than 0 (given: 0)"),
        ("pretrain.optimizer.lr=-1e-3", "pretrain.optimizer.lr: input should be greater than 0 (given: -0.001)"),
        ("pretrain.steps=0", "pretrain.steps: input should be greater than 0 (given: 0)"),
        ("pretrain.steps=-5", "pretrain.steps: input should be greater than 0 (given: -5)"),
        ("pretrain.batch_size=0", "pretrain.batch_size"),
        ("pretrain.schedule.warmup=40", "the warm-up (40 steps) is not shorter than the run (40 steps)"),
        ("sft.schedule.warmup=31", "the warm-up (31 steps) is not shorter than the run (30 steps)"),
        ("pretrain.length=65", "length: rows of 65 tokens are longer than the 64 that the model's context takes"),
        ("pretrain.precision=fp16", "pretrain.precision: input should be 'auto', 'bf16' or 'fp32' (given: 'fp16')"),
        ("pretrain.validation_documents=0", "pretrain.validation_documents: input should be greater than 0"),
        ("pretrain.model.vocab_size=300", "pretrain.model.vocab_size is 300, but tokenizer.vocab_size is 400"),
        ("pretrain.changes=[{step: 9, set: {model.width: 8}}]", "model.width cannot change while the run goes: the weights have its shape"),
        ("corpus.holdout.fraction=0", "corpus.holdout.fraction: input should be greater than 0"),
        ("pretrain.order={kind: weighted, shares: [{weights: {s: 0}}]}", "every source has weight 0"),
    ],
)
def test_of_the_recipe(small_world: Path, tmp_path: Path, said: str, sentence: str) -> None:
    """Before anything is read."""
    error = refused(small_world, tmp_path / "ws", said)
    assert sentence in str(error)
    assert not (tmp_path / "ws").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["pretrain.batch_size=100000"], "pretrain.batch_size: a batch of 100,000 rows is larger than the data, which have"),
        (["pretrain.batch_size={kind: ramp, start: 1, end: 100000, over: 9}"], "a batch of 100,000 rows is larger than the data"),
        (["pretrain.model.context=100000"], "a sequence of 100,000 tokens is longer than the training text"),
        (["pretrain.order={kind: weighted, shares: [{weights: {nobody: 1}}]}"], "the text has no source 'nobody'"),
    ],
)
def test_of_the_data(small_world: Path, river: Path, no_step: None, words: list[str], sentence: str) -> None:
    assert sentence in str(refused(small_world, river, "--from", "pretrain", "--until", "pretrain", *words))


def test_bf16_where_there_is_none(small_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the corpus is read, for each stage that trains."""
    monkeypatch.setattr("headwater.training.precision.cpu_has_bf16", lambda: False)
    for stage in ("pretrain", "sft"):
        error = refused(small_world, tmp_path / "ws", f"{stage}.precision=bf16")
        assert str(error) == "precision: this processor has no bf16 units; choose auto or fp32"
        assert not list((tmp_path / "ws").glob("artifacts/*"))


def tampered(river: Path, folder: Path, stage: str, change: Any) -> Path:
    """A workspace in which somebody made a stage's artifact by other means: `change(path)`, and a manifest that says so."""
    shutil.copytree(river, folder, symlinks=True)
    path = (folder / stage).resolve()
    change(path)
    manifest = read_json(path / MANIFEST)
    files = hash_files(path)
    write_json(path / MANIFEST, {**manifest, "files": files, "content": hash_value(files)})
    assert Workspace(folder).current(stage) is not None
    return folder


def test_an_empty_validation_set(small_world: Path, river: Path, tmp_path: Path, no_step: None) -> None:
    def empty(path: Path) -> None:
        (path / "validation.bin").write_bytes(b"")
        (path / "validation.checks").unlink()
        facts = read_json(path / "tokens.json")
        facts["splits"]["validation"] = {"tokens": 0, "documents": 0, "bytes": 0}
        write_json(path / "tokens.json", facts)

    workspace = tampered(river, tmp_path / "ws", "tokens", empty)
    error = refused(small_world, workspace, "--from", "pretrain", "--until", "pretrain")
    assert "no text is held out, so that nothing can be validated" in str(error)


def test_tokens_outside_the_vocabulary(small_world: Path, river: Path, tmp_path: Path) -> None:
    """Of the model, of which the index tells; and of the text's own, in a damaged file."""

    def larger(path: Path) -> None:
        write_json(path / "tokens.json", {**read_json(path / "tokens.json"), "vocab_size": 5000})

    workspace = tampered(river, tmp_path / "larger", "tokens", larger)
    error = refused(small_world, workspace, "--from", "pretrain", "--until", "pretrain")
    assert "the model's vocabulary has 400 tokens, and the text is made of 5,000" in str(error)

    def beyond(path: Path) -> None:
        ids = np.fromfile(path / "train.bin", "<u2")
        ids[:] = 65_000
        ids.tofile(path / "train.bin")
        (path / "train.checks").unlink()

    workspace = tampered(river, tmp_path / "beyond", "tokens", beyond)
    result = CliRunner().invoke(app, ["run", str(small_world / "recipe.yaml"), "--workspace", str(workspace), "--from", "pretrain"])
    assert str(result.exception) == (
        "tokens: the training text has the token 65,000, and its vocabulary 400; the file was damaged: delete its folder and run again"
    )


@pytest.mark.slow
def test_a_checkpoint_of_another_model(small_world: Path, river: Path, tmp_path: Path) -> None:
    """Laid by hand where this run would go on from its own."""
    workspace = tmp_path / "ws"
    shutil.copytree(river, workspace, symlinks=True)
    whole = ["run", str(small_world / "recipe.yaml"), "--workspace", str(workspace), "--from", "pretrain", "--until", "pretrain"]

    def partial(*words: str) -> Path:
        """What a run leaves that was stopped."""
        before = set((workspace / "artifacts").glob("pretrain-*.partial"))

        def step(run: Any, *rest: Any) -> None:
            if run.step == 6:
                raise KeyboardInterrupt
            one_step(run, *rest)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "step", step)
            CliRunner().invoke(app, [*whole, *words, "pretrain.checkpoints.asynchronous=false"])
        (folder,) = set((workspace / "artifacts").glob("pretrain-*.partial")) - before
        return folder

    ours, theirs = partial(), partial("pretrain.model.width=64")
    shutil.rmtree(ours / "scratch" / "checkpoints")
    os.replace(theirs / "scratch" / "checkpoints", ours / "scratch" / "checkpoints")
    result = CliRunner().invoke(app, whole)
    assert isinstance(result.exception, HeadwaterError), result.output
    assert "is of another model" in str(result.exception)


def test_more_processes_than_sequences(small_world: Path, river: Path, monkeypatch: pytest.MonkeyPatch, no_step: None) -> None:
    """Of five processes that would share four rows, the first."""

    class Five(Group):
        rank, size = 0, 5
        share, passes, admit = Several.share, Several.passes, Several.admit

    monkeypatch.setattr(loop, "current", lambda config: Five())
    error = refused(small_world, river, "--from", "pretrain", "--until", "pretrain")
    assert "5 processes" in str(error) and "4" in str(error)


def test_every_number_of_validation_can_be_said() -> None:
    """Eval every N steps over M: documents, rows, dialogues or examples."""
    for schema, name in ((Pretrain, "validation_documents"), (Pretrain, "validation_rows"), (SFT, "validation_dialogues"),
                         (Finetune, "validation_examples")):  # fmt: skip
        assert name in schema.model_fields and "validate_every" in schema.model_fields
