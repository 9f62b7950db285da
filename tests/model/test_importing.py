"""Import: what transformers saves is opened and computes the same; whatever is wrong with a checkpoint is said in one sentence."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch
from safetensors.torch import load_file, save_file

from headwater.core.errors import HeadwaterError
from headwater.core.storage import read_json, write_json
from headwater.model.directory import load
from headwater.model.families import family_of
from headwater.model.families.family import store
from headwater.model.importing import Imported, import_model
from headwater.tokens.tokenizer import Tokenizer
from tests.model.conftest import GPT2_LIKE, tiny
from tests.model.test_families import OF_EACH

ROWS = 262  # of the byte-level tokenizer


def words(folder: Path, specials: tuple[str, ...] = ("<|endoftext|>",), count: int = 200) -> Path:
    """A tokenizer of somebody else's: words, and its own special tokens after them."""
    vocabulary = {f"w{number}": number for number in range(count)} | {"?": count, "Is": count + 1}
    found = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="?"))
    found.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()  # type: ignore[assignment]
    found.add_special_tokens(list(specials))
    found.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


def theirs_of(transformers: Any, name: str, **changes: Any) -> Any:
    """A network of transformers' with random weights, none of them at its beginning's 0 or 1."""
    config = tiny(**OF_EACH[name], **changes)
    family = family_of(config)
    said = {key: value for key, value in family.config(config).items() if key not in ("model_type", "architectures")}
    their_config = transformers.AutoConfig.for_model(family.types[0], **said)
    torch.manual_seed(len(name))
    network = transformers.AutoModelForCausalLM.from_config(their_config)
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.add_(torch.randn(tensor.shape) * 0.1)
    return network.eval()


def agree(theirs: Any, done: Imported) -> None:
    tokens = torch.randint(6, ROWS, (2, 20), generator=torch.Generator().manual_seed(3))
    ours_BTV = done.model.network(tokens)
    assert ours_BTV.std() > 0.05
    assert (ours_BTV - theirs.float()(tokens).logits).abs().max() <= 1e-4


@pytest.mark.oracle
@pytest.mark.parametrize("name", sorted(OF_EACH.keys() - {"headwater"}))
def test_what_transformers_saves_computes_the_same(tmp_path: Path, transformers: Any, tokenizer: Tokenizer, name: str) -> None:
    theirs = theirs_of(transformers, name)
    theirs.save_pretrained(tmp_path / "theirs")
    (tmp_path / "theirs" / "tokenizer.json").write_text(tokenizer.to_json())
    done = import_model(tmp_path / "theirs", tmp_path / "ours")
    agree(theirs, done)
    assert done.notes == ()
    assert done.model.tokenizer.hash == tokenizer.hash
    assert read_json(tmp_path / "ours" / "headwater.json")["lineage"]["imported"]["family"] == name
    assert load(tmp_path / "ours").config == done.model.config


@pytest.mark.oracle
def test_shards_half_precision_and_a_body_without_prefix(tmp_path: Path, transformers: Any, tokenizer: Tokenizer) -> None:
    theirs = theirs_of(transformers, "gpt2").half()
    theirs.transformer.save_pretrained(tmp_path / "theirs", max_shard_size="20KB")
    (tmp_path / "theirs" / "tokenizer.json").write_text(tokenizer.to_json())
    assert len(list((tmp_path / "theirs").glob("*.safetensors"))) > 3
    done = import_model(tmp_path / "theirs", tmp_path / "ours")
    agree(theirs, done)
    assert done.notes == ("weights in fp16 were widened to fp32, which changes none of them",)


