"""What a recipe may say about pretraining."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from headwater.generation.sampling import Sampling
from headwater.model.config import ModelConfig
from headwater.training.config import Training


class Pretrain(Training):
    """Causal language modelling on the corpus's tokens."""

    model: ModelConfig
    across_documents: bool = Field(default=True, description="whether a token may see earlier documents of its window, as GPT-3's did")
    validation_documents: PositiveInt = Field(default=200, description="held-out documents scored during training, evenly spaced")
    prompts: tuple[str, ...] = ("",)
    sampling: Sampling = Sampling(temperature=0.8, top_p=0.95, max_tokens=100)
