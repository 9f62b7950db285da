"""GPT (Radford et al. 2018) as Hugging Face keeps it: GPT-2's layers with norms after each branch, and none at the end."""

from __future__ import annotations

from headwater.model.config import ModelConfig
from headwater.model.families.common import block, head, plain, stored
from headwater.model.families.family import Family, HuggingFace, Stored
from headwater.model.families.gpt2 import BLOCK

ACTIVATIONS = {"gelu": "gelu_new", "relu": "relu"}  # what it calls GELU is the tanh form


def parse(theirs: HuggingFace) -> ModelConfig:
    width, name = theirs["n_embd"], str(theirs.get("afn", "gelu"))
    return ModelConfig.model_validate(
        {
            "layers": theirs["n_layer"],
            "width": width,
            "heads": theirs["n_head"],
            "context": theirs["n_positions"],
            "feed_forward": plain(ACTIVATIONS.get(name, name), 4 * width),
            "norm": {"kind": "layer", "eps": theirs["layer_norm_epsilon"], "place": "post"},
            "positions": {"kind": "learned"},
            "biases": True,
            "tied": theirs.get("tie_word_embeddings", True),
            "dropout": theirs.get("resid_pdrop", 0.1),
            "attention_dropout": theirs.get("attn_pdrop", 0.1),
            "init": {"kind": "normal", "std": theirs.get("initializer_range", 0.02)},
            "vocab_size": theirs["vocab_size"],
        }
    )


def config(config: ModelConfig) -> HuggingFace:
    return {
        "model_type": "openai-gpt",
        "architectures": ["OpenAIGPTLMHeadModel"],
        "vocab_size": config.vocabulary,
        "n_positions": config.context,
        "n_embd": config.width,
        "n_layer": config.layers,
        "n_head": config.heads,
        "afn": "gelu",
        "layer_norm_epsilon": config.norm.eps,
        "initializer_range": getattr(config.init, "std", 0.02),
        "embd_pdrop": config.dropout,
        "resid_pdrop": config.dropout,
        "attn_pdrop": config.weight_dropout,
        "tie_word_embeddings": config.tied,
    }


def tensors(config: ModelConfig) -> list[Stored]:
    found = [*stored("transformer.tokens_embed", "embedding.tokens"), *stored("transformer.positions_embed", "embedding.positions")]
    for layer in range(config.layers):
        found += block(config, f"transformer.h.{layer}", f"stack.blocks.{layer}", BLOCK, transposed=True)
    return [*found, *head(config, "lm_head")]


GPT1 = Family(
    "openai-gpt", ("openai-gpt",), "OpenAIGPTLMHeadModel", parse, config, tensors, ignored=("*.attn.bias",), prefix="transformer."
)
