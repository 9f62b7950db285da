"""How many rows does a step take, when batches grow? Which rows of the reading order are they?

In: a batch size (a number, a ramp or stages), a step from 0, and the tokens of a row where growth is measured in tokens. Out: `size_at`,
the rows of that step; `first_row`, the rows of all steps before it. Both are functions of the step alone, so that resuming stays
arithmetic. The same sizes can stand for the length of rows (`size_at` with `length: 128 → 512`).
"""

from __future__ import annotations

import functools
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, PositiveInt, Tag, model_validator

from headwater.core.config import Config

Unit = Literal["steps", "rows", "tokens"]


class Ramp(Config):
    """From `start` to `end` over so many steps, rows or tokens.

    GPT-3 (Brown et al. 2020 §B): `shape: linear, unit: tokens`, 32 k tokens to the full batch over the first 4–12 G tokens.
    BLOOM: 192 to 2,048 rows by `multiple: 16`.
    """

    kind: Literal["ramp"] = "ramp"
    start: PositiveInt
    end: PositiveInt
    over: PositiveInt
    unit: Unit = "steps"
    shape: Literal["linear", "doubling"] = Field(
        default="linear", description="doubling: equally long stretches, each twice the one before"
    )
    multiple: PositiveInt = Field(default=1, description="sizes on the way are rounded down to multiples of it, but never below the start")

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.end < self.start:
            raise ValueError(f"the ramp ends ({self.end:,}) below its start ({self.start:,})")
        if self.shape == "doubling" and self.end != self.start << self._doublings():
            raise ValueError(f"doubling {self.start:,} never gives {self.end:,}")
        return self

    def after(self, place: int) -> int:
        """The size after `place` steps, rows or tokens."""
        if place >= self.over:
            return self.end
        if self.shape == "doubling":
            return self.start << place * self._doublings() // self.over
        size = self.start + (self.end - self.start) * place // self.over
        return max(self.start, size // self.multiple * self.multiple)

    def largest(self) -> int:
        return self.end

    def _doublings(self) -> int:
        return (self.end // self.start).bit_length() - 1


class Stages(Config):
    """`sizes[0]`, from `at[0]` on `sizes[1]`, and so on: PaLM's 512, 1,024 and 2,048 rows from steps 0, 50 k and 115 k."""

    kind: Literal["stages"] = "stages"
    sizes: tuple[PositiveInt, ...] = Field(min_length=1)
    at: tuple[PositiveInt, ...]
    unit: Unit = "steps"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.at) != len(self.sizes) - 1:
            raise ValueError(f"{len(self.sizes)} sizes need {len(self.sizes) - 1} places between them, not {len(self.at)}")
        if any(later <= earlier for earlier, later in pairwise(self.at)):
            raise ValueError("the places must come one after the other")
        return self

    def after(self, place: int) -> int:
        """The size after `place` steps, rows or tokens."""
        return self.sizes[sum(place >= edge for edge in self.at)]

    def largest(self) -> int:
        return max(self.sizes)


def _kind(value: Any) -> str | None:
    if isinstance(value, dict):
        return value.get("kind")
    return value.kind if isinstance(value, Ramp | Stages) else "number"


Size = Annotated[
    Annotated[PositiveInt, Tag("number")] | Annotated[Ramp, Tag("ramp")] | Annotated[Stages, Tag("stages")], Discriminator(_kind)
]


def size_at(size: Size, step: int, row_tokens: int = 1) -> int:
    """Rows of step `step`; `row_tokens` are the tokens of a row, for sizes that grow by tokens."""
    return size if isinstance(size, int) else first_row(size, step + 1, row_tokens) - first_row(size, step, row_tokens)


def first_row(size: Size, step: int, row_tokens: int = 1) -> int:
    """Rows of all steps before `step`: where it begins to read."""
    return size * step if isinstance(size, int) else _walked(size, row_tokens).rows_before(step)


def largest(size: Size) -> int:
    """The most rows that a step ever takes."""
    return size if isinstance(size, int) else size.largest()


class _Walk:
    """Running sums of a growing size, as far as somebody asked."""

    def __init__(self, size: Ramp | Stages, row_tokens: int) -> None:
        self.size, self.row_tokens = size, row_tokens
        self.before = [0]

    def rows_before(self, step: int) -> int:
        while len(self.before) <= step:
            rows = self.before[-1]
            place = {"steps": len(self.before) - 1, "rows": rows, "tokens": rows * self.row_tokens}[self.size.unit]
            self.before.append(rows + self.size.after(place))
        return self.before[step]


@functools.lru_cache(maxsize=32)
def _walked(size: Ramp | Stages, row_tokens: int) -> _Walk:
    return _Walk(size, row_tokens)
