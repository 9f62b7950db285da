"""GPT-NeoX (Black et al. 2022) and Pythia as Hugging Face keeps them: parallel branches after a norm each, a quarter of RoPE."""

from __future__ import annotations

from headwater.model.config import ModelConfig
from headwater.model.families.common import block, head, inner_width, plain, plain_name, rope, rope_said, stored
from headwater.model.families.family import Family, HuggingFace, Stored
from headwater.model.parts import RoPE

BLOCK: dict[str, str | tuple[str, ...]] = {
    "input_layernorm": "attention_norm",
    "attention.query_key_value": ("attention.query", "attention.key", "attention.value"),
    "attention.dense": "attention.out",
    "post_attention_layernorm": "feed_forward_norm",
    "mlp.dense_h_to_4h": "feed_forward.up",
    "mlp.dense_4h_to_h": "feed_forward.down",
}


def parse(theirs: HuggingFace) -> ModelConfig:
    bias = theirs.get("attention_bias", True)
    return ModelConfig.model_validate(
        {
            "layers": theirs["num_hidden_layers"],
            "width": theirs["hidden_size"],
            "heads": theirs["num_attention_heads"],
            "context": theirs["max_position_embeddings"],
            "feed_forward": plain(theirs.get("hidden_act", "gelu"), theirs["intermediate_size"]),
            "norm": {"kind": "layer", "eps": theirs["layer_norm_eps"]},
            "block": "parallel-two-norms" if theirs.get("use_parallel_residual", True) else "serial",
            "positions": rope(theirs, share=theirs.get("rotary_pct", 0.25), base=theirs.get("rotary_emb_base", 10_000.0)),
            "biases": {"queries": bias, "out": bias, "feed_forward": True, "norms": True},
            "tied": theirs.get("tie_word_embeddings", False),
            "dropout": theirs.get("hidden_dropout", 0.0),
            "attention_dropout": theirs.get("attention_dropout", 0.0),
            "init": {"kind": "normal", "std": theirs.get("initializer_range", 0.02)},
            "vocab_size": theirs["vocab_size"],
        }
    )


def config(config: ModelConfig) -> HuggingFace:
    said = rope_said(config)
    share = config.positions.share if isinstance(config.positions, RoPE) else 1.0
    said["rope_parameters"]["partial_rotary_factor"] = share
    return {
        "model_type": "gpt_neox",
        "architectures": ["GPTNeoXForCausalLM"],
        "vocab_size": config.vocabulary,
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": inner_width(config),
        "hidden_act": plain_name(config),
        "max_position_embeddings": config.context,
        "layer_norm_eps": config.norm.eps,
        "use_parallel_residual": config.block != "serial",
        **said,
        "rotary_pct": share,
        "rotary_emb_base": said["rope_theta"],
        "attention_bias": config.biases.queries,
        "hidden_dropout": config.dropout,
        "attention_dropout": config.weight_dropout,
        "initializer_range": getattr(config.init, "std", 0.02),
        "tie_word_embeddings": config.tied,
    }


def tensors(config: ModelConfig) -> list[Stored]:
    found = stored("gpt_neox.embed_in", "embedding.tokens")
    for layer in range(config.layers):
        found += block(config, f"gpt_neox.layers.{layer}", f"stack.blocks.{layer}", BLOCK, by_heads=True)
    return [*found, *stored("gpt_neox.final_layer_norm", "stack.norm", bias=True), *head(config, "embed_out")]


IGNORED = ("*.attention.bias", "*.attention.masked_bias", "*.rotary_emb.inv_freq")
NEOX = Family("gpt_neox", ("gpt_neox",), "GPTNeoXForCausalLM", parse, config, tensors, ignored=IGNORED, prefix="gpt_neox.")
