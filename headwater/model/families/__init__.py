"""Which Hugging Face architecture is this network? The first family that can express its config; else our own layout."""

from __future__ import annotations

from headwater.model.config import ModelConfig
from headwater.model.families.bert import BERT
from headwater.model.families.bloom import BLOOM
from headwater.model.families.family import Family
from headwater.model.families.glm4 import GLM, GLM4
from headwater.model.families.gpt1 import GPT1
from headwater.model.families.gpt2 import GPT2
from headwater.model.families.gptj import GPTJ
from headwater.model.families.llama import LLAMA
from headwater.model.families.mistral import MISTRAL
from headwater.model.families.mixtral import MIXTRAL
from headwater.model.families.native import NATIVE
from headwater.model.families.neox import NEOX
from headwater.model.families.opt import OPT
from headwater.model.families.qwen2 import QWEN2
from headwater.model.families.qwen3 import QWEN3, QWEN3_MOE
from headwater.model.families.roberta import ROBERTA
from headwater.model.families.t5 import T5

FAMILIES = (LLAMA, GPT2, MISTRAL, MIXTRAL, QWEN2, QWEN3, QWEN3_MOE, GPT1, OPT, BLOOM, NEOX, GPTJ, GLM4, GLM, ROBERTA, BERT, T5, NATIVE)


def family_of(config: ModelConfig, pad: int | None = None) -> Family:
    """The first that can say it, and that pads with token `pad` where it is bound to one (RoBERTa counts its positions from there)."""
    able = (family for family in FAMILIES if family.mismatch(config) is None)
    return next(family for family in able if pad is None or family.config(config).get("pad_token_id", pad) == pad)


def family_named(name: str) -> Family | None:
    return next((family for family in FAMILIES if family.name == name), None)


def family_reading(model_type: str) -> Family | None:
    """The family whose config.json says this model_type."""
    return next((family for family in FAMILIES if model_type in family.types), None)
