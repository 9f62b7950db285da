from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from headwater.core.errors import HeadwaterError
from headwater.core.storage import read_json, write_json
from headwater.model.directory import load, save
from headwater.tokens.config import Characters
from headwater.tokens.tokenizer import Tokenizer, train
from tests.model.conftest import GPT2_LIKE, tiny

CONFIG = tiny()
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


@pytest.fixture
def directory(tmp_path: Path, tokenizer: Tokenizer) -> Path:
    path = tmp_path / "model"
    save(path, CONFIG.build(0), CONFIG, tokenizer, TEMPLATE, {"seed": 0})
    return path


def test_what_is_saved_comes_back(directory: Path, tokenizer: Tokenizer) -> None:
    model = load(directory)
    assert model.config == CONFIG
    assert model.template == TEMPLATE
    assert model.tokenizer.hash == tokenizer.hash
    assert not model.network.training
    assert read_json(directory / "headwater.json")["lineage"] == {"seed": 0}
    original = CONFIG.build(0)
    assert all(torch.equal(tensor, original.state_dict()[name]) for name, tensor in model.network.state_dict().items())


def test_the_same_model_is_the_same_bytes(tmp_path: Path, directory: Path, tokenizer: Tokenizer) -> None:
    again = tmp_path / "deep" / "again"
    save(again, load(directory).network, CONFIG, tokenizer, TEMPLATE, {"seed": 0})
    files = sorted(file.name for file in directory.iterdir())
    assert files == sorted(file.name for file in again.iterdir())
    assert all((directory / name).read_bytes() == (again / name).read_bytes() for name in files)
    assert str(tmp_path) not in "".join((directory / name).read_text() for name in files if name.endswith(".json"))


def test_bf16_weights_are_kept_in_fp32(tmp_path: Path, tokenizer: Tokenizer) -> None:
    save(tmp_path, CONFIG.build(0).bfloat16(), CONFIG, tokenizer)
    assert {tensor.dtype for tensor in load_file(tmp_path / "model.safetensors").values()} == {torch.float32}


def test_saving_without_a_template_removes_the_old_one(directory: Path, tokenizer: Tokenizer) -> None:
    save(directory, CONFIG.build(0), CONFIG, tokenizer)
    assert load(directory).template is None


def test_a_tied_head_stays_tied(directory: Path) -> None:
    network = load(directory).network
    assert network.output.weight is None
    assert len(list(network.parameters())) == len(load_file(directory / "model.safetensors"))


def drop_tensor(path: Path) -> None:
    tensors = load_file(path / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, path / "model.safetensors")


def add_tensor(path: Path) -> None:
    tensors = load_file(path / "model.safetensors")
    save_file({**tensors, "surprise.weight": torch.zeros(1)}, path / "model.safetensors")


def reshape_tensor(path: Path) -> None:
    tensors = load_file(path / "model.safetensors")
    tensors["model.norm.weight"] = torch.zeros(31)
    save_file(tensors, path / "model.safetensors")


def only_pickle(path: Path) -> None:
    (path / "model.safetensors").rename(path / "pytorch_model.bin")


def other_tokenizer(path: Path) -> None:
    (path / "tokenizer.json").write_text(train(Characters(), ["other"]).to_json())


def larger_tokenizer(path: Path) -> None:
    other = train(Characters(), ["abcdefgh"])
    (path / "tokenizer.json").write_text(other.to_json())
    change_about(tokenizer=other.hash)(path)


def change_about(**changes: object) -> Callable[[Path], None]:
    return lambda path: write_json(path / "headwater.json", {**read_json(path / "headwater.json"), **changes})


