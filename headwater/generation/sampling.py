"""How is the next token chosen? In: logits of one step. Out: one token id a row; all arithmetic in fp64.

A token is chosen by one uniform number u in [0, 1): the first id, counted from 0, at which the summed probabilities of the kept
tokens exceed u. Who asks brings u, so that a row's choices depend on nothing but its own logits and its own numbers.
Legend: B rows, V vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, NonNegativeFloat, PositiveInt

from headwater.core.config import Config

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Sampling(Config):
    """Temperature first, then `top_k`, then `top_p` of what is left. Temperature 0 is greedy: the likeliest token, lowest id first."""

    temperature: NonNegativeFloat = 1.0
    top_k: PositiveInt | None = None
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    max_tokens: PositiveInt = 128

    def choose(self, logits_BV: Floats, uniform_B: Floats) -> list[int]:
        """One token id a row."""
        if self.temperature == 0:
            return [int(id) for id in logits_BV.argmax(axis=-1)]
        return [draw(self.probabilities(logits_V), float(u)) for logits_V, u in zip(logits_BV, uniform_B, strict=True)]

    def probabilities(self, logits_V: Floats) -> Floats:
        """What is drawn from: sums to 1, exactly 0 for what was cut."""
        import numpy as np

        assert self.temperature > 0, "greedy choice has no distribution"
        scaled_V = logits_V.astype(np.float64) / self.temperature
        weight_V: Floats = np.exp(scaled_V - scaled_V.max())
        if self.top_k is not None:
            weight_V = keep_largest(weight_V, self.top_k)
        if self.top_p is not None:
            weight_V = keep_largest(weight_V, nucleus(weight_V, self.top_p))
        probability_V: Floats = weight_V / weight_V.sum()
        return probability_V


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
