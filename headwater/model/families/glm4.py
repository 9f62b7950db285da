"""GLM-4 as Hugging Face keeps it (GLM Team 2024): RMSNorm, SwiGLU with gate and up in one tensor, few key heads, biases on queries,
half of each head's features turned, neighbours in pairs. The releases of 2025 (Glm4) have sandwich norms, those of 2024 (Glm) do not.
"""

from __future__ import annotations

from headwater.model.config import ModelConfig
from headwater.model.families.common import block, head, rope, stored
from headwater.model.families.family import Family, HuggingFace, Stored
from headwater.model.families.llama import alike, said

BLOCK: dict[str, str | tuple[str, ...]] = {
    "input_layernorm": "attention_norm",
    "self_attn.q_proj": "attention.query",
    "self_attn.k_proj": "attention.key",
    "self_attn.v_proj": "attention.value",
    "self_attn.o_proj": "attention.out",
    "post_attention_layernorm": "feed_forward_norm",
    "mlp.gate_up_proj": ("feed_forward.gate", "feed_forward.up"),
    "mlp.down_proj": "feed_forward.down",
}
SANDWICH: dict[str, str | tuple[str, ...]] = {
    "post_self_attn_layernorm": "attention_out_norm",
    "post_mlp_layernorm": "feed_forward_out_norm",
}


def parse(theirs: HuggingFace) -> ModelConfig:
    shared = alike(theirs)
    place = "sandwich" if theirs["model_type"] == "glm4" else "pre"
    return ModelConfig.model_validate(
        {
            **shared,
            "norm": {**shared["norm"], "place": place},
            "positions": {**rope(theirs, share=theirs.get("partial_rotary_factor", 0.5)), "pairs": "neighbours"},
            "biases": {"queries": theirs.get("attention_bias", True)},
        }
    )


def config_of(model_type: str, opens: str, config: ModelConfig) -> HuggingFace:
    shared = said(config, model_type, opens)
    share = config.positions.share if config.positions.kind == "rope" else 1.0
    shared["rope_parameters"]["partial_rotary_factor"] = share
    return {**shared, "partial_rotary_factor": share, "attention_bias": config.biases.queries}


def config_glm4(config: ModelConfig) -> HuggingFace:
    return config_of("glm4", "Glm4ForCausalLM", config)


def config_glm(config: ModelConfig) -> HuggingFace:
    return config_of("glm", "GlmForCausalLM", config)


def tensors(config: ModelConfig) -> list[Stored]:
    names = BLOCK | SANDWICH if config.norm.place == "sandwich" else BLOCK
    found = stored("model.embed_tokens", "embedding.tokens")
    for layer in range(config.layers):
        found += block(config, f"model.layers.{layer}", f"stack.blocks.{layer}", names)
    return found + stored("model.norm", "stack.norm") + head(config, "lm_head")


GLM4 = Family("glm4", ("glm4",), "Glm4ForCausalLM", parse, config_glm4, tensors)
GLM = Family("glm", ("glm",), "GlmForCausalLM", parse, config_glm, tensors)
