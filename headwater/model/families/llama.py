"""Llama (Touvron et al. 2023) as Hugging Face keeps it: RMSNorm, RoPE in halves, a gate, grouped queries, any head width.

What Mistral, Mixtral and Qwen say in the same words is here, too: `alike` reads it, `said` writes it, `blocks` lists its tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headwater.model.config import ModelConfig
from headwater.model.families.common import block, gated, gated_name, head, inner_width, rope, rope_said, stored
from headwater.model.families.family import Family, HuggingFace, Stored

ATTENTION: dict[str, str | tuple[str, ...]] = {
    "input_layernorm": "attention_norm",
    "self_attn.q_proj": "attention.query",
    "self_attn.k_proj": "attention.key",
    "self_attn.v_proj": "attention.value",
    "self_attn.o_proj": "attention.out",
    "post_attention_layernorm": "feed_forward_norm",
}
FEED_FORWARD: dict[str, str | tuple[str, ...]] = {
    "mlp.gate_proj": "feed_forward.gate",
    "mlp.up_proj": "feed_forward.up",
    "mlp.down_proj": "feed_forward.down",
}


def alike(theirs: HuggingFace) -> dict[str, Any]:
    """What a config.json of Llama and its relatives says of our network."""
    return {
        "layers": theirs["num_hidden_layers"],
        "width": theirs["hidden_size"],
        "heads": theirs["num_attention_heads"],
        "kv_heads": theirs.get("num_key_value_heads"),
        "head_width": theirs.get("head_dim"),
        "context": theirs["max_position_embeddings"],
        "feed_forward": gated(theirs.get("hidden_act", "silu"), theirs["intermediate_size"]),
        "norm": {"kind": "rms", "eps": theirs["rms_norm_eps"]},
        "positions": rope(theirs),
        "tied": theirs.get("tie_word_embeddings", False),
        "dropout": 0.0,
        "attention_dropout": theirs.get("attention_dropout", 0.0),
        "init": {"kind": "normal", "std": theirs.get("initializer_range", 0.02)},
        "vocab_size": theirs["vocab_size"],
    }


def said(config: ModelConfig, model_type: str, opens: str) -> HuggingFace:
    return {
        "model_type": model_type,
        "architectures": [opens],
        "vocab_size": config.vocabulary,
        "hidden_size": config.width,
        "intermediate_size": inner_width(config),
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.key_heads,
        "head_dim": config.head_features,
        "max_position_embeddings": config.context,
        "hidden_act": gated_name(config),
        "rms_norm_eps": config.norm.eps,
        **rope_said(config),
        "attention_dropout": config.weight_dropout,
        "initializer_range": getattr(config.init, "std", 0.02),
        "tie_word_embeddings": config.tied,
    }


def blocks(config: ModelConfig, fed: Callable[[str, str, int], list[Stored]], more: dict[str, str] | None = None) -> list[Stored]:
    """All tensors; `fed(there, here, layer)` lists those of one feed-forward part, `more` are further ones of each block."""
    found = stored("model.embed_tokens", "embedding.tokens")
    for layer in range(config.layers):
        there, here = f"model.layers.{layer}", f"stack.blocks.{layer}"
        found += [*block(config, there, here, {**ATTENTION, **(more or {})}), *fed(there, here, layer)]
    return [*found, *stored("model.norm", "stack.norm"), *head(config, "lm_head")]


def parse(theirs: HuggingFace) -> ModelConfig:
    bias = theirs.get("attention_bias", False)
    biases = {"queries": bias, "out": bias, "feed_forward": theirs.get("mlp_bias", False)}
    return ModelConfig.model_validate({**alike(theirs), "biases": biases})


def config(config: ModelConfig) -> HuggingFace:
    biases = {"attention_bias": config.biases.queries, "mlp_bias": config.biases.feed_forward}
    return {**said(config, "llama", "LlamaForCausalLM"), **biases}


def tensors(config: ModelConfig) -> list[Stored]:
    return blocks(config, lambda there, here, layer: block(config, there, here, FEED_FORWARD))


LLAMA = Family("llama", ("llama",), "LlamaForCausalLM", parse, config, tensors, ignored=("*.rotary_emb.inv_freq",), prefix="model.")