@pytest.fixture
def folder(tmp_path: Path, tokenizer: Tokenizer) -> Path:
    """A checkpoint as GPT-2's on the hub: names without prefix, masks among the tensors, bf16, the tied head written twice."""
    config = tiny(**{**GPT2_LIKE, "kv_heads": None})
    family = family_of(config)
    tensors = {
        name.removeprefix("transformer."): value for name, value in store(family.tensors(config), config.build(0).state_dict()).items()
    }
    tensors = {name: value.bfloat16() for name, value in tensors.items()}
    tensors |= {f"h.{layer}.attn.bias": torch.ones(1, 1, 24, 24, dtype=torch.bool) for layer in range(2)}
    tensors["lm_head.weight"] = tensors["wte.weight"].clone()
    path = tmp_path / "theirs"
    path.mkdir()
    save_file(tensors, path / "model.safetensors")
    write_json(path / "config.json", family.config(config))
    (path / "tokenizer.json").write_text(tokenizer.to_json())
    return path


def test_masks_prefix_and_a_head_written_twice(folder: Path) -> None:
    done = import_model(folder, folder.parent / "ours")
    expected = tiny(**{**GPT2_LIKE, "kv_heads": None}).build(0).bfloat16().float()
    ours = done.model.network.state_dict()
    assert all(torch.equal(tensor, ours[name]) for name, tensor in expected.state_dict().items())
    assert done.notes == ("weights in bf16 were widened to fp32, which changes none of them",)


def test_special_tokens_get_rows_like_the_mean(folder: Path) -> None:
    """203 tokens of its own, 59 rows without a token; the special ones that are added take the first of those."""
    words(folder)
    done = import_model(folder, folder.parent / "ours")
    tokenizer, table = done.model.tokenizer, done.model.network.embedding.tokens.weight.detach()
    assert tokenizer.spelling("end") == "<|endoftext|>"
    added = [tokenizer.special(name) for name in ("pad", "system", "user", "assistant", "turn")]
    assert added == [203, 204, 205, 206, 207]
    before = load_file(folder / "model.safetensors")["wte.weight"].float()
    kept = [row for row in range(ROWS) if row not in added]
    assert torch.equal(table[kept], before[kept])
    assert (table[added] - before[kept].mean(dim=0)).abs().max() < 0.1 * before.std()
    assert len({tuple(row) for row in table[added].tolist()}) == 5
    assert done.notes[1:] == (
        "5 special tokens that its tokenizer lacks were added: <|pad|>, <|system|>, <|user|>, <|assistant|>, <|turn|>",
        "its table has 54 rows more than its tokenizer has tokens; they are kept",
    )
    again = import_model(folder, folder.parent / "again")
    assert torch.equal(again.model.network.embedding.tokens.weight, done.model.network.embedding.tokens.weight)


def test_the_table_grows_where_it_has_no_room(folder: Path) -> None:
    words(folder, count=ROWS - 3)
    done = import_model(folder, folder.parent / "ours")
    assert done.model.config.vocab_size == ROWS + 5
    assert "its table grew from 262 to 267 rows" in done.notes
    assert torch.equal(done.model.network.embedding.tokens.weight[:ROWS].bfloat16(), load_file(folder / "model.safetensors")["wte.weight"])


CHAT = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<|im_end|>{% endfor %}"


@pytest.mark.parametrize(
    ("template", "kept"),
    [
        (CHAT, True),
        (CHAT.replace("m['content']", "m['content'] | trim"), True),  # does nothing to what has nothing to trim
        (CHAT.replace("<|im_end|>", ""), False),
        ("{{ bos_token }}" + CHAT, False),
        ("{% for m in", False),
    ],
)
def test_a_template_that_we_cannot_learn_by_is_left_out(folder: Path, template: str, kept: bool) -> None:
    words(folder, ("<|endoftext|>", "<|im_end|>"))
    write_json(folder / "tokenizer_config.json", {"eos_token": "<|im_end|>", "chat_template": template})
    done = import_model(folder, folder.parent / "ours")
    assert (done.model.template == template) is kept
    assert any("chat template is left out" in note for note in done.notes) is not kept
    assert done.model.tokenizer.spelling("end") == "<|endoftext|>"
    assert done.model.tokenizer.spelling("turn") == "<|im_end|>"


def test_names_say_which_token_is_which(folder: Path) -> None:
    words(folder, ("<stop>", "<fill>"))
    write_json(folder / "tokenizer_config.json", {"eos_token": {"content": "<stop>"}})
    done = import_model(folder, folder.parent / "ours", names={"pad": "<fill>"})
    assert done.model.tokenizer.spelling("end") == "<stop>"
    assert done.model.tokenizer.spelling("pad") == "<fill>"


