"""Families against transformers: the same weights give the same logits and the same gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from headwater.model.config import ModelConfig
from headwater.model.directory import load, save
from headwater.model.families import FAMILIES, family_of
from headwater.model.families.family import restore, store
from headwater.model.init import shapes
from headwater.tokens.tokenizer import Tokenizer
from tests.model.conftest import GPT2_LIKE, random_config, tiny


@pytest.mark.oracle
@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("seed", range(6))
def test_transformers_computes_the_same(tmp_path: Path, transformers: Any, tokenizer: Tokenizer, seed: int, family: str) -> None:
    config = random_config(seed, family)
    assert family_of(config).name == family
    network = config.build(seed)
    with torch.no_grad():  # biases and norm weights begin at 0 and 1, where a swapped or forgotten one would not show
        for name, tensor in network.named_parameters():
            if tensor.ndim == 1:
                tensor.add_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(len(name))) * 0.3)
    save(tmp_path, network, config, tokenizer)
    theirs, report = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert type(theirs).__name__ == {"llama": "LlamaForCausalLM", "gpt2": "GPT2LMHeadModel"}[family]
    theirs.eval()
    # Ids from 6 on: transformers lets no gradient into the embedding of a padding token.
    x = torch.randint(6, config.vocabulary, (2, 33), generator=torch.Generator().manual_seed(seed))
    ours_logits, their_logits = network(x), theirs(x).logits
    assert ours_logits.std() > 0.3
    assert (ours_logits - their_logits).abs().max() <= 1e-4
    grads = []
    for logits, table in ((ours_logits, network.embedding.weight), (their_logits, theirs.get_input_embeddings().weight)):
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), x[:, 1:].flatten())
        grads.append(torch.autograd.grad(loss, table)[0])
    assert grads[0].abs().max() > 1e-3
    assert (grads[0] - grads[1]).abs().max() <= 1e-4
    assert config.parameter_count() == sum(tensor.numel() for tensor in theirs.parameters())


@pytest.mark.oracle
def test_transformers_opens_the_tokenizer_and_its_template(tmp_path: Path, transformers: Any, tokenizer: Tokenizer) -> None:
    from headwater.tokens.chat import Message, render
    from headwater.tokens.template import TEMPLATE

    config = tiny()
    save(tmp_path, config.build(0), config, tokenizer, template=TEMPLATE)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    text = "A stream 源头 rises.\n\n 🙂"
    assert theirs.encode(text) == tokenizer.encode(text)
    assert theirs.decode(tokenizer.encode(text)) == text
    assert (theirs.eos_token_id, theirs.pad_token_id) == (tokenizer.special("turn"), tokenizer.special("pad"))
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
    ours = render(TEMPLATE, [Message(**message) for message in messages], generation_prompt=True)
    assert theirs.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) == ours
    generation = transformers.GenerationConfig.from_pretrained(tmp_path)
    assert generation.eos_token_id == [tokenizer.special("end"), tokenizer.special("turn")]


@pytest.mark.parametrize(
    ("changes", "name", "reasons"),
    [
        ({}, "llama", [None, "GPT-2 has LayerNorm", None]),
        ({**GPT2_LIKE, "kv_heads": None}, "gpt2", ["Llama has RMSNorm", None, None]),
        (GPT2_LIKE, "headwater", ["Llama has RMSNorm", "GPT-2 has as many key heads as heads, which share the width", None]),
        ({**GPT2_LIKE, "kv_heads": None, "biases": False}, "headwater", ["Llama has RMSNorm", "GPT-2 has biases", None]),
        ({"positions": {"kind": "learned"}}, "headwater", ["Llama has RoPE", "GPT-2 has LayerNorm", None]),
        ({"norm": {"kind": "layer"}}, "headwater", ["Llama has RMSNorm", "GPT-2 has learned positions", None]),
        ({"feed_forward": {"kind": "gelu"}}, "headwater", ["Llama has SwiGLU", "GPT-2 has LayerNorm", None]),
    ],
)
def test_a_family_is_chosen_by_what_it_can_say(changes: dict[str, Any], name: str, reasons: list[str | None]) -> None:
    config = tiny(**changes)
    assert family_of(config).name == name
    assert [family.mismatch(config) for family in FAMILIES] == reasons


@pytest.mark.parametrize("config", [tiny(), tiny(**{**GPT2_LIKE, "kv_heads": None}, tied=False), tiny(norm={"kind": "layer"})])
def test_restore_undoes_store(config: ModelConfig) -> None:
    ours = {name: tensor.detach() for name, tensor in config.build(0).named_parameters()}
    tensors = family_of(config).tensors(config)
    assert sorted(part for entry in tensors for part in entry.parts) == sorted(ours)
    theirs = store(tensors, ours)
    assert {entry.name: entry.shape(shapes(config)) for entry in tensors} == {name: tuple(tensor.shape) for name, tensor in theirs.items()}
    back = restore(tensors, theirs, shapes(config))
    assert all(torch.equal(tensor, back[name]) for name, tensor in ours.items())


def test_a_config_of_no_family_comes_back_the_same(tmp_path: Path, tokenizer: Tokenizer) -> None:
    config = tiny(positions={"kind": "learned"})
    network = config.build(0)
    save(tmp_path, network, config, tokenizer)
    x = torch.arange(10)[None]
    assert torch.equal(load(tmp_path).network(x), network(x))
