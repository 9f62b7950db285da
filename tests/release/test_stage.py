"""A release opens in transformers, chat template included, and a wrong one is not let out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from headwater.core.errors import HeadwaterError
from headwater.model import directory
from headwater.model.config import ModelConfig
from headwater.model.parts import Learned
from headwater.release.stage import prove
from headwater.tokens.chat import Message, encode_dialogue
from headwater.tokens.config import Bytes
from headwater.tokens.template import TEMPLATE
from headwater.tokens.tokenizer import train

BYTES = train(Bytes(), [])
SHAPE = ModelConfig(layers=2, width=48, heads=4, kv_heads=2, context=64).with_vocabulary(BYTES.vocab_size)


@pytest.fixture
def model(tmp_path: Path) -> directory.Model:
    directory.save(tmp_path / "m", SHAPE.build(1), SHAPE, BYTES, TEMPLATE)
    return directory.load(tmp_path / "m")


@pytest.mark.oracle
def test_logits_equal_transformers(model: directory.Model) -> None:
    parity = prove(model.path, model, 1e-4)
    assert parity["proven"]
    assert parity["max_difference"] <= 1e-4


@pytest.mark.oracle
def test_different_weights_are_not_released(model: directory.Model) -> None:
    """The proof can fail: one weight changed between ours and the directory."""
    with torch.no_grad():
        model.network.embedding.tokens.weight[5, 7] += 0.5
    with pytest.raises(HeadwaterError, match="logits differ from transformers'"):
        prove(model.path, model, 1e-4)


@pytest.mark.oracle
def test_the_tokenizer_and_template_come_along(model: directory.Model) -> None:
    from transformers import AutoTokenizer

    theirs: Any = AutoTokenizer.from_pretrained(model.path)
    messages = [Message(role="user", content="你好 <|turn|> there"), Message(role="assistant", content="Yes.")]
    plain = [{"role": message.role, "content": message.content.replace("<|turn|>", "")} for message in messages]
    clean = [Message(role=message.role, content=text["content"]) for message, text in zip(messages, plain, strict=True)]
    ids = theirs.apply_chat_template(plain, add_generation_prompt=True, return_dict=False)
    assert ids == encode_dialogue(BYTES, TEMPLATE, clean, generation_prompt=True)[0]


def test_an_architecture_without_a_family_says_so(tmp_path: Path) -> None:
    shape = SHAPE.model_copy(update={"positions": Learned()})
    directory.save(tmp_path / "m", shape.build(1), shape, BYTES)
    parity = prove(tmp_path / "m", directory.load(tmp_path / "m"), 1e-4)
    assert not parity["proven"]
    assert "no Hugging Face family" in parity["reason"]
