"""GPT-2 (Radford et al. 2019) as Hugging Face keeps it: its linear layers lie transposed, query, key and value are one tensor."""

from __future__ import annotations

from typing import Any

from headwater.core.errors import HeadwaterError
from headwater.model.config import ModelConfig
from headwater.model.families.common import block, head, inner_width, plain, plain_name, stored
from headwater.model.families.family import Family, HuggingFace, Stored

BLOCK: dict[str, str | tuple[str, ...]] = {
    "ln_1": "attention_norm",
    "attn.c_attn": ("attention.query", "attention.key", "attention.value"),
    "attn.c_proj": "attention.out",
    "ln_2": "feed_forward_norm",
    "mlp.c_fc": "feed_forward.up",
    "mlp.c_proj": "feed_forward.down",
}


def alike(theirs: HuggingFace) -> dict[str, Any]:
    """What a config.json of GPT-2 and of GPT-1 say in the same words."""
    return {
        "layers": theirs["n_layer"],
        "width": theirs["n_embd"],
        "heads": theirs["n_head"],
        "context": theirs["n_positions"],
        "norm": {"kind": "layer", "eps": theirs["layer_norm_epsilon"]},
        "positions": {"kind": "learned"},
        "biases": True,
        "tied": theirs.get("tie_word_embeddings", True),
        "dropout": theirs.get("resid_pdrop", 0.1),
        "attention_dropout": theirs.get("attn_pdrop", 0.1),
        "init": {"kind": "normal", "std": theirs.get("initializer_range", 0.02)},
        "vocab_size": theirs["vocab_size"],
    }


def said(config: ModelConfig, model_type: str, opens: str) -> HuggingFace:
    return {
        "model_type": model_type,
        "architectures": [opens],
        "vocab_size": config.vocabulary,
        "n_positions": config.context,
        "n_embd": config.width,
        "n_layer": config.layers,
        "n_head": config.heads,
        "layer_norm_epsilon": config.norm.eps,
        "initializer_range": getattr(config.init, "std", 0.02),
        "embd_pdrop": config.dropout,
        "resid_pdrop": config.dropout,
        "attn_pdrop": config.weight_dropout,
        "tie_word_embeddings": config.tied,
    }


def parse(theirs: HuggingFace) -> ModelConfig:
    if theirs.get("scale_attn_by_inverse_layer_idx") or not theirs.get("scale_attn_weights", True):
        raise HeadwaterError("scales its attention layer by layer, which Headwater's network does not", where="config.json",
                             mend="open another checkpoint of GPT-2")  # fmt: skip
    fed = plain(theirs.get("activation_function", "gelu_new"), theirs.get("n_inner") or 4 * theirs["n_embd"])
    return ModelConfig.model_validate({**alike(theirs), "feed_forward": fed})


def config(config: ModelConfig) -> HuggingFace:
    # With ReLU it is OPT that says it.
    activation = plain_name(config) if config.feed_forward.kind == "gelu" else "gelu_new"
    return {**said(config, "gpt2", "GPT2LMHeadModel"), "n_inner": inner_width(config), "activation_function": activation}


def tensors(config: ModelConfig) -> list[Stored]:
    found = [*stored("transformer.wte", "embedding.tokens"), *stored("transformer.wpe", "embedding.positions")]
    for layer in range(config.layers):
        found += block(config, f"transformer.h.{layer}", f"stack.blocks.{layer}", BLOCK, transposed=True)
    return [*found, *stored("transformer.ln_f", "stack.norm", bias=True), *head(config, "lm_head")]


GPT2 = Family(
    "gpt2", ("gpt2",), "GPT2LMHeadModel", parse, config, tensors, ignored=("*.attn.bias", "*.attn.masked_bias"), prefix="transformer."
)
