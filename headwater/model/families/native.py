"""What no published family expresses is kept under our own names; Headwater alone opens it."""

from __future__ import annotations

from typing import Any

from headwater.model.config import ModelConfig
from headwater.model.families.family import Family, Stored


def mismatch(config: ModelConfig) -> str | None:
    return None


def config(config: ModelConfig) -> dict[str, Any]:
    return {"model_type": "headwater", "vocab_size": config.vocabulary, "tie_word_embeddings": config.tied}


def tensors(config: ModelConfig) -> list[Stored]:
    from headwater.model.init import shapes

    return [Stored(name, (name,)) for name in shapes(config)]


NATIVE = Family("headwater", mismatch, config, tensors)
