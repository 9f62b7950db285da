"""The learning rate as a pure function of the place in the run, so that resuming cannot shift it.

In: a schedule's config, the step 0 … steps−1, the steps of the run (for `unit: tokens` the index of the step's last token and the
tokens of the run, which its horizon stands for). Out: the share of the peak rate, in (0, 1], or 0 at the end of a fall to 0.
"""

from __future__ import annotations

import math

from headwater.training.schedule_config import (
    WSD,
    Constant,
    Cosine,
    InverseSqrt,
    Linear,
    Polynomial,
    ScheduleConfig,
    Step,
)


def rate_at(schedule: ScheduleConfig, step: int, steps: int) -> float:
    """Share of the peak rate; it is never zero in warm-up, and where it falls it is exactly at the floor at the last step."""
    if isinstance(schedule, InverseSqrt):
        return _inverse_sqrt(step + 1, schedule.warmup, schedule.timescale or max(1, schedule.warmup))
    if step < schedule.warmup:
        return (step + 1) / (schedule.warmup + 1)
    match schedule:
        case Constant():
            return 1.0
        case Step():
            return float(schedule.factor ** sum(step >= place for place in schedule.at))
        case WSD():
            last = (schedule.horizon or steps) - 1
            progress = _progress(step, last - schedule.fall, last)
            return schedule.floor + (1 - schedule.floor) * _fall(schedule.shape, progress)
    progress = _progress(step, schedule.warmup, (schedule.horizon or steps) - 1)
    match schedule:
        case Linear():
            left = 1 - progress
        case Cosine():
            left = 0.5 * (1 + math.cos(math.pi * progress))
        case Polynomial():
            left = (1 - progress) ** schedule.power
    return schedule.floor + (1 - schedule.floor) * left


def _progress(step: int, first: int, last: int) -> float:
    """0 until step `first`, 1 from step `last`."""
    return min(1.0, max(0, step - first) / max(1, last - first))


def _fall(shape: str, progress: float) -> float:
    if shape == "cosine":
        return 0.5 * (1 + math.cos(math.pi * progress))
    return 1 - (progress if shape == "linear" else math.sqrt(progress))


def _inverse_sqrt(count: int, warmup: int, timescale: int) -> float:
    """Vaswani et al. 2017, equation 3, over its peak; counts from 1 as they do."""
    rising = min(1.0, count / warmup) if warmup else 1.0
    return rising * math.sqrt(timescale / max(count, timescale))
