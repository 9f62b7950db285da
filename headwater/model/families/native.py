"""What no published family expresses is kept under our own names; Headwater alone opens it."""

from __future__ import annotations

from headwater.model.config import ModelConfig
from headwater.model.families.family import Family, HuggingFace, Stored


def parse(theirs: HuggingFace) -> ModelConfig:
    return ModelConfig.model_validate(theirs["headwater"])


def config(config: ModelConfig) -> HuggingFace:
    return {
        "model_type": "headwater",
        "vocab_size": config.vocabulary,
        "tie_word_embeddings": config.tied,
        "headwater": config.model_dump(mode="json"),
    }


def tensors(config: ModelConfig) -> list[Stored]:
    from headwater.model.init import kept_shapes

    return [Stored(name, (name,)) for name in kept_shapes(config)]


NATIVE = Family("headwater", ("headwater",), "", parse, config, tensors)
