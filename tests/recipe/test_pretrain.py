"""Pretraining that starts from another model: the same figures at step 0, and misfits said before any text is read."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
import torch

from headwater.core.artifact import Outcome, Work, Workspace
from headwater.core.errors import HeadwaterError
from headwater.core.hardware import cpu_has_bf16
from headwater.core.progress import Reporter
from headwater.core.storage import read_json, read_jsonl, write_json
from headwater.model import ahead, directory
from headwater.model.config import ModelConfig
from headwater.model.importing import import_model
from headwater.objectives.data import TextData
from headwater.recipe import pretrain
from headwater.recipe.pretrain import check, run
from headwater.recipe.pretrain_config import Pretrain
from headwater.recipe.recipe import Recipe
from headwater.recipe.runner import run as run_recipe
from headwater.tokens.config import BPE, File
from headwater.tokens.shards import dtype_for, write_split
from headwater.tokens.tokenizer import train
from tests.conftest import sentence

MODEL: dict[str, Any] = {"layers": 2, "width": 32, "heads": 2, "context": 64}
TRAINING = {"steps": 40, "batch_size": 4, "schedule": {"warmup": 4}, "validate_every": 10, "checkpoint_every": 5, "precision": "fp32"}


class Bench:
    """Texts as shards, and what was made of them."""

    def __init__(self, folder: Path) -> None:
        draw = random.Random(3)
        self.folder = folder
        self.texts = [" ".join(sentence(draw) for _ in range(8)) for _ in range(80)]

    def read_by(self, tokenizer: Any, name: str) -> dict[str, Any]:
        folder = self.folder / name
        folder.mkdir()
        (folder / "tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
        sums = {}
        for split, texts in (("train", self.texts[8:]), ("validation", self.texts[:8])):
            columns = {"id": [str(place) for place in range(len(texts))], "source": ["s"] * len(texts), "language": ["en"] * len(texts)}
            sums[split] = write_split(folder, split, tokenizer, [pa.RecordBatch.from_pydict({**columns, "text": texts})])
        facts = {"dtype": dtype_for(tokenizer.vocab_size).str, "vocab_size": tokenizer.vocab_size, "splits": sums}
        write_json(folder / "tokens.json", facts)
        made = SimpleNamespace(path=folder, manifest=SimpleNamespace(content=name))
        return {"tokenizer": made, "tokens": made}

    def __call__(self, inputs: dict[str, Any], name: str, **block: Any) -> Outcome:
        self.out = self.folder / name
        self.out.mkdir(exist_ok=True)
        return run(Pretrain.model_validate({**TRAINING, **block}), Work(self.out, inputs, 1, Reporter()))


def validations(folder: Path) -> list[dict[str, Any]]:
    return [row for row in read_jsonl(folder / "metrics.jsonl") if row["kind"] == "validation"]


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in validations(folder)]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """With a pretrained model at first/ that came back as imported/ by way of a Hugging Face checkpoint."""
    bench = Bench(tmp_path_factory.mktemp("pretrain"))
    bench(bench.read_by(train(BPE(vocab_size=300), bench.texts), "by-bpe"), "first", model=MODEL)
    theirs = bench.folder / "theirs"
    theirs.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        shutil.copy(bench.out / name, theirs)
    import_model(theirs, bench.folder / "imported")
    return bench


@pytest.fixture(scope="module")
def again(bench: Bench) -> dict[str, Any]:
    """The texts read by the imported model's own tokenizer."""
    return bench.read_by(train(File(path=str(bench.folder / "imported" / "tokenizer.json")), []), "by-its-own")


def start(bench: Bench, **more: Any) -> dict[str, Any]:
    return {"init_from": {"model": str(bench.folder / "imported"), **more}, "steps": 10}


