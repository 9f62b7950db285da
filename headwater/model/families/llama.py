"""Llama (Touvron et al. 2023) as Hugging Face keeps it: RMSNorm, RoPE in halves, SwiGLU, grouped queries, any head width."""

from __future__ import annotations

from typing import Any

from headwater.model.config import ModelConfig
from headwater.model.families.family import Family, Stored

BLOCK = {
    "attention_norm": "input_layernorm",
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.out": "self_attn.o_proj",
    "feed_forward_norm": "post_attention_layernorm",
    "feed_forward.gate": "mlp.gate_proj",
    "feed_forward.up": "mlp.up_proj",
    "feed_forward.down": "mlp.down_proj",
}


def mismatch(config: ModelConfig) -> str | None:
    if config.norm.kind != "rms":
        return "Llama has RMSNorm"
    if config.positions.kind != "rope":
        return "Llama has RoPE"
    if config.feed_forward.kind != "swiglu":
        return "Llama has SwiGLU"
    if config.width % config.heads:
        return "Llama's width is a multiple of its heads (transformers insists, also where head_dim is given)"
    return None


def config(config: ModelConfig) -> dict[str, Any]:
    assert config.positions.kind == "rope"
    return {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": config.vocabulary,
        "hidden_size": config.width,
        "intermediate_size": config.feed_forward_width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.key_heads,
        "head_dim": config.head_features,
        "max_position_embeddings": config.context,
        "hidden_act": "silu",
        "rms_norm_eps": config.norm.eps,
        # transformers 5 reads the first, older ones and most other tools the second.
        "rope_parameters": {"rope_type": "default", "rope_theta": config.positions.base},
        "rope_theta": config.positions.base,
        "attention_bias": config.biases,
        "mlp_bias": config.biases,
        "attention_dropout": config.dropout,
        "initializer_range": config.init.std,
        "tie_word_embeddings": config.tied,
    }


def tensors(config: ModelConfig) -> list[Stored]:
    found = [Stored("model.embed_tokens.weight", ("embedding.weight",))]
    for layer in range(config.layers):
        for ours, theirs in BLOCK.items():
            kinds = ("weight", "bias") if config.biases and not ours.endswith("norm") else ("weight",)
            found += [Stored(f"model.layers.{layer}.{theirs}.{kind}", (f"blocks.{layer}.{ours}.{kind}",)) for kind in kinds]
    found.append(Stored("model.norm.weight", ("norm.weight",)))
    if not config.tied:
        found.append(Stored("lm_head.weight", ("unembedding.weight",)))
    return found


LLAMA = Family("llama", mismatch, config, tensors)
