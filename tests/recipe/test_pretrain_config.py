"""What a pretraining block may say: what cannot be learned is refused, and a model may be the one that it starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.model import directory
from headwater.model.config import ModelConfig
from headwater.recipe.pretrain_config import Pretrain
from headwater.tokens.config import Bytes
from headwater.tokens.tokenizer import train

BYTES = train(Bytes(), [])
SHAPE = {"layers": 1, "width": 32, "heads": 2, "context": 64}


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"model": {**SHAPE, "kind": "encoder", "head": {"kind": "mlm"}}}, "cannot learn causal"),
        ({"model": {**SHAPE, "init": {"kind": "mup", "base_width": 16}}, "optimizer": {"kind": "muon"}}, "muP"),
        ({}, "'model' is missing"),
        ({"init_from": {}}, "is missing"),
        ({"init_from": {"model": "nowhere"}}, "nowhere: no such model directory"),
        ({"init_from": {"model": "nowhere", "parts": "embedding"}}, "'model' is missing"),
        ({"model": SHAPE, "init_from": {"model": "nowhere", "parts": "heads"}}, "init_from.parts"),
    ],
)
def test_what_is_refused(block: dict[str, Any], expected: str) -> None:
    with pytest.raises(HeadwaterError, match=expected):
        validate(Pretrain, {"steps": 100, "schedule": {"warmup": 2}, **block})


def test_without_a_model_it_is_the_one_that_is_started_from(tmp_path: Path) -> None:
    config = ModelConfig.model_validate({**SHAPE, "norm": {"eps": 1e-3}}).with_vocabulary(BYTES.vocab_size)
    directory.save(tmp_path, config.build(1), config, BYTES)
    said = validate(Pretrain, {"steps": 100, "schedule": {"warmup": 2}, "init_from": {"model": str(tmp_path), "parts": "body"}})
    assert said.model == config.model_copy(update={"vocab_size": None})  # over whatever tokens the recipe has
    assert Pretrain.model_validate(said.model_dump()) == said
    assert list(said.contents()) == ["init_from/headwater.json"]
