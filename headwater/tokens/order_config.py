"""What a recipe may say about the order in which a text is read; nothing here loads numpy."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from headwater.core.config import Config


class Shuffled(Config):
    """Every row once an epoch, in an order of each epoch's own: without replacement."""

    kind: Literal["shuffled"] = "shuffled"


class Drawn(Config):
    """Rows that begin at any token, each drawn anew: with replacement, as nanoGPT reads. After as many tokens as the text has, a share
    1/e of it was not read yet."""

    kind: Literal["drawn"] = "drawn"


class AsItStands(Config):
    """From the first document of the corpus to the last, and again: for a corpus that was put in order."""

    kind: Literal["as_it_stands"] = "as_it_stands"


class EasyFirst(Config):
    """A curriculum (Bengio et al. 2009): rows are drawn from the easiest share of the text, document by document, which grows until it is
    all of it; from there on it is `shuffled`.

    The share is √(t · (1 − first²) / over + first²) after t tokens: the square-root competence of Platanios et al. 2019.
    """

    kind: Literal["easy_first"] = "easy_first"
    by: Literal["length", "rarity"] = Field(
        default="length", description="what makes a document hard; rarity: mean −log p of its tokens by their frequency in the corpus"
    )
    first: float = Field(default=0.01, gt=0, le=1, description="share of the text that it begins with")
    over: PositiveInt = Field(description="tokens of text after which all are read")


class Share(Config):
    """How often each source is read, until so many tokens of text were read in all."""

    weights: dict[str, NonNegativeFloat] = Field(min_length=1, description="by a source's name; a source that is not named is not read")
    until: PositiveInt | None = Field(default=None, description="tokens of text; null: to the end of the run")

    @model_validator(mode="after")
    def _some_weight(self) -> Self:
        if not any(self.weights.values()):
            raise ValueError("every source has weight 0; give one of them more")
        return self


class Weighted(Config):
    """Sources by weights that may change over the run: within each source every row once before any is read again."""

    kind: Literal["weighted"] = "weighted"
    shares: tuple[Share, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_after_the_other(self) -> Self:
        *earlier, last = self.shares
        if last.until is not None:
            raise ValueError("the last shares go on to the end of the run; leave their 'until' out")
        edges = [share.until for share in earlier]
        if None in edges or any(after <= before for before, after in pairwise(edge for edge in edges if edge is not None)):
            raise ValueError("each shares but the last need an 'until', one after the other")
        return self


OrderConfig = Annotated[Shuffled | Drawn | AsItStands | EasyFirst | Weighted, Field(discriminator="kind")]
