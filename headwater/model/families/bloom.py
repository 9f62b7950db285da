"""BLOOM (Le Scao et al. 2022) as Hugging Face keeps it: ALiBi, a norm after the embedding, query, key and value head by head."""

from __future__ import annotations

from headwater.core.errors import HeadwaterError
from headwater.model.config import ModelConfig
from headwater.model.families.common import block, head, stored
from headwater.model.families.family import Family, HuggingFace, Stored

BLOCK: dict[str, str | tuple[str, ...]] = {
    "input_layernorm": "attention_norm",
    "self_attention.query_key_value": ("attention.query", "attention.key", "attention.value"),
    "self_attention.dense": "attention.out",
    "post_attention_layernorm": "feed_forward_norm",
    "mlp.dense_h_to_4h": "feed_forward.up",
    "mlp.dense_4h_to_h": "feed_forward.down",
}


def parse(theirs: HuggingFace) -> ModelConfig:
    if theirs.get("apply_residual_connection_post_layernorm"):
        raise HeadwaterError("adds its branches to the normed stream", where="config.json", mend="open another checkpoint of BLOOM")
    return ModelConfig.model_validate(
        {
            "layers": theirs["n_layer"] if "n_layer" in theirs else theirs["num_hidden_layers"],
            "width": (width := theirs.get("n_embed") or theirs["hidden_size"]),
            "heads": theirs["n_head"] if "n_head" in theirs else theirs["num_attention_heads"],
            "context": theirs.get("seq_length", 2048),  # what it was trained with; nothing in it ends there
            "feed_forward": {"kind": "gelu", "approximate": "tanh", "width": 4 * width},
            "norm": {"kind": "layer", "eps": theirs["layer_norm_epsilon"]},
            "positions": {"kind": "alibi"},
            "biases": True,
            "embedding": {"norm": True},
            "tied": theirs.get("tie_word_embeddings", True),
            "dropout": theirs.get("hidden_dropout", 0.0),
            "attention_dropout": theirs.get("attention_dropout", 0.0),
            "init": {"kind": "normal", "std": theirs.get("initializer_range", 0.02)},
            "vocab_size": theirs["vocab_size"],
        }
    )


def config(config: ModelConfig) -> HuggingFace:
    return {
        "model_type": "bloom",
        "architectures": ["BloomForCausalLM"],
        "vocab_size": config.vocabulary,
        "hidden_size": config.width,
        "n_layer": config.layers,
        "n_head": config.heads,
        "seq_length": config.context,
        "layer_norm_epsilon": config.norm.eps,
        "hidden_dropout": config.dropout,
        "attention_dropout": config.weight_dropout,
        "initializer_range": getattr(config.init, "std", 0.02),
        "tie_word_embeddings": config.tied,
    }


def tensors(config: ModelConfig) -> list[Stored]:
    found = stored("transformer.word_embeddings", "embedding.tokens")
    found += stored("transformer.word_embeddings_layernorm", "embedding.norm", bias=True)
    for layer in range(config.layers):
        found += block(config, f"transformer.h.{layer}", f"stack.blocks.{layer}", BLOCK, by_heads=True)
    return [*found, *stored("transformer.ln_f", "stack.norm", bias=True), *head(config, "lm_head")]


BLOOM = Family("bloom", ("bloom",), "BloomForCausalLM", parse, config, tensors, prefix="transformer.")
