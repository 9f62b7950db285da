"""What a recipe may say about releasing."""

from __future__ import annotations

from pydantic import Field, PositiveFloat

from headwater.core.config import Config


class Release(Config):
    """A directory that Hugging Face tools open, with the proof that it says the same as ours."""

    tolerance: PositiveFloat = Field(default=1e-4, description="largest difference of logits between ours and transformers'")
    license: str = Field(default="other", description="licence of the model, as the model card states it")
