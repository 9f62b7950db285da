"""Mistral (Jiang et al. 2023) as Hugging Face keeps it: Llama without biases, every layer seeing a window of the text."""

from __future__ import annotations

from headwater.model.config import ModelConfig
from headwater.model.families.common import block, window_of, windowed
from headwater.model.families.family import Family, HuggingFace, Stored
from headwater.model.families.llama import FEED_FORWARD, alike, blocks, said


def parse(theirs: HuggingFace) -> ModelConfig:
    pattern = windowed(theirs.get("sliding_window"), theirs["max_position_embeddings"])
    return ModelConfig.model_validate({**alike(theirs), "pattern": [pattern]})


def config(config: ModelConfig) -> HuggingFace:
    return {**said(config, "mistral", "MistralForCausalLM"), "sliding_window": window_of(config.pattern[0])}


def tensors(config: ModelConfig) -> list[Stored]:
    return blocks(config, lambda there, here, layer: block(config, there, here, FEED_FORWARD))


MISTRAL = Family("mistral", ("mistral",), "MistralForCausalLM", parse, config, tensors, prefix="model.")