# --- what is refused ---


def config(**changes: Any) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        said = {**read_json(path / "config.json"), **changes}
        write_json(path / "config.json", {key: value for key, value in said.items() if value is not ...})

    return change


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def changed(path: Path) -> None:
        found = load_file(path / "model.safetensors")
        change(found)
        save_file(found, path / "model.safetensors")

    return changed


def cut(path: Path) -> None:
    (path / "model.safetensors").write_bytes((path / "model.safetensors").read_bytes()[:-9])


def flip(path: Path) -> None:
    data = bytearray((path / "model.safetensors").read_bytes())
    data[3] ^= 0xFF  # in the header's length
    (path / "model.safetensors").write_bytes(data)


def pickled(path: Path) -> None:
    (path / "model.safetensors").unlink()
    torch.save({}, path / "pytorch_model.bin")


def index(weight_map: Any) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        (path / "model.safetensors").rename(path / "one.safetensors")
        (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))

    return change


REFUSALS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (lambda path: path.rename(path.with_name("moved")), "no such folder"),
    "no config": (lambda path: (path / "config.json").unlink(), "has no config.json"),
    "a broken config": (lambda path: (path / "config.json").write_text("{"), "is not valid JSON"),
    "a config that is a list": (lambda path: (path / "config.json").write_text("[]"), "is not a mapping"),
    "no model_type": (config(model_type=...), "does not say its model_type"),
    "an unknown model_type": (config(model_type="mamba"), "model_type 'mamba', which Headwater does not know; it knows llama, gpt2"),
    "our own": (lambda path: write_json(path / "headwater.json", {}), "is a Model of Headwater's already"),
    "a key is missing": (config(n_layer=...), "lacks 'n_layer', which a config of gpt2 has"),
    "no vocabulary": (config(vocab_size=None), "lacks 'vocab_size'"),
    "nonsense": (config(n_layer="many"), "says what cannot be (layers: Input should be a valid integer"),
    "a wrong number": (config(n_head=5), "says what cannot be (5 heads do not divide a width of 32"),
    "no heads": (config(n_head=None), "says what cannot be"),
    "an unknown activation": (config(activation_function="mish"), "has the activation 'mish'"),
    "quantised": (config(quantization_config={"quant_method": "gptq"}), "is of a quantised checkpoint"),
    "another size": (config(n_inner=77), "c_fc.weight has the shape [32, 128] where its config says [32, 77]"),
    "another family": (config(model_type="openai-gpt"), "lacks the tensors transformer.positions_embed.weight, transformer.tokens_embed"),
    "a missing tensor": (tensors(lambda found: found.pop("h.1.ln_2.bias")), "lacks the tensors transformer.h.1.ln_2.bias"),
    "an extra tensor": (tensors(lambda found: found.update(score=torch.zeros(2))), "beyond its config, the tensors transformer.score"),
    "int8": (tensors(lambda found: found.update({"ln_f.bias": torch.zeros(32, dtype=torch.int8)})), "the tensor ln_f.bias is kept as I8"),
    "fp64": (tensors(lambda found: found.update({"ln_f.bias": torch.zeros(32).double()})), "the tensor ln_f.bias is kept as F64"),
    "not a number": (tensors(lambda found: found["h.0.ln_1.weight"].__setitem__(3, torch.nan)), "h.0.ln_1.weight has values that are no"),
    "a head of its own": (
        tensors(lambda found: found["lm_head.weight"].zero_()),
        "has a head of its own (lm_head.weight), though its config",
    ),
    "a head of another size": (tensors(lambda found: found.update({"lm_head.weight": torch.zeros(2, 2)})), "has a head of its own"),
    "cut short": (cut, "is not a whole safetensors file"),
    "a bit flipped": (flip, "is not a whole safetensors file"),
    "a pickle": (pickled, "has its weights only as a pickle (pytorch_model.bin), which could run any code when opened"),
    "a pickle called safetensors": (lambda path: torch.save({}, path / "model.safetensors"), "is not a whole safetensors file"),
    "no weights": (lambda path: (path / "model.safetensors").unlink(), "has no weights (model.safetensors or"),
    "an index without a map": (index(None), "does not say which file of this folder has which tensor"),
    "an index that leaves the folder": (index({"wte.weight": "../one.safetensors"}), "does not say which file of this folder"),
    "a shard is missing": (index({"wte.weight": "two.safetensors"}), "names two.safetensors, which is not there"),
    "a shard lacks a tensor": (index({"wte": "one.safetensors"}), "says that one.safetensors has wte, which it has not"),
    "no tokenizer": (lambda path: (path / "tokenizer.json").unlink(), "has no tokenizer"),
    "a broken tokenizer": (lambda path: (path / "tokenizer.json").write_text("{}"), "is no tokenizer.json"),
    "a larger tokenizer": (lambda path: words(path, count=300), "the model knows 262 tokens, fewer than its tokenizer's 303"),
}


