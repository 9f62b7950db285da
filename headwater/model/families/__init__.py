"""Which Hugging Face architecture is this network? The first family that can express its config; else our own layout."""

from __future__ import annotations

from headwater.model.config import ModelConfig
from headwater.model.families.family import Family
from headwater.model.families.gpt2 import GPT2
from headwater.model.families.llama import LLAMA
from headwater.model.families.native import NATIVE

FAMILIES = (LLAMA, GPT2, NATIVE)


def family_of(config: ModelConfig) -> Family:
    return next(family for family in FAMILIES if family.mismatch(config) is None)


def family_named(name: str) -> Family | None:
    return next((family for family in FAMILIES if family.name == name), None)
