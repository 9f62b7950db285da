"""A change of a run's settings at a step: planned in the recipe, or said while it runs (`headwater steer`)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from headwater.core.config import Config


class Change(Config):
    """From step `step` on (0 is the first) these settings hold; dotted keys of the stage's block: `{optimizer.lr: 3e-4}`."""

    step: int = Field(ge=0)
    set: dict[str, Any] = Field(min_length=1)
