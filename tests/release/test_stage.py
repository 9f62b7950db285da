"""A release opens in transformers, chat template included, and a wrong one is not let out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from headwater.core.artifact import Artifact, Manifest, Work
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.model import directory
from headwater.model.config import ModelConfig
from headwater.model.parts import Learned
from headwater.release.config import Release
from headwater.release.stage import card, labels_of, opened_by, prove, run
from headwater.tokens.chat import Message, encode_dialogue
from headwater.tokens.config import Bytes
from headwater.tokens.template import TEMPLATE
from headwater.tokens.tokenizer import train

BYTES = train(Bytes(), [])
SHAPE = ModelConfig(layers=2, width=48, heads=4, kv_heads=2, context=64).with_vocabulary(BYTES.vocab_size)
GPT2: dict[str, Any] = {"norm": {"kind": "layer"}, "positions": {"kind": "learned"}, "feed_forward": {"kind": "gelu"}, "biases": True}
BERT: dict[str, Any] = {
    "kind": "encoder",
    **GPT2,
    "norm": {"kind": "layer", "place": "post", "eps": 1e-12},
    "feed_forward": {"kind": "gelu", "approximate": "none"},
    "embedding": {"norm": True, "types": 2},
    "head": {"kind": "mlm"},
}
T5: dict[str, Any] = {
    "kind": "encoder-decoder", "encoder_layers": 1, "attention_scale": 1.0, "feed_forward": {"kind": "relu"},
    "positions": {"kind": "t5"}, "head": {"kind": "lm", "scale": "width"},
}  # fmt: skip
OF_EACH: dict[str, tuple[dict[str, Any], str]] = {
    "gpt2": (GPT2, "GPT2LMHeadModel"),
    "qwen3": ({"qk_norm": True, "kv_heads": 2, "head_width": 16}, "Qwen3ForCausalLM"),
    "mixtral": ({"feed_forward": {"kind": "moe", "experts": 3, "expert": {"width": 20}}}, "MixtralForCausalLM"),
    "t5": (T5, "T5ForConditionalGeneration"),
    "bert": (BERT, "BertForMaskedLM"),
    "bert of pairs": ({**BERT, "head": {"kind": "mlm", "next_sentence": True}}, "BertForPreTraining"),
    "bert of spans": ({**BERT, "head": {"kind": "span"}}, "BertForQuestionAnswering"),
    "roberta": ({**BERT, "embedding": {"norm": True, "types": 1}}, "RobertaForMaskedLM"),
}


def saved(folder: Path, config: ModelConfig, template: str | None = None) -> directory.Model:
    """With biases and norms far from 0 and 1, where a forgotten one would not show."""
    network = config.build(1)
    with torch.no_grad():
        for number, tensor in enumerate(network.parameters()):
            tensor.add_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(number)) * 0.1)
    directory.save(folder, network, config, BYTES, template)
    return directory.load(folder)


@pytest.fixture
def model(tmp_path: Path) -> directory.Model:
    return saved(tmp_path / "m", SHAPE, TEMPLATE)


@pytest.mark.oracle
def test_logits_equal_transformers(model: directory.Model) -> None:
    parity = prove(model.path, model, 1e-4)
    assert parity["proven"]
    assert parity["max_difference"] <= 1e-4
    assert parity["against"].startswith("LlamaForCausalLM of transformers ")


@pytest.mark.oracle
@pytest.mark.parametrize("name", OF_EACH)
def test_each_family_is_proven_by_the_class_that_opens_it(tmp_path: Path, name: str) -> None:
    changes, opens = OF_EACH[name]
    model = saved(tmp_path, ModelConfig.model_validate({**SHAPE.model_dump(exclude={"kv_heads"}), **changes}))
    parity = prove(tmp_path, model, 1e-4)
    assert parity["proven"]
    assert parity["against"].startswith(opens + " of ")


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "tensor"), [("t5", "encoder.norm.weight"), ("bert of pairs", "output.next_sentence.bias")])
def test_different_weights_are_not_released(tmp_path: Path, name: str, tensor: str) -> None:
    """The proof can fail: one number changed between ours and the directory, where only a source or a pair shows it."""
    model = saved(tmp_path, ModelConfig.model_validate({**SHAPE.model_dump(exclude={"kv_heads"}), **OF_EACH[name][0]}))
    with torch.no_grad():
        model.network.state_dict()[tensor][1] += 0.5
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
    assert opened_by(tmp_path / "m") == ""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (BERT, ["import AutoTokenizer, BertForMaskedLM", "fill-mask", "| Held-out nats a target after pretraining | 2.5000 |"]),
        (T5, ["T5ForConditionalGeneration", "text2text-generation", "| 1 + 2 × 48, 4 |"]),
        ({"positions": {"kind": "learned"}}, ["library_name: headwater", "from headwater.model.directory import load"]),
    ],
)
def test_the_card_says_how_each_is_opened(tmp_path: Path, changes: dict[str, Any], expected: list[str]) -> None:
    model = saved(tmp_path, ModelConfig.model_validate({**SHAPE.model_dump(exclude={"kv_heads"}), **changes}))
    metrics = {"tokens": 1000, "epochs": 1.0, "validation": {"loss": 2.5, "unigram_loss": 3.0}}
    nothing: dict[str, Any] = {"inputs": {}, "config": {}, "user_files": {}, "code": {}, "files": {}}
    manifest = Manifest(stage="pretrain", fingerprint="f", content="c", metrics=metrics, key_figure="", **nothing)
    source = Artifact(tmp_path, manifest)
    said = card(Release(), model, source, {"pretrain": source}, {"proven": False, "reason": "none"})
    assert [part for part in expected if part not in said] == []


@pytest.mark.oracle
def test_a_fine_tuned_model_is_released_with_the_names_of_its_classes(tmp_path: Path) -> None:
    """What `finetune` has made comes before what was pretrained; transformers opens it and calls the classes by name."""
    from transformers import pipeline

    labels = ["calm", "stormy", "wet"]
    made: dict[str, Artifact] = {}
    for stage, head in (("pretrain", {"kind": "mlm"}), ("finetune", {"kind": "classes", "classes": 3})):
        saved(tmp_path / stage, ModelConfig.model_validate({**SHAPE.model_dump(exclude={"kv_heads"}), **BERT, "head": head}))
        metrics: dict[str, Any] = {"tokens": 1000, "epochs": 1.0, "validation": {"loss": 2.5}, "task": "classification", "labels": labels}
        nothing: dict[str, Any] = {"inputs": {}, "config": {}, "user_files": {}, "code": {}, "files": {}}
        figure = "accuracy 0.910 (the commonest label alone: 0.400)"
        manifest = Manifest(stage=stage, fingerprint="f", content="c", metrics=metrics, key_figure=figure, **nothing)
        made[stage] = Artifact(tmp_path / stage, manifest)
    out = tmp_path / "release"
    out.mkdir()
    outcome = run(Release(), Work(out, made, 1, Reporter()))
    assert outcome.metrics["parity"]["against"].startswith("BertForSequenceClassification of ")
    assert json.loads((out / "headwater.json").read_text())["lineage"]["from"] == "finetune"
    said = (out / "README.md").read_text()
    for part in ("text-classification", "| Labels | calm, stormy, wet |", "| Held-out examples | accuracy 0.910"):
        assert part in said
    classify: Any = pipeline("text-classification", model=str(out), top_k=None)
    [shares] = classify(["the river"])
    model = directory.load(out)
    row = torch.tensor([model.tokenizer.encode("the river")])
    with torch.no_grad():
        ours = dict(zip(labels, model.network(row)[0].softmax(dim=0).tolist(), strict=True))
    assert {each["label"]: each["score"] for each in shares} == pytest.approx(ours, abs=1e-5)


def test_without_a_fine_tuned_model_no_class_has_a_name(tmp_path: Path) -> None:
    model = saved(tmp_path / "pretrain", SHAPE)
    nothing: dict[str, Any] = {"inputs": {}, "config": {}, "user_files": {}, "code": {}, "files": {}}
    metrics = {"tokens": 1000, "epochs": 1.0, "validation": {"loss": 2.5}, "labels": ["a"]}
    manifest = Manifest(stage="pretrain", fingerprint="f", content="c", metrics=metrics, key_figure="", **nothing)
    assert labels_of(Artifact(model.path, manifest)) == []
