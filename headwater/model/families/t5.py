"""T5 (Raffel et al. 2020) and T5 v1.1 (Shazeer 2020) as Hugging Face keeps them: encoder–decoder, RMSNorm, buckets of distances.

The first ties its head and multiplies logits by 1/sqrt(width); v1.1 does neither, and has a gate. A stack's table of buckets lies in
its block 0. Scores are not scaled.
"""

from __future__ import annotations

from typing import Any

from headwater.core.errors import HeadwaterError
from headwater.model.config import ModelConfig
from headwater.model.families.common import inner_width
from headwater.model.families.family import Family, HuggingFace, Stored
from headwater.model.parts import Buckets, Gated

ATTENTION = {"query": "q", "key": "k", "value": "v", "out": "o"}
# Their `feed_forward_proj` and our part; "gated-gelu" is the tanh form there.
PARTS: dict[str, dict[str, Any]] = {
    "relu": {"kind": "relu"},
    "relu2": {"kind": "relu2"},
    "gelu_new": {"kind": "gelu", "approximate": "tanh"},
    "gelu": {"kind": "gelu", "approximate": "none"},
    "gated-gelu": {"kind": "geglu", "approximate": "tanh"},
    "gated-silu": {"kind": "swiglu"},
    "gated-relu": {"kind": "reglu"},
}


def parse(theirs: HuggingFace) -> ModelConfig:
    name = theirs.get("feed_forward_proj", "relu")
    if name not in PARTS:
        raise HeadwaterError(f"has a feed-forward part '{name}'", where="config.json", mend=f"Headwater opens {', '.join(PARTS)}")
    # transformers 5 calls every T5 tied, and keeps beside it which of the two it is.
    tied = theirs.get("scale_decoder_outputs", theirs.get("tie_word_embeddings") is not False)
    return ModelConfig.model_validate(
        {
            "kind": "encoder-decoder",
            "layers": theirs.get("num_decoder_layers") or theirs["num_layers"],
            "encoder_layers": theirs["num_layers"],
            "width": theirs["d_model"],
            "heads": theirs["num_heads"],
            "head_width": theirs["d_kv"],
            "context": theirs.get("n_positions", 512),
            "attention_scale": 1.0,
            "feed_forward": {**PARTS[name], "width": theirs["d_ff"]},
            "norm": {"kind": "rms", "eps": theirs.get("layer_norm_epsilon", 1e-6)},
            "positions": {
                "kind": "t5",
                "buckets": theirs.get("relative_attention_num_buckets", 32),
                "max_distance": theirs.get("relative_attention_max_distance", 128),
            },
            "head": {"kind": "lm", "scale": "width" if tied else None},
            "tied": tied,
            "dropout": theirs.get("dropout_rate", 0.1),
            "feed_forward_dropout": theirs.get("dropout_rate", 0.1),
            "vocab_size": theirs["vocab_size"],
        }
    )


def config(config: ModelConfig) -> HuggingFace:
    buckets = config.positions if isinstance(config.positions, Buckets) else Buckets()
    gated = isinstance(config.feed_forward, Gated)
    name = _name(config)
    return {
        "model_type": "t5",
        "architectures": ["T5ForConditionalGeneration"],
        "is_encoder_decoder": True,
        "vocab_size": config.vocabulary,
        "d_model": config.width,
        "d_kv": config.head_features,
        "d_ff": inner_width(config),
        "num_layers": config.encoder_depth or config.layers,
        "num_decoder_layers": config.layers,
        "num_heads": config.heads,
        "n_positions": config.context,
        "relative_attention_num_buckets": buckets.buckets,
        "relative_attention_max_distance": buckets.max_distance,
        "dropout_rate": config.dropout,
        "layer_norm_epsilon": config.norm.eps,
        "feed_forward_proj": name,
        "is_gated_act": gated,
        "dense_act_fn": "gelu_new" if name == "gated-gelu" else name.removeprefix("gated-"),
        "tie_word_embeddings": config.tied,
    }


def _name(config: ModelConfig) -> str:
    """The part in their words; the nearest where they have none, which then does not come back the same."""
    part = config.feed_forward
    wanted = part.model_dump(include={"kind", "approximate"} if part.kind in ("gelu", "geglu") else {"kind"})
    nearest = "gated-gelu" if isinstance(part, Gated) else "relu"
    return next((name for name, said in PARTS.items() if said == wanted), nearest)


def tensors(config: ModelConfig) -> list[Stored]:
    found = [Stored("shared.weight", ("embedding.tokens.weight",))]
    for here, there, depth in (("encoder", "encoder", config.encoder_depth), ("stack", "decoder", config.layers)):
        table = f"{there}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        found.append(Stored(table, (f"{here}.bias.table.weight",)))
        for number in range(depth):
            names = _block(config, crosses=there == "decoder")
            found += [Stored(f"{there}.block.{number}.{name}.weight", (f"{here}.blocks.{number}.{ours}.weight",)) for ours, name in names]
        found.append(Stored(f"{there}.final_layer_norm.weight", (f"{here}.norm.weight",)))
    if not config.tied:
        found.append(Stored("lm_head.weight", ("output.weight",)))
    return found


def _block(config: ModelConfig, *, crosses: bool) -> list[tuple[str, str]]:
    """Our names and theirs inside a block, whose branches they number: attention, in a decoder cross-attention, feed-forward."""
    names = [("attention_norm", "layer.0.layer_norm")]
    names += [(f"attention.{ours}", f"layer.0.SelfAttention.{theirs}") for ours, theirs in ATTENTION.items()]
    if crosses:
        names.append(("cross_norm", "layer.1.layer_norm"))
        names += [(f"cross.{ours}", f"layer.1.EncDecAttention.{theirs}") for ours, theirs in ATTENTION.items()]
    last = "layer.2" if crosses else "layer.1"
    gated = isinstance(config.feed_forward, Gated)
    linears = {"gate": "wi_0", "up": "wi_1", "down": "wo"} if gated else {"up": "wi", "down": "wo"}
    names.append(("feed_forward_norm", f"{last}.layer_norm"))
    return names + [(f"feed_forward.{ours}", f"{last}.DenseReluDense.{theirs}") for ours, theirs in linears.items()]


# Copies of the shared table, and a table of buckets between the stacks that was never used.
T5 = Family(
    "t5",
    ("t5",),
    "T5ForConditionalGeneration",
    parse,
    config,
    tensors,
    ignored=("*.embed_tokens.weight", "lm_head.weight", "*.EncDecAttention.relative_attention_bias.weight"),
)
