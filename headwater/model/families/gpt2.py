"""GPT-2 (Radford et al. 2019) as Hugging Face keeps it: its linear layers lie transposed, query, key and value are one tensor."""

from __future__ import annotations

from typing import Any

from headwater.model.config import ModelConfig
from headwater.model.families.family import Family, Stored

NORMS = {"attention_norm": "ln_1", "feed_forward_norm": "ln_2"}
LINEARS = {
    "attn.c_attn": ("attention.query", "attention.key", "attention.value"),
    "attn.c_proj": ("attention.out",),
    "mlp.c_fc": ("feed_forward.up",),
    "mlp.c_proj": ("feed_forward.down",),
}


def mismatch(config: ModelConfig) -> str | None:
    if config.norm.kind != "layer":
        return "GPT-2 has LayerNorm"
    if config.positions.kind != "learned":
        return "GPT-2 has learned positions"
    if config.feed_forward.kind != "gelu":
        return "GPT-2 has GELU"
    if not config.biases:
        return "GPT-2 has biases"
    if config.key_heads != config.heads or config.heads * config.head_features != config.width:
        return "GPT-2 has as many key heads as heads, which share the width"
    return None


def config(config: ModelConfig) -> dict[str, Any]:
    assert config.feed_forward.kind == "gelu"
    return {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": config.vocabulary,
        "n_positions": config.context,
        "n_embd": config.width,
        "n_layer": config.layers,
        "n_head": config.heads,
        "n_inner": config.feed_forward_width,
        "activation_function": "gelu_new" if config.feed_forward.approximate == "tanh" else "gelu",
        "layer_norm_epsilon": config.norm.eps,
        "initializer_range": config.init.std,
        "embd_pdrop": config.dropout,
        "resid_pdrop": config.dropout,
        "attn_pdrop": config.dropout,
        "tie_word_embeddings": config.tied,
    }


def tensors(config: ModelConfig) -> list[Stored]:
    found = [Stored("transformer.wte.weight", ("embedding.weight",)), Stored("transformer.wpe.weight", ("positions.weight",))]
    for layer in range(config.layers):
        there, here = f"transformer.h.{layer}", f"blocks.{layer}"
        for ours, theirs in NORMS.items():
            found += [Stored(f"{there}.{theirs}.{kind}", (f"{here}.{ours}.{kind}",)) for kind in ("weight", "bias")]
        for theirs, parts in LINEARS.items():
            found.append(Stored(f"{there}.{theirs}.weight", tuple(f"{here}.{part}.weight" for part in parts), transposed=True))
            found.append(Stored(f"{there}.{theirs}.bias", tuple(f"{here}.{part}.bias" for part in parts)))
    found += [Stored(f"transformer.ln_f.{kind}", (f"norm.{kind}",)) for kind in ("weight", "bias")]
    if not config.tied:
        found.append(Stored("lm_head.weight", ("unembedding.weight",)))
    return found


GPT2 = Family("gpt2", mismatch, config, tensors)
