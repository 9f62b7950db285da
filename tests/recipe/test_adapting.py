"""headwater/recipe/adapting.py: a glob that names nothing is found before the first stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.recipe.adapting import check_adapters
from headwater.recipe.recipe import Recipe

PRETRAIN = {"model": {"layers": 2, "width": 32, "heads": 2, "context": 32}, "steps": 50, "schedule": {"warmup": 5}}


def recipe(stage: str, adapter: dict[str, Any], **more: Any) -> Recipe:
    task = {"task": {"kind": "classification"}} if stage == "finetune" else {}
    block = {"sources": [{"path": "d.jsonl"}], "steps": 50, "adapter": adapter, **task, **more}
    return validate(Recipe, {"pretrain": PRETRAIN, stage: block})


@pytest.mark.parametrize("stage", ["sft", "finetune"])
def test_targets_that_name_nothing(stage: str) -> None:
    check_adapters(recipe(stage, {"targets": ["stack.blocks.1.attention.*"]}))
    with pytest.raises(HeadwaterError, match=r"no linear layer is called '\*\.attn\.q_proj'"):
        check_adapters(recipe(stage, {"targets": ["*.attn.q_proj"]}))


def test_tensors_that_learn_whole(tmp_path: Path) -> None:
    with pytest.raises(HeadwaterError, match="no tensor is called 'lm_head"):
        check_adapters(recipe("sft", {"learned": ["lm_head.*"]}))
    check_adapters(recipe("finetune", {"learned": ["output.*"]}))  # of a head that is not there yet
    check_adapters(recipe("sft", {"targets": ["nothing"]}, base=str(tmp_path)))  # of a model that its stage opens


def test_it_is_asked_before_any_stage(small_world: Path, tmp_path: Path, headwater: Any) -> None:
    done = headwater("run", small_world / "recipe.yaml", "--workspace", tmp_path, "sft.adapter={targets: [wrong.*]}")
    assert done.returncode == 2
    assert "no linear layer is called 'wrong.*'" in done.stderr
    assert not (tmp_path / "corpus").exists()
