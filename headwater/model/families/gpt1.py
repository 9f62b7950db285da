"""GPT (Radford et al. 2018) as Hugging Face keeps it: GPT-2's layers with norms after each branch, and none at the end."""

from __future__ import annotations

from headwater.model.config import ModelConfig
from headwater.model.families.common import block, head, plain, stored
from headwater.model.families.family import Family, HuggingFace, Stored
from headwater.model.families.gpt2 import BLOCK, alike, said

ACTIVATIONS = {"gelu": "gelu_new", "relu": "relu"}  # what it calls GELU is the tanh form


def parse(theirs: HuggingFace) -> ModelConfig:
    shared, name = alike(theirs), str(theirs.get("afn", "gelu"))
    fed = plain(ACTIVATIONS.get(name, name), 4 * theirs["n_embd"])
    return ModelConfig.model_validate({**shared, "norm": {**shared["norm"], "place": "post"}, "feed_forward": fed})


def config(config: ModelConfig) -> HuggingFace:
    return {**said(config, "openai-gpt", "OpenAIGPTLMHeadModel"), "afn": "gelu"}


def tensors(config: ModelConfig) -> list[Stored]:
    found = [*stored("transformer.tokens_embed", "embedding.tokens"), *stored("transformer.positions_embed", "embedding.positions")]
    for layer in range(config.layers):
        found += block(config, f"transformer.h.{layer}", f"stack.blocks.{layer}", BLOCK, transposed=True)
    return [*found, *head(config, "lm_head")]


GPT1 = Family(
    "openai-gpt", ("openai-gpt",), "OpenAIGPTLMHeadModel", parse, config, tensors, ignored=("*.attn.bias",), prefix="transformer."
)
