"""What a recipe may ask of the model that it makes."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.recipe.reading import read
from headwater.recipe.recipe import Recipe

SFT = "sft={sources: [{path: d.jsonl}], steps: 50}"


@pytest.mark.parametrize(
    ("recipe", "override", "expected"),
    [
        ("bert", "evaluate={}", "evaluate measures plain text, which this encoder does not write; leave 'evaluate' out"),
        ("t5", "evaluate={}", "evaluate measures plain text, which this encoder-decoder does not write; leave 'evaluate' out"),
        ("bert", SFT, "sft teaches a decoder to answer, and this model is an encoder; teach it a task by a 'finetune:' block"),
        ("t5", SFT, "sft teaches a decoder to answer, and this model is an encoder-decoder"),
    ],
)
def test_what_a_model_cannot_do_is_said_before_it_is_made(recipe: str, override: str, expected: str) -> None:
    with pytest.raises(HeadwaterError, match=expected):
        read(recipe, [override], "tiny")
    read(recipe, ["release={}"], "tiny")


def test_a_decoder_does_both() -> None:
    said = read("gpt2", ["evaluate={}", SFT], "tiny")
    assert said.evaluate is not None


def test_what_is_tuned_may_be_another_model() -> None:
    block: dict[str, Any] = {"sft": {"base": "models/gpt2", "sources": [{"path": "d.jsonl"}], "steps": 50}, "release": {}}
    assert validate(Recipe, block).pretrain is None
    with pytest.raises(HeadwaterError, match="evaluate measures a pretrained model of the recipe's own"):
        validate(Recipe, {**block, "evaluate": {}})
    assert validate(Recipe, {"evaluate": {}}).evaluate is not None  # of what the workspace has
