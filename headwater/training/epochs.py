"""How many steps are so many epochs? Known when the data are: rows of an epoch, and how many of them each step takes.

In: a config that says `epochs`, the sizes of its batches, the rows of its data. Out: the config with `steps`, checked as if the recipe had
said them.
"""

from __future__ import annotations

import math
from typing import TypeVar

from headwater.core.config import validate
from headwater.training.change import composed
from headwater.training.config import Training
from headwater.training.ramp import Sizes

T = TypeVar("T", bound=Training)


def in_steps(config: T, sizes: Sizes, rows: int, where: str) -> T:
    """The fewest steps that read `rows` rows so many times; `sizes` are told of planned changes. Raises HeadwaterError when the schedule
    does not fit into them."""
    if config.epochs is None:
        return config
    for place, held in composed(config, config.changes):
        sizes.change(place, held.batch_size, held.row_length)
    wanted, steps = math.ceil(config.epochs * rows * sizes.row_tokens), 1
    while sizes.tokens_before(steps) < wanted:
        steps += 1
    return validate(type(config), {**config.model_dump(mode="json"), "epochs": None, "steps": steps}, where=where)
