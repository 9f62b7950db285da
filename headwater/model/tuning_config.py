"""From which weights does a run start, and what of them learns? Nothing here loads torch.

In: sub-blocks of a recipe. Out: configs that model/transfer.py and model/adapters.py read.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from headwater.core.config import Config


class InitFrom(Config):
    """Transfer learning: weights of another model in place of drawn ones.

    `all`: every tensor, a head only where it is of the same kind; `body`: all but the head; `embedding`: the table of tokens alone
    (`model.embedding.width` then says its width, and a projection joins it to the model's, as in OPT-350M). Rows of tokens that both
    vocabularies spell alike are kept; a new token begins at the mean of all rows, with a little noise (Hewitt 2021).
    """

    model: str = Field(min_length=1, description="a model directory")
    parts: Literal["all", "body", "embedding"] = "all"


class LoRA(Config):
    """Low-rank adapters (Hu et al. 2022): the weights W stay, and W + alpha/rank · B A is what computes; only A and B learn.

    `base` says how the frozen matrices that they stand on are kept: as they are, in 8 bits a number (rows scaled by their largest), or
    in 4 (NF4 in blocks, Dettmers et al. 2023, section 3).
    """

    rank: PositiveInt = 8
    alpha: PositiveFloat = 16.0
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0, description="of what A reads")
    targets: Annotated[tuple[str, ...], Field(min_length=1)] = ("*.attention.query", "*.attention.value")
    learned: tuple[str, ...] = Field(default=(), description="globs of tensors that learn whole beside them: a new head, new tokens' table")
    base: Literal["as-is", "int8", "nf4"] = "as-is"
    block: PositiveInt = Field(default=64, description="numbers that share a scale in nf4")

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if self.block % 2:
            raise ValueError(f"a block of {self.block} numbers cannot be kept two to a byte; take an even one")
        return self
