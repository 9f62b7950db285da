"""Qwen3 (Yang et al. 2025) as Hugging Face keeps it: Llama with normed queries and keys; dense, or with experts."""

from __future__ import annotations

from typing import Any

from headwater.core.errors import HeadwaterError
from headwater.model.config import ModelConfig
from headwater.model.families.common import block, layer_patterns, sees_all, window_of, windowed
from headwater.model.families.family import Family, HuggingFace, Stored
from headwater.model.families.llama import FEED_FORWARD, alike, blocks, said
from headwater.model.families.mixtral import experts
from headwater.model.parts import MoE

NORMS = {"self_attn.q_norm": "attention.query_norm", "self_attn.k_norm": "attention.key_norm"}
EXPERT = {"gate_proj": "gate", "up_proj": "up", "down_proj": "down"}


def _attends(theirs: HuggingFace) -> dict[str, Any]:
    """What both kinds say alike."""
    bias = theirs.get("attention_bias", False)
    return {**alike(theirs), "head_width": theirs.get("head_dim", 128), "qk_norm": True, "biases": {"queries": bias, "out": bias}}


def pattern(theirs: HuggingFace) -> list[dict[str, Any]]:
    """What each layer sees: the text, or from some layer on a window of it."""
    layers, context = theirs["num_hidden_layers"], theirs["max_position_embeddings"]
    size = theirs.get("sliding_window") if theirs.get("use_sliding_window") else None
    first = theirs.get("max_window_layers", 28)
    kinds = theirs.get("layer_types") or ["sliding_attention" if layer >= first else "full_attention" for layer in range(layers)]
    return [windowed(size if kind == "sliding_attention" else None, context) for kind in kinds]


def pattern_said(config: ModelConfig) -> HuggingFace:
    seen = layer_patterns(config)
    size = next((window_of(part) for part in seen if not sees_all(part)), None)
    return {
        "use_sliding_window": size is not None,
        "sliding_window": size,
        "max_window_layers": config.layers,
        "layer_types": ["full_attention" if sees_all(part) else "sliding_attention" for part in seen],
    }


def parse(theirs: HuggingFace) -> ModelConfig:
    return ModelConfig.model_validate({**_attends(theirs), "pattern": pattern(theirs)})


def config(config: ModelConfig) -> HuggingFace:
    return {**said(config, "qwen3", "Qwen3ForCausalLM"), "attention_bias": config.biases.queries, **pattern_said(config)}


def tensors(config: ModelConfig) -> list[Stored]:
    return blocks(config, lambda there, here, layer: block(config, there, here, FEED_FORWARD), NORMS)


def parse_experts(theirs: HuggingFace) -> ModelConfig:
    if theirs.get("use_sliding_window"):
        raise HeadwaterError("has windows beside its experts", where="config.json", mend="open one without use_sliding_window")
    found, dense = _attends(theirs), theirs.get("mlp_only_layers") or []
    if dense != list(range(len(dense))):
        raise HeadwaterError(f"has its dense layers at {dense}", where="config.json", mend="Headwater knows them at the beginning only")
    kind = {key: value for key, value in found["feed_forward"].items() if key != "width"}
    part = {
        "kind": "moe",
        "experts": theirs.get("num_experts") or theirs["num_local_experts"],
        "top_k": theirs["num_experts_per_tok"],
        "expert": {**kind, "width": theirs["moe_intermediate_size"]},
        "dense": found["feed_forward"],
        "every": theirs.get("decoder_sparse_step", 1),
        "first_dense": len(dense),
        "renormalise": theirs.get("norm_topk_prob", False),
        "balance_loss": theirs.get("router_aux_loss_coef", 0.001),
        "router_z_loss": 0.0,
    }
    return ModelConfig.model_validate({**found, "feed_forward": part})


def config_experts(config: ModelConfig) -> HuggingFace:
    part = config.feed_forward if isinstance(config.feed_forward, MoE) else MoE()
    return {
        **said(config, "qwen3_moe", "Qwen3MoeForCausalLM"),
        "attention_bias": config.biases.queries,
        "moe_intermediate_size": part.expert.width_in(config.width),
        "num_experts": part.experts,
        "num_experts_per_tok": part.top_k,
        "norm_topk_prob": part.renormalise,
        "decoder_sparse_step": part.every,
        "mlp_only_layers": list(range(part.first_dense)),
        "router_aux_loss_coef": part.balance_loss,
    }


def tensors_experts(config: ModelConfig) -> list[Stored]:
    part = config.feed_forward
    assert isinstance(part, MoE)

    def fed(there: str, here: str, layer: int) -> list[Stored]:
        if not part.in_layer(layer):
            return block(config, there, here, FEED_FORWARD)
        return experts(config, f"{there}.mlp", f"{here}.feed_forward", EXPERT)

    return blocks(config, fed, NORMS)


QWEN3 = Family("qwen3", ("qwen3",), "Qwen3ForCausalLM", parse, config, tensors, prefix="model.")
QWEN3_MOE = Family("qwen3_moe", ("qwen3_moe",), "Qwen3MoeForCausalLM", parse_experts, config_experts, tensors_experts, prefix="model.")
