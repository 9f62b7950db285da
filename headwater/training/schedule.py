"""The learning rate as a pure function of the step, so that resuming cannot shift it."""

from __future__ import annotations

import math

from headwater.training.config import Cosine


def rate_at(schedule: Cosine, step: int, steps: int) -> float:
    """Share of the peak rate for step 0 … steps-1; it is never zero in warm-up and ends exactly at the floor."""
    if step < schedule.warmup:
        return (step + 1) / (schedule.warmup + 1)
    progress = (step - schedule.warmup) / max(1, steps - 1 - schedule.warmup)
    return schedule.floor + (1 - schedule.floor) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
