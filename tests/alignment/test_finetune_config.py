"""What a recipe may say about fine-tuning, and one sentence for what it may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headwater.alignment.finetune_config import Finetune
from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.model.config import ModelConfig
from headwater.recipe.recipe import Recipe

SOURCES = [{"path": "d.jsonl"}]
BLOCK: dict[str, Any] = {"task": {"kind": "classification"}, "sources": SOURCES, "steps": 50}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"task": {"kind": "classify"}}, "there is no 'classify'"),
        ({"task": {"kind": "tagging", "text_field": "x"}}, "unknown key 'task.text_field'"),
        ({"task": {"kind": "classification", "labels": ["a", "b", "a"]}}, "the label 'a' stands twice"),
        ({"task": {"kind": "tagging", "labels": ["a"]}}, "fewer than 2 labels"),
        ({"sources": [{"path": "d", "text_field": "body"}]}, "'text_field' of a source is for a corpus"),
        ({"heldout": {"sources": [{"path": "d", "divide": "^x"}]}}, "'divide' of a source is for a corpus"),
        ({"sources": [{"links": "d"}]}, "a list of links is a source of a corpus only"),
        ({"loss": {"label_smoothing": 0.1}}, "classification learns from none"),
        ({"sources": []}, "sources"),
    ],
)
def test_one_sentence_for_each_mistake(change: dict[str, Any], said: str) -> None:
    with pytest.raises(HeadwaterError) as caught:
        validate(Finetune, {**BLOCK, **change})
    assert said in str(caught.value)


def test_a_resolved_recipe_is_read_again() -> None:
    config = Finetune.model_validate(BLOCK)
    assert Finetune.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("task", "model", "reason"),
    [
        ("classification", "encoder-decoder", "learned by one stack"),
        ("span", "encoder-decoder", "learned by one stack"),
        ("seq2seq", "encoder", "an encoder writes no text of its own"),
        ("tagging", "decoder", None),
        ("regression", "encoder", None),
        ("seq2seq", "encoder-decoder", None),
    ],
)
def test_which_architecture_can_learn_which_task(task: str, model: str, reason: str | None) -> None:
    found = Finetune.model_validate({**BLOCK, "task": {"kind": task}}).task.fits(ModelConfig.model_validate({"kind": model}))
    assert found is None if reason is None else found is not None and reason in found


def test_a_decoder_is_not_read_at_its_first_token() -> None:
    task = Finetune.model_validate({**BLOCK, "task": {"kind": "regression", "pool": "first"}}).task
    assert task.fits(ModelConfig(kind="encoder")) is None
    assert "say pool: last" in (task.fits(ModelConfig(kind="decoder")) or "")


def test_a_recipe_is_refused_before_its_corpus_is_read() -> None:
    pretrain = {"model": {"kind": "encoder", "head": {"kind": "mlm"}}, "objective": {"kind": "masked"}, "steps": 900}
    with pytest.raises(HeadwaterError, match="the pretrained model cannot learn seq2seq"):
        validate(Recipe, {"pretrain": pretrain, "finetune": {**BLOCK, "task": {"kind": "seq2seq"}}})
    validate(Recipe, {"pretrain": pretrain, "finetune": BLOCK})


def test_the_base_and_the_examples_are_of_the_question(tmp_path: Path) -> None:
    (tmp_path / "headwater.json").write_text('{"config": {}}')
    (tmp_path / "d.jsonl").write_text("{}")
    block = {**BLOCK, "base": str(tmp_path), "sources": [{"path": str(tmp_path / "d.jsonl")}]}
    before = Finetune.model_validate(block).contents()
    assert set(before) == {"base/headwater.json", "d/d.jsonl"}
    (tmp_path / "headwater.json").write_text('{"config": {} }')
    assert Finetune.model_validate(block).contents() != before
    with pytest.raises(HeadwaterError, match="no such model directory"):
        Finetune.model_validate({**block, "base": str(tmp_path / "none")}).contents()
