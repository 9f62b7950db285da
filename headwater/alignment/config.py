"""What a recipe may say about supervised fine-tuning."""

from __future__ import annotations

from typing import Self

from pydantic import Field, PositiveInt, model_validator

from headwater.core.config import Config
from headwater.corpus.read.config import Source
from headwater.generation.sampling import Sampling
from headwater.model.tuning_config import LoRA, contents_of
from headwater.tokens.template import TEMPLATE
from headwater.training.config import AdamW, Cosine, OptimizerConfig, ScheduleConfig, Training


class HeldOut(Config):
    """Dialogues kept from training, whole prompts at a time."""

    fraction: float = Field(default=0.05, gt=0, lt=1)


class SFT(Training):
    """Fine-tuning on dialogues (Ouyang et al. 2022), loss on the assistant's words only: of all weights, or adapters (Hu et al. 2022)."""

    base: str | None = Field(default=None, min_length=1, description="a model directory; else the recipe's own pretrained model")
    adapter: LoRA | None = Field(default=None, description="what learns in place of the weights; merged into them at the end")
    sources: tuple[Source, ...] = Field(min_length=1)
    template: str = TEMPLATE
    heldout: HeldOut = HeldOut()
    validation_dialogues: PositiveInt | None = Field(
        default=None, description="held-out dialogues looked at during training, evenly spaced; null: all"
    )
    optimizer: OptimizerConfig = AdamW(lr=3e-4)
    schedule: ScheduleConfig = Cosine(warmup=20)
    prompts: tuple[str, ...] = ("Hello!", "你好！")
    sampling: Sampling = Sampling(temperature=0.7, top_p=0.95, max_tokens=60)

    @model_validator(mode="after")
    def _frozen_once(self) -> Self:
        if self.adapter is not None and self.rates.frozen:
            raise ValueError("beside adapters all is frozen but what 'adapter.learned' names; leave 'rates.frozen' out")
        return self

    def contents(self) -> dict[str, str]:
        return super().contents() if self.base is None else {**super().contents(), **contents_of(self.base, "base")}