@pytest.mark.fault
@pytest.mark.parametrize("fault", REFUSALS)
def test_what_is_no_whole_checkpoint_is_refused_in_one_sentence(folder: Path, fault: str) -> None:
    break_it, sentence = REFUSALS[fault]
    break_it(folder)
    with pytest.raises(HeadwaterError) as caught:
        import_model(folder, folder.parent / "ours")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    assert not (folder.parent / "ours").exists()


@pytest.mark.fault
def test_the_checkpoint_itself_is_not_written_over(folder: Path) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(HeadwaterError, match="is the checkpoint's own folder"):
        import_model(folder, folder.parent / "x" / ".." / "theirs")
    assert before == {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.fault
@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_flipped_bytes_give_a_sentence_or_a_model(folder: Path, name: str) -> None:
    """In the text of config and tokenizer, and in the header of the weights: never a traceback, never a half-written model."""
    draw, whole, target = random.Random(name), (folder / name).read_bytes(), folder.parent / "ours"
    end = 8 + int.from_bytes(whole[:8], "little") if name == "model.safetensors" else len(whole)
    sentences = []
    for _ in range(25):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 3)):
            place = draw.randrange(end)
            data[place] = draw.choice([data[place] ^ (1 << draw.randrange(8)), *b'0123456789-.,:{}[]"'])
        (folder / name).write_bytes(data)
        try:
            import_model(folder, target)
            shutil.rmtree(target)
        except HeadwaterError as error:
            sentences.append(str(error))
        assert not target.exists()
    assert len(sentences) > 5
    assert not any("\n" in sentence for sentence in sentences)


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("name", "opens", "said"),
    [
        ("bert", "BertForMaskedLM", {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}),
        ("t5", "T5ForConditionalGeneration", {"d_model": 32, "d_kv": 8, "num_layers": 2, "num_heads": 4, "d_ff": 64}),
    ],
)
def test_encoders_are_imported_like_decoders(
    tmp_path: Path, transformers: Any, tokenizer: Tokenizer, name: str, opens: str, said: dict[str, int]
) -> None:
    torch.manual_seed(0)
    theirs = getattr(transformers, opens)(transformers.AutoConfig.for_model(name, vocab_size=300, **said))
    theirs.eval().save_pretrained(tmp_path / "theirs")
    (tmp_path / "theirs" / "tokenizer.json").write_text(tokenizer.to_json())
    done = import_model(tmp_path / "theirs", tmp_path / "ours")
    tokens = torch.randint(6, ROWS, (2, 12), generator=torch.Generator().manual_seed(3))
    if name == "t5":
        ours, other = done.model.network(tokens[:, :5], source=tokens), theirs(input_ids=tokens, decoder_input_ids=tokens[:, :5]).logits
    else:
        ours, other = done.model.network(tokens), theirs(input_ids=tokens).logits
    assert ours.std() > 0.05
    assert (ours - other).abs().max() <= 1e-4
    assert done.notes == ("its table has 38 rows more than its tokenizer has tokens; they are kept",)
