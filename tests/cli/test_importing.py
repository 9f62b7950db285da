"""`headwater import`: what it prints, what it refuses, and that a recipe goes on from what it made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headwater.cli.importing import import_
from headwater.core.artifact import Workspace
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.core.storage import read_json
from headwater.model import directory
from headwater.model.config import ModelConfig
from headwater.recipe.recipe import Recipe
from headwater.recipe.runner import run
from headwater.tokens.config import Bytes
from headwater.tokens.tokenizer import train

BYTES = train(Bytes(), [])


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A folder as transformers would save it: without our own file."""
    config = ModelConfig(layers=2, width=32, heads=2, context=64).with_vocabulary(BYTES.vocab_size)
    directory.save(tmp_path / "theirs", config.build(1), config, BYTES)
    (tmp_path / "theirs" / "headwater.json").unlink()
    return tmp_path / "theirs"


def test_what_people_and_machines_are_told(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import_(checkpoint, tmp_path / "models" / "ours", None, [], as_json=False)
    count = directory.load(tmp_path / "models" / "ours").config.parameter_count()
    assert capsys.readouterr().out == f"{tmp_path}/models/ours: llama, decoder, {count:,} parameters, {BYTES.vocab_size} tokens\n"
    (tmp_path / "empty").mkdir()
    import_(checkpoint, tmp_path / "empty", checkpoint / "tokenizer.json", ["end=<|turn|>"], as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert (said["family"], said["kind"], said["parameters"], said["notes"]) == ("llama", "decoder", count, [])
    assert ModelConfig.model_validate(said["config"]).layers == 2
    assert directory.load(tmp_path / "empty").tokenizer.spelling("end") == "<|turn|>"


@pytest.mark.parametrize(
    ("target", "tokenizer", "names", "expected"),
    [
        ("full", None, [], "full: is not empty; name a new folder"),
        ("full/file", None, [], "is a file; name a folder"),
        ("new", "nowhere.json", [], "nowhere.json: no such file"),
        ("new", None, ["end"], "--name: 'end' is not of the form NAME=TOKEN"),
        ("new", None, ["ent=</s>"], "--name: there is no special token 'ent'; did you mean 'end'?"),
    ],
)
def test_what_is_refused(checkpoint: Path, tmp_path: Path, target: str, tokenizer: str | None, names: list[str], expected: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    with pytest.raises(HeadwaterError) as raised:
        import_(checkpoint, tmp_path / target, None if tokenizer is None else tmp_path / tokenizer, names, as_json=False)
    assert expected in str(raised.value)
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "full" / "file").read_text() == "mine"


def test_a_mistake_on_the_command_line_is_one_sentence(headwater: Any, tmp_path: Path) -> None:
    assert "headwater import ~/gpt2 models/gpt2" in headwater("import", "--help").stdout
    done = headwater("import", tmp_path / "nowhere", tmp_path / "m")
    assert done.returncode == 2
    assert done.stderr == f"headwater: {tmp_path}/nowhere: no such folder; name the folder of a Hugging Face checkpoint\n"


def test_a_recipe_without_pretraining_tunes_and_releases_it(checkpoint: Path, tmp_path: Path) -> None:
    import_(checkpoint, tmp_path / "ours", None, [], as_json=False)
    file = tmp_path / "d.jsonl"
    file.write_text("".join(json.dumps({"prompt": f"{number}?", "answer": "river"}) + "\n" for number in range(40)))
    recipe = Recipe.model_validate(
        {
            "sft": {"base": str(tmp_path / "ours"), "sources": [{"path": str(file)}], "steps": 6, "batch_size": 4,
                    "schedule": {"warmup": 2}, "adapter": {"rank": 2}, "prompts": []},
            "release": {},
        }
    )  # fmt: skip
    workspace = Workspace(tmp_path / "ws")
    tuned, released = run(recipe, workspace, Reporter())
    assert tuned.manifest.inputs == {}
    assert "base/headwater.json" in tuned.manifest.user_files
    assert list(released.manifest.inputs) == ["sft"]
    assert read_json(released.path / "parity.json")["proven"]
    assert run(recipe, workspace, Reporter())[0].path == tuned.path
