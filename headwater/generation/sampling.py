"""How is the next token chosen? In: logits of one step. Out: one token id a row; all arithmetic in fp64.

A token is chosen by one uniform number u in [0, 1): the first id, counted from 0, at which the summed probabilities of the kept
tokens exceed u. Who asks brings u, so that a row's choices depend on nothing but its own logits and its own numbers.
Legend: B rows, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from headwater.core.config import Config

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Logits = NDArray[np.float32] | NDArray[np.float64]


class Sampling(Config):
    """In this order: `repetition_penalty`, temperature, `top_k`, `top_p` of what is left, `min_p` of the likeliest that is left.

    Temperature 0 is greedy: the likeliest token after the penalty, lowest id first.
    """

    temperature: NonNegativeFloat = 1.0
    top_k: PositiveInt | None = None
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    min_p: Annotated[float, Field(gt=0.0, le=1.0)] | None = Field(
        default=None, description="what is less likely than this share of the likeliest token is cut (Nguyen et al. 2024)"
    )
    repetition_penalty: PositiveFloat = Field(default=1.0, description="above 1, tokens of the prompt and the answer become rarer")
    max_tokens: PositiveInt = 128

    def choose(self, logits_BV: Logits, uniform_B: Floats, seen: Sequence[Collection[int]] | None = None) -> list[int]:
        """One token id a row. `seen` are the tokens of each row so far, which only the penalty asks for."""
        if self.repetition_penalty != 1.0:
            assert seen is not None, "a repetition penalty needs to know what was said"
            logits_BV = penalised(logits_BV, seen, self.repetition_penalty)
        if self.temperature == 0:
            return [int(id) for id in logits_BV.argmax(axis=-1)]
        return [draw(self.probabilities(logits_V), float(u)) for logits_V, u in zip(logits_BV, uniform_B, strict=True)]

    def probabilities(self, logits_V: Logits) -> Floats:
        """What is drawn from: sums to 1, exactly 0 for what was cut. The penalty is no part of it."""
        import numpy as np

        assert self.temperature > 0, "greedy choice has no distribution"
        scaled_V = logits_V.astype(np.float64) / self.temperature
        weight_V: Floats = np.exp(scaled_V - scaled_V.max())
        if self.top_k is not None:
            weight_V = keep_largest(weight_V, self.top_k)
        if self.top_p is not None:
            weight_V = keep_largest(weight_V, nucleus(weight_V, self.top_p))
        if self.min_p is not None:
            weight_V = np.where(weight_V < self.min_p * weight_V.max(), 0.0, weight_V)
        probability_V: Floats = weight_V / weight_V.sum()
        return probability_V


def penalised(logits_BV: Logits, seen: Sequence[Collection[int]], penalty: float) -> Floats:
    """Logits of seen tokens divided by the penalty where positive, multiplied where negative, so that both sink.

    Keskar et al. 2019, section 4.1, divide whatever the sign, which would raise a negative logit; transformers does as here.
    """
    import numpy as np

    changed_BV = logits_BV.astype(np.float64)
    for logits_V, tokens in zip(changed_BV, seen, strict=True):
        ids = np.fromiter(set(tokens), dtype=np.int64)
        logits_V[ids] = np.where(logits_V[ids] > 0, logits_V[ids] / penalty, logits_V[ids] * penalty)
    return changed_BV


def nucleus(weight_V: Floats, mass: float) -> int:
    """How many of the largest weights it takes to hold this share of the whole (Holtzman et al. 2020, section 3.1)."""
    import numpy as np

    summed_V = np.sort(weight_V)[::-1].cumsum()
    return int(np.searchsorted(summed_V, mass * summed_V[-1])) + 1


def keep_largest(weight_V: Floats, count: int) -> Floats:
    """Exactly `count` weights stay, the others become 0; among equals the lowest ids stay."""
    import numpy as np

    if count >= len(weight_V):
        return weight_V
    smallest = np.partition(weight_V, -count)[-count]
    keep_V = weight_V > smallest
    keep_V[np.flatnonzero(weight_V == smallest)[: count - int(keep_V.sum())]] = True
    return np.where(keep_V, weight_V, 0.0)


def draw(probability_V: Floats, u: float) -> int:
    """The token at which the summed probabilities first exceed u."""
    import numpy as np

    ids = np.flatnonzero(probability_V)
    summed = probability_V[ids].cumsum()
    place = int(np.searchsorted(summed, u * summed[-1], side="right"))
    return int(ids[min(place, len(ids) - 1)])  # u just below 1 may round up to the whole
