"""What a recipe may say about keeping checkpoints: how long and in what manner, never what is computed (so it is in no fingerprint)."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt

from headwater.core.config import Config


class CheckpointConfig(Config):
    """How checkpoints are written and which stay; `checkpoint_every` says when."""

    keep: PositiveInt = Field(default=2, description="the newest so many")
    keep_every: PositiveInt | None = Field(default=None, description="and all whose step is a multiple of it")
    keep_best: bool = Field(default=False, description="and the one of the best validation")
    asynchronous: bool = Field(default=True, description="written by a thread while training goes on")
    time_limit: PositiveFloat | None = Field(
        default=None, description="seconds after which the run writes a checkpoint and ends, to go on later"
    )
