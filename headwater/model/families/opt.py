"""OPT (Zhang et al. 2022) and Galactica (Taylor et al. 2022) as Hugging Face keeps them.

Positions have two empty rows before the first. The 350M model has its norms after each branch, none at the end, and a table of
512 features projected to 1,024 and back.
"""

from __future__ import annotations

from headwater.core.errors import HeadwaterError
from headwater.model.config import ModelConfig
from headwater.model.families.common import block, head, inner_width, plain, plain_name, stored
from headwater.model.families.family import Family, HuggingFace, Stored

BLOCK: dict[str, str | tuple[str, ...]] = {
    "self_attn.q_proj": "attention.query",
    "self_attn.k_proj": "attention.key",
    "self_attn.v_proj": "attention.value",
    "self_attn.out_proj": "attention.out",
    "self_attn_layer_norm": "attention_norm",
    "fc1": "feed_forward.up",
    "fc2": "feed_forward.down",
    "final_layer_norm": "feed_forward_norm",
}


def parse(theirs: HuggingFace) -> ModelConfig:
    if not theirs.get("layer_norm_elementwise_affine", True):
        raise HeadwaterError("has norms without weights", where="config.json", mend="open another checkpoint of OPT")
    before, bias, width = theirs.get("do_layer_norm_before", True), theirs.get("enable_bias", True), theirs["hidden_size"]
    table = theirs.get("word_embed_proj_dim") or width
    final = before and not theirs.get("_remove_final_layer_norm", False)
    return ModelConfig.model_validate(
        {
            "layers": theirs["num_hidden_layers"],
            "width": width,
            "heads": theirs["num_attention_heads"],
            "context": theirs["max_position_embeddings"],
            "feed_forward": plain(theirs.get("activation_function", "relu"), theirs["ffn_dim"]),
            "norm": {"kind": "layer", "eps": 1e-5, "place": "pre" if before else "post", "final": final},
            "positions": {"kind": "learned"},
            "biases": {"queries": bias, "out": bias, "feed_forward": bias, "norms": True},
            "embedding": {"width": table if table != width else None},
            "tied": theirs.get("tie_word_embeddings", True),
            "dropout": theirs.get("dropout", 0.1),
            "attention_dropout": theirs.get("attention_dropout", 0.0),
            "init": {"kind": "normal", "std": theirs.get("init_std", 0.02)},
            "vocab_size": theirs["vocab_size"],
        }
    )


def config(config: ModelConfig) -> HuggingFace:
    before = config.norm.place == "pre"
    return {
        "model_type": "opt",
        "architectures": ["OPTForCausalLM"],
        "vocab_size": config.vocabulary,
        "hidden_size": config.width,
        "word_embed_proj_dim": config.table_width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "ffn_dim": inner_width(config),
        "max_position_embeddings": config.context,
        "activation_function": plain_name(config),
        "do_layer_norm_before": before,
        "_remove_final_layer_norm": before and not config.norm.ends,
        "enable_bias": config.biases.queries,
        "dropout": config.dropout,
        "attention_dropout": config.weight_dropout,
        "init_std": getattr(config.init, "std", 0.02),
        "tie_word_embeddings": config.tied,
    }


def tensors(config: ModelConfig) -> list[Stored]:
    there = "model.decoder"
    found = stored(f"{there}.embed_tokens", "embedding.tokens")
    found.append(Stored(f"{there}.embed_positions.weight", ("embedding.positions.weight",), rows_before=2))
    if config.table_width != config.width:
        found += [*stored(f"{there}.project_in", "embedding.rise"), *stored(f"{there}.project_out", "output.fall")]
    for layer in range(config.layers):
        found += block(config, f"{there}.layers.{layer}", f"stack.blocks.{layer}", BLOCK)
    if config.norm.ends:
        found += stored(f"{there}.final_layer_norm", "stack.norm", bias=True)
    return [*found, *head(config, "lm_head")]


OPT = Family("opt", ("opt",), "OPTForCausalLM", parse, config, tensors, prefix="model.")
