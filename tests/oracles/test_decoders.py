"""Decoders against transformers: logits, the gradient of every parameter, sizes, and both ways of the checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from headwater.model.config import ModelConfig
from headwater.model.families import family_of
from headwater.model.families.family import Family, restore, store
from headwater.model.init import kept_shapes
from headwater.model.network import Network
from tests.oracles.pair import close, draw, opened, same_network, shaken

transformers: Any = pytest.importorskip("transformers")
pytestmark = pytest.mark.oracle

LAYER = {"kind": "layer"}
GPT2 = {"norm": LAYER, "positions": {"kind": "learned"}, "biases": True, "feed_forward": {"kind": "gelu", "width": 50}}
LLAMA = {"kv_heads": 2, "head_width": 10, "feed_forward": {"width": 50}, "tied": False}
EXPERTS = {"kind": "moe", "experts": 4, "expert": {"width": 20}, "balance_loss": 0.0, "router_z_loss": 0.0}
DENSE = {"kind": "swiglu", "width": 40}
QWEN3 = {**LLAMA, "qk_norm": True, "norm": {"eps": 1e-6}}
OPT = {**GPT2, "feed_forward": {"kind": "relu", "width": 50}}
NEOX_BIASES = {"queries": True, "out": True, "feed_forward": True, "norms": True}
NEOX = {**GPT2, "block": "parallel-two-norms", "positions": {"kind": "rope", "share": 0.25}, "tied": False}
GPTJ = {
    **GPT2,
    "block": "parallel",
    "positions": {"kind": "rope", "share": 0.5, "pairs": "neighbours"},
    "biases": {"feed_forward": True, "norms": True, "head": True},
    "tied": False,
}
BLOOM = {
    **GPT2, "positions": {"kind": "alibi"}, "embedding": {"norm": True}, "feed_forward": {"kind": "gelu", "width": 128}
}  # fmt: skip


def scaled(kind: str, **more: float) -> dict[str, Any]:
    return {**LLAMA, "positions": {"kind": "rope", "base": 500.0, "scaling": {"kind": kind, "factor": 4.0, **more}}}


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2LMHeadModel", GPT2),
    "gpt2, untied, exact gelu": ("GPT2LMHeadModel", {**GPT2, "tied": False, "feed_forward": {"kind": "gelu", "approximate": "none"}}),
    "gpt1": ("OpenAIGPTLMHeadModel", {**GPT2, "norm": {**LAYER, "place": "post"}, "feed_forward": {"kind": "gelu", "width": 128}}),
    "llama": ("LlamaForCausalLM", LLAMA),
    "llama, tied, biases": ("LlamaForCausalLM", {**LLAMA, "tied": True, "biases": True}),
    "llama, one key head, geglu": ("LlamaForCausalLM", {**LLAMA, "kv_heads": 1, "feed_forward": {"kind": "geglu", "approximate": "none"}}),
    "llama 3": ("LlamaForCausalLM", scaled("llama3", original_context=16)),
    "llama, linear": ("LlamaForCausalLM", scaled("linear")),
    "llama, yarn": ("LlamaForCausalLM", scaled("yarn", original_context=16)),
    "mistral": ("MistralForCausalLM", {**LLAMA, "pattern": [{"kind": "window", "size": 5}]}),
    "mixtral": ("MixtralForCausalLM", {**LLAMA, "feed_forward": EXPERTS}),
    "mixtral, three of five, windows": ("MixtralForCausalLM", {**LLAMA, "tied": True, "pattern": [{"kind": "window", "size": 7}],
                                                              "feed_forward": {**EXPERTS, "experts": 5, "top_k": 3}}),
    "qwen2": ("Qwen2ForCausalLM", {**LLAMA, "biases": {"queries": True}}),
    "qwen3": ("Qwen3ForCausalLM", QWEN3),
    "qwen3, windows in upper layers": ("Qwen3ForCausalLM", {**QWEN3, "biases": {"queries": True, "out": True},
                                                            "pattern": [{"kind": "all"}, {"kind": "all"}, {"kind": "window", "size": 6}]}),
    "qwen3 with experts": ("Qwen3MoeForCausalLM", {**QWEN3, "feed_forward": {**EXPERTS, "first_dense": 1, "dense": DENSE}}),
    "qwen3, every second": ("Qwen3MoeForCausalLM", {**QWEN3, "feed_forward": {**EXPERTS, "every": 2, "renormalise": False}}),
    "opt": ("OPTForCausalLM", OPT),
    "opt 350M": ("OPTForCausalLM", {**OPT, "norm": {**LAYER, "place": "post"}, "embedding": {"width": 12}}),
    "opt, no final norm, untied, gelu": ("OPTForCausalLM", {**GPT2, "norm": {**LAYER, "final": False}, "tied": False,
                                                            "biases": {"norms": True}}),
    "bloom": ("BloomForCausalLM", BLOOM),
    "bloom, six heads": ("BloomForCausalLM", {**BLOOM, "heads": 6, "width": 36, "feed_forward": {"kind": "gelu", "width": 144}}),
    "neox": ("GPTNeoXForCausalLM", NEOX),
    "neox, serial, exact gelu, no attention biases": (
        "GPTNeoXForCausalLM", {**NEOX, "block": "serial", "feed_forward": {"kind": "gelu", "approximate": "none"},
                               "biases": {"feed_forward": True, "norms": True}}),
    "neox, linear scaling, whole heads, tied": (
        "GPTNeoXForCausalLM", {**NEOX, "tied": True, "positions": {"kind": "rope", "scaling": {"kind": "linear", "factor": 2.0}}}),
    "gptj": ("GPTJForCausalLM", GPTJ),
    "gptj, tied": ("GPTJForCausalLM", {**GPTJ, "tied": True, "positions": {"kind": "rope", "pairs": "neighbours"}}),
}  # fmt: skip


def small(changes: dict[str, Any]) -> ModelConfig:
    base: dict[str, Any] = {"layers": 3, "width": 32, "heads": 4, "context": 24, "vocab_size": 70, "init": {"std": 0.2}, "dropout": 0.1}
    return ModelConfig.model_validate({**base, **changes})


@pytest.mark.parametrize("case", CASES)
def test_transformers_computes_the_same(tmp_path: Path, case: str) -> None:
    opens, changes = CASES[case]
    config = small(changes)
    family = family_of(config)
    assert family.opens == opens
    network = shaken(config)
    theirs = opened(tmp_path, transformers, family, network)
    assert type(theirs).__name__ == opens
    tokens = draw((2, 20), 70)
    ours_BTV, theirs_BTV = network(tokens), theirs(tokens).logits
    close(ours_BTV, theirs_BTV)
    losses = [torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()) for logits in (ours_BTV, theirs_BTV)]
    losses[0].backward()
    losses[1].backward()
    same_gradients(tmp_path / "gradients", family, network, theirs)
    assert config.parameter_count() == sum(tensor.numel() for tensor in theirs.parameters()) - unused(config)
    theirs.save_pretrained(tmp_path / "theirs")
    same_network(network, reopened(tmp_path / "theirs", family))


def same_gradients(folder: Path, family: Family, network: Network, theirs: Any) -> None:
    """Theirs as a checkpoint (whose tensors may be other than those of their network: experts), so that names and shapes are alike."""
    with torch.no_grad():
        for tensor in theirs.parameters():
            assert tensor.grad is not None
            tensor.data, tensor.grad = tensor.grad.clone(), tensor.data.clone()
    theirs.save_pretrained(folder)
    with torch.no_grad():
        for tensor in theirs.parameters():
            tensor.data, tensor.grad = tensor.grad, None
    grads = load_file(folder / "model.safetensors")
    ours = store(family.tensors(network.config), {name: tensor.grad for name, tensor in network.named_parameters()})
    assert ours.keys() == grads.keys()
    for name, grad in grads.items():
        assert (ours[name] - grad).abs().max() <= 1e-4, name
        if not name.endswith(("k_proj.bias", "key.bias")):  # a key's bias adds the same to all scores of a query
            assert ours[name].abs().max() > 1e-5, f"{name} learns nothing, so that the comparison is empty"


def unused(config: ModelConfig) -> int:
    """Two rows of OPT's positions."""
    return 2 * config.width if family_of(config).name == "opt" else 0


def reopened(folder: Path, family: Family) -> Network:
    """Our network from what transformers saves, by its config.json alone."""
    said = json.loads((folder / "config.json").read_text())
    assert said["model_type"] in family.types
    config = family.parse(said)
    network = config.build(1)
    network.load_state_dict(restore(family.tensors(config), load_file(folder / "model.safetensors"), kept_shapes(config)))
    return network