def test_drawn_weights_are_not_validated_but_validating_is_tried(
    bench: Bench, again: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be validated is known before a step is spent; a run that goes on from others says where it begins."""
    assert validations(bench.folder / "first")[0]["step"] > 0
    bench(again, "goes-on", **start(bench))
    assert validations(bench.out)[0]["step"] == 0

    def fails(*_: Any, **__: Any) -> dict[str, Any]:
        raise HeadwaterError("it cannot be validated")

    monkeypatch.setattr(pretrain, "bits_per_byte", fails)
    with pytest.raises(HeadwaterError, match="it cannot be validated"):
        bench(again, "tried", model=MODEL)
    assert not read_jsonl(bench.out / "metrics.jsonl")


@pytest.mark.skipif(not cpu_has_bf16(), reason="no bf16 here")
def test_kernels_are_compiled_beside_the_stages_before(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[ModelConfig] = []
    monkeypatch.setattr(ahead, "compile_soon", asked.append)
    check(Pretrain.model_validate({**TRAINING, "model": MODEL}), Reporter())
    assert not asked, "this one is fp32"
    check(Pretrain.model_validate({**TRAINING, "model": MODEL, "precision": "bf16"}), Reporter())
    assert [config.width for config in asked] == [32]


def test_a_run_goes_on_from_an_imported_model(bench: Bench, again: dict[str, Any]) -> None:
    bench(again, "on", **start(bench))
    first, on = losses(bench.folder / "first"), losses(bench.out)
    assert on[0] == pytest.approx(first[-1], abs=1e-6)
    assert on[0] < first[0] - 0.1
    assert on[-1] < on[0]
    about, theirs = (read_json(folder / "headwater.json") for folder in (bench.out, bench.folder / "imported"))
    assert about["lineage"]["init_from"] == {"parts": "all", "weights": theirs["weights"]}
    assert about["config"] == theirs["config"]


@pytest.mark.slow
def test_a_kill_changes_no_bit(bench: Bench, again: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    bench(again, "straight", **start(bench))
    whole, batch = (bench.out / "model.safetensors").read_bytes(), TextData.batch

    def killed(data: TextData, step: int) -> Any:
        if step == 7:
            raise KeyboardInterrupt
        return batch(data, step)

    monkeypatch.setattr(TextData, "batch", killed)
    with pytest.raises(KeyboardInterrupt):
        bench(again, "killed", **start(bench))
    monkeypatch.setattr(TextData, "batch", batch)
    bench(again, "killed", **start(bench))
    assert (bench.out / "model.safetensors").read_bytes() == whole


GROWN: dict[str, Any] = {
    "model": MODEL,
    "epochs": 0.5,
    "length": {"kind": "ramp", "start": 16, "end": 64, "over": 8, "multiple": 8},
    "batch_size": {"kind": "ramp", "start": 2, "end": 4, "over": 1500, "unit": "tokens"},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "order",
    [
        {"kind": "shuffled"},
        {"kind": "drawn"},
        {"kind": "easy_first", "by": "rarity", "over": 900},
        {"kind": "weighted", "shares": [{"weights": {"s": 1}}]},
    ],
)
def test_rows_grow_for_so_many_epochs_in_any_order(bench: Bench, again: dict[str, Any], order: dict[str, Any]) -> None:
    """Twice as long rows take fewer steps for the same tokens, and each is counted once."""
    done = bench(again, f"grown-{order['kind']}", order=order, **{**GROWN, "steps": 0})
    rows = [row for row in read_jsonl(bench.out / "metrics.jsonl") if row["kind"] == "train"]
    assert done.metrics["epochs"] == pytest.approx(0.5, abs=0.1)
    assert done.metrics["epochs"] >= 0.5
    assert losses(bench.out)[-1] < losses(bench.out)[0]
    assert rows[-1]["tokens"] >= done.metrics["tokens"]


def test_a_table_alone_is_taken_into_another_network(bench: Bench, again: dict[str, Any]) -> None:
    model = {**MODEL, "layers": 1, "width": 48, "embedding": {"width": 32}}
    bench(again, "table", model=model, rates={"frozen": ["embedding.tokens.weight"]}, **start(bench, parts="embedding"))
    tables = [directory.load(bench.folder / name).network.embedding.tokens.weight for name in ("table", "imported")]
    assert torch.equal(*tables)


def test_another_vocabulary_keeps_the_rows_of_tokens_that_both_have(bench: Bench) -> None:
    inputs = bench.read_by(train(BPE(vocab_size=320, specials=("mask",)), bench.texts), "by-more")
    bench(inputs, "more", rates={"frozen": ["embedding.*"]}, **start(bench))
    more, old = (directory.load(bench.folder / name) for name in ("more", "imported"))
    (there,), (here,) = (model.tokenizer.encode("e") for model in (more, old))
    assert there != here
    assert torch.equal(more.network.embedding.tokens.weight[there], old.network.embedding.tokens.weight[here])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"model": {**MODEL, "norm": {"eps": 1e-3}}}, "norm.eps"),
        ({"model": {**MODEL, "layers": 3}}, "layers"),
        ({"model": {**MODEL, "width": 48}, "parts": "embedding"}, "model.embedding.width"),
    ],
)
def test_what_does_not_fit_is_said_before_any_stage(bench: Bench, tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    (tmp_path / "text.txt").write_text(bench.texts[0])
    parts = {key: value for key, value in changes.items() if key == "parts"}
    recipe = {
        "corpus": {"sources": [{"path": str(tmp_path / "text.txt")}]},
        "tokenizer": {"kind": "byte"},
        "tokens": {},
        "pretrain": {**TRAINING, **start(bench, **parts), "model": changes["model"]},
    }
    with pytest.raises(HeadwaterError, match=expected):
        run_recipe(Recipe.model_validate(recipe), Workspace(tmp_path / "ws"), Reporter())
    assert not (tmp_path / "ws").exists()


def test_a_checkpoint_is_to_be_imported_first(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", {"model_type": "gpt2"})
    block = {**TRAINING, "init_from": {"model": str(tmp_path)}}
    for said in (lambda: Pretrain.model_validate(block), lambda: check(Pretrain.model_validate({**block, "model": MODEL}), Reporter())):
        with pytest.raises(HeadwaterError, match=f"Hugging Face's, no model directory yet; `headwater import {tmp_path} "):
            said()
