"""Qwen2 and Qwen2.5 (Yang et al. 2024) as Hugging Face keeps them: Llama with biases on queries, keys and values."""

from __future__ import annotations

from headwater.model.config import ModelConfig
from headwater.model.families.common import block
from headwater.model.families.family import Family, HuggingFace, Stored
from headwater.model.families.llama import FEED_FORWARD, alike, blocks, said
from headwater.model.families.qwen3 import pattern, pattern_said


def parse(theirs: HuggingFace) -> ModelConfig:
    return ModelConfig.model_validate({**alike(theirs), "biases": {"queries": True}, "pattern": pattern(theirs)})


def config(config: ModelConfig) -> HuggingFace:
    return {**said(config, "qwen2", "Qwen2ForCausalLM"), **pattern_said(config)}


def tensors(config: ModelConfig) -> list[Stored]:
    return blocks(config, lambda there, here, layer: block(config, there, here, FEED_FORWARD))


QWEN2 = Family("qwen2", ("qwen2",), "Qwen2ForCausalLM", parse, config, tensors, prefix="model.")
