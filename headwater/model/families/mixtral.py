"""Mixtral (Jiang et al. 2024) as Hugging Face keeps it: Mistral with experts in every layer, each expert's matrices on their own."""

from __future__ import annotations

from headwater.model.config import ModelConfig
from headwater.model.families.common import window_of, windowed
from headwater.model.families.family import Family, HuggingFace, Stored
from headwater.model.families.llama import alike, blocks, said
from headwater.model.parts import MoE

EXPERT = {"w1": "gate", "w3": "up", "w2": "down"}


def parse(theirs: HuggingFace) -> ModelConfig:
    found = alike(theirs)
    experts = {
        "kind": "moe",
        "experts": theirs["num_local_experts"],
        "top_k": theirs["num_experts_per_tok"],
        "expert": found["feed_forward"],
        "balance_loss": theirs.get("router_aux_loss_coef", 0.001),
        "router_z_loss": 0.0,
    }
    pattern = windowed(theirs.get("sliding_window"), theirs["max_position_embeddings"])
    return ModelConfig.model_validate({**found, "feed_forward": experts, "pattern": [pattern]})


def config(config: ModelConfig) -> HuggingFace:
    part = config.feed_forward if isinstance(config.feed_forward, MoE) else MoE()
    return {
        **said(config, "mixtral", "MixtralForCausalLM"),
        "intermediate_size": part.expert.width_in(config.width),
        "sliding_window": window_of(config.pattern[0]),
        "num_local_experts": part.experts,
        "num_experts_per_tok": part.top_k,
        "router_aux_loss_coef": part.balance_loss,
    }


def tensors(config: ModelConfig) -> list[Stored]:
    return blocks(config, lambda there, here, layer: experts(config, f"{there}.block_sparse_moe", f"{here}.feed_forward", EXPERT))


def experts(config: ModelConfig, there: str, here: str, names: dict[str, str]) -> list[Stored]:
    """A router and its experts; `names` are those of one expert's matrices."""
    assert isinstance(config.feed_forward, MoE)
    found = [Stored(f"{there}.gate.weight", (f"{here}.router.weight",))]
    for expert in range(config.feed_forward.experts):
        found += [Stored(f"{there}.experts.{expert}.{name}.weight", (f"{here}.{ours}",), expert=expert) for name, ours in names.items()]
    return found


MIXTRAL = Family("mixtral", ("mixtral",), "MixtralForCausalLM", parse, config, tensors, prefix="model.")