REFUSALS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no directory": (lambda path: path.rename(path.with_name("moved")), "no such model directory"),
    "no weights": (lambda path: (path / "model.safetensors").unlink(), "is no model directory (it has no model.safetensors)"),
    "no headwater.json": (lambda path: (path / "headwater.json").unlink(), "is no model directory (it has no headwater.json)"),
    "only a pickle": (only_pickle, "has its weights only as a pickle (pytorch_model.bin), which could run any code when opened"),
    "missing tensor": (drop_tensor, "lacks the tensors model.layers.1.mlp.up_proj.weight"),
    "extra tensor": (add_tensor, "has, beyond its config, the tensors surprise.weight"),
    "wrong shape": (reshape_tensor, "the tensor model.norm.weight has the shape [31] where its config says [32]"),
    "torn weights": (
        lambda path: (path / "model.safetensors").write_bytes((path / "model.safetensors").read_bytes()[:-7]),
        "is not a whole safetensors file",
    ),
    "pickle called safetensors": (lambda path: torch.save({}, path / "model.safetensors"), "is not a whole safetensors file"),
    "other tokenizer": (other_tokenizer, "is not the tokenizer that the model was trained with"),
    "no tokenizer": (lambda path: (path / "tokenizer.json").unlink(), "no such file"),
    "larger tokenizer": (larger_tokenizer, "the model knows 262 tokens, fewer than its tokenizer's 270"),
    "changed template": (lambda path: (path / "chat_template.jinja").write_text("{{ 1 }}"), "the chat template differs from"),
    "no template": (lambda path: (path / "chat_template.jinja").unlink(), "the chat template is missing"),
    "added template": (change_about(template=None), "the chat template was added later"),
    "broken description": (lambda path: (path / "headwater.json").write_text("{"), "is not valid JSON"),
    "other format": (change_about(format=99), "does not describe a model in format 1"),
    "other family": (change_about(family="mamba"), "is of the family 'mamba', which this version does not know"),
    "bad config": (change_about(config={"layer": 3}), "unknown key 'layer'; did you mean 'layers'?"),
}


@pytest.mark.fault
@pytest.mark.parametrize("fault", REFUSALS)
def test_what_is_no_whole_model_is_refused_in_one_sentence(directory: Path, fault: str) -> None:
    break_it, sentence = REFUSALS[fault]
    break_it(directory)
    with pytest.raises(HeadwaterError) as caught:
        load(directory)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(directory) in str(caught.value)


@pytest.mark.fault
def test_a_save_that_is_cut_short_leaves_no_model(directory: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(path: Path, data: bytes | str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("headwater.model.directory.write_atomically", cut)
    with pytest.raises(KeyboardInterrupt):
        save(directory, CONFIG.build(1), CONFIG, tokenizer, TEMPLATE)
    with pytest.raises(HeadwaterError, match=r"it has no headwater\.json"):
        load(directory)


def test_gpt2_config_names_its_family(tmp_path: Path, tokenizer: Tokenizer) -> None:
    config = tiny(**{**GPT2_LIKE, "kv_heads": None})
    save(tmp_path, config.build(0), config, tokenizer)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "gpt2"
    assert read_json(tmp_path / "headwater.json")["family"] == "gpt2"


def test_hugging_face_is_told_the_special_tokens_by_their_spelling(tmp_path: Path) -> None:
    tokenizer = train(Characters(specials=("mask", "cls", "start")), ["abc"])
    config = tiny(kind="encoder-decoder", vocab_size=tokenizer.vocab_size)
    save(tmp_path, config.build(0), config, tokenizer, TEMPLATE)
    said, about = read_json(tmp_path / "config.json"), read_json(tmp_path / "tokenizer_config.json")
    assert said["decoder_start_token_id"] == tokenizer.special("start")
    assert said["eos_token_id"] == [tokenizer.special("end"), tokenizer.special("turn")]
    assert (about["mask_token"], about["cls_token"], about["eos_token"]) == ("<|mask|>", "<|cls|>", "<|turn|>")
    assert "sep_token" not in about


def test_a_token_that_ends_turns_and_texts_is_named_once(tmp_path: Path, tokenizer: Tokenizer) -> None:
    named = json.loads(tokenizer.to_json())
    named["added_tokens"] = [{**token, **({"names": ["turn"]} if token["content"] == "<|end|>" else {})} for token in named["added_tokens"]]
    both = Tokenizer(json.dumps(named))
    assert both.special("turn") == both.special("end")
    save(tmp_path, CONFIG.build(0), CONFIG, both, TEMPLATE)
    assert read_json(tmp_path / "generation_config.json")["eos_token_id"] == both.special("end")
