"""GPT-J (Wang and Komatsuzaki 2021) as Hugging Face keeps it.

Attention and feed-forward stand beside each other after one norm; RoPE turns neighbours, in the first features of each head only;
attention has no biases, the head has one.
"""

from __future__ import annotations

from headwater.model.config import ModelConfig
from headwater.model.families.common import block, head, inner_width, plain, plain_name, stored
from headwater.model.families.family import Family, HuggingFace, Stored
from headwater.model.parts import RoPE

BLOCK: dict[str, str | tuple[str, ...]] = {
    "ln_1": "attention_norm",
    "attn.q_proj": "attention.query",
    "attn.k_proj": "attention.key",
    "attn.v_proj": "attention.value",
    "attn.out_proj": "attention.out",
    "mlp.fc_in": "feed_forward.up",
    "mlp.fc_out": "feed_forward.down",
}


def parse(theirs: HuggingFace) -> ModelConfig:
    width, heads = theirs["n_embd"], theirs["n_head"]
    return ModelConfig.model_validate(
        {
            "layers": theirs["n_layer"],
            "width": width,
            "heads": heads,
            "context": theirs["n_positions"],
            "feed_forward": plain(theirs.get("activation_function", "gelu_new"), theirs.get("n_inner") or 4 * width),
            "norm": {"kind": "layer", "eps": theirs["layer_norm_epsilon"]},
            "block": "parallel",
            "positions": {"kind": "rope", "share": theirs["rotary_dim"] * heads / width, "pairs": "neighbours"},
            "biases": {"queries": False, "out": False, "feed_forward": True, "norms": True, "head": True},
            "tied": theirs.get("tie_word_embeddings", False),
            "dropout": theirs.get("resid_pdrop", 0.0),
            "attention_dropout": theirs.get("attn_pdrop", 0.0),
            "init": {"kind": "normal", "std": theirs.get("initializer_range", 0.02)},
            "vocab_size": theirs["vocab_size"],
        }
    )


def config(config: ModelConfig) -> HuggingFace:
    share = config.positions.share if isinstance(config.positions, RoPE) else 1.0
    return {
        "model_type": "gptj",
        "architectures": ["GPTJForCausalLM"],
        "vocab_size": config.vocabulary,
        "n_positions": config.context,
        "n_embd": config.width,
        "n_layer": config.layers,
        "n_head": config.heads,
        "n_inner": inner_width(config),
        "rotary_dim": round(config.head_features * share),
        "activation_function": plain_name(config),
        "layer_norm_epsilon": config.norm.eps,
        "initializer_range": getattr(config.init, "std", 0.02),
        "embd_pdrop": config.dropout,
        "resid_pdrop": config.dropout,
        "attn_pdrop": config.weight_dropout,
        "tie_word_embeddings": config.tied,
    }


def tensors(config: ModelConfig) -> list[Stored]:
    found = stored("transformer.wte", "embedding.tokens")
    for layer in range(config.layers):
        found += block(config, f"transformer.h.{layer}", f"stack.blocks.{layer}", BLOCK)
    return [*found, *stored("transformer.ln_f", "stack.norm", bias=True), *head(config, "lm_head")]


IGNORED = ("*.attn.bias", "*.attn.masked_bias", "*.attn.embed_positions")
GPTJ = Family("gptj", ("gptj",), "GPTJForCausalLM", parse, config, tensors, ignored=IGNORED, prefix="transformer.")
