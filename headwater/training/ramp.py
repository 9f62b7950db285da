"""How many rows does a step take, and how long are they, when batches or rows grow? Which rows of the reading order are they?

In: a batch size and a length of rows (numbers, ramps or stages), changes of them, a step of the data from 0. Out: `Sizes.rows`, the first
row that the step reads and how many; `Sizes.portion`, the same where rows are cut short. Both are functions of the step and the changes
alone, so that resuming stays arithmetic. `size_at` and `first_row` answer for one size that nobody changes.
"""

from __future__ import annotations

import bisect
import functools
from array import array
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, PositiveInt, Tag, model_validator

from headwater.core.config import Config
from headwater.core.errors import HeadwaterError

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


def largest(size: Size) -> int:
    """The most that a step ever takes."""
    return size if isinstance(size, int) else size.largest()


def smallest(size: Size) -> int:
    """The fewest that a step ever takes."""
    return size if isinstance(size, int) else size.start if isinstance(size, Ramp) else min(size.sizes)


def size_at(size: Size, step: int, row_tokens: int = 1) -> int:
    """Rows of step `step`; `row_tokens` are the tokens of a row, for sizes that grow by tokens."""
    return size if isinstance(size, int) else _alone(size, row_tokens).rows(step)[1]


def first_row(size: Size, step: int, row_tokens: int = 1) -> int:
    """Rows of all steps before `step`: where it begins to read."""
    return size * step if isinstance(size, int) else _alone(size, row_tokens).rows(step)[0]


@dataclass(frozen=True)
class Portion:
    """What a step reads: `rows` rows of at most `length` tokens each, from the `first`-th token of the reading order on."""

    first: int
    rows: int
    length: int


class Sizes:
    """`row_tokens` are the tokens of a whole row, which a shorter row is a piece of; a piece never reaches over the end of its row."""

    def __init__(self, size: Size, row_tokens: int, length: Size | None = None) -> None:
        self.row_tokens = row_tokens
        self._there: tuple[int, str] | None = None
        self._from = [0]
        self._held: list[tuple[Size, Size]] = [(size, row_tokens if length is None else length)]
        self._forget(0)

    def fit(self, rows: int, where: str) -> None:
        """Let no step ever take more rows than there are. Raises HeadwaterError where a batch would read the same row twice, now and
        when sizes are changed."""
        self._there = rows, where
        self._check(self.most())

    def change(self, place: int, size: Size, length: Size | None = None) -> None:
        """From step `place` on these sizes hold, growing by what was read since the run began; later changes are forgotten."""
        self._check(largest(size))
        keep = sum(begin < place for begin in self._from)
        self._from = [*self._from[:keep], place]
        self._held = [*self._held[:keep], (size, self.row_tokens if length is None else length)]
        self._forget(place)

    def rows(self, place: int) -> tuple[int, int]:
        """The first row that a step reads, counted from the run's first, and how many."""
        self._walk(place)
        return self._rows[place], self._rows[place + 1] - self._rows[place]

    def portion(self, place: int) -> Portion:
        self._walk(place)
        return Portion(self._tokens[place], self.rows(place)[1], self._lengths[place])

    def tokens_before(self, place: int) -> int:
        """Tokens of text that all steps before `place` have read."""
        self._walk(place)
        return self._tokens[place]

    def cuts(self) -> bool:
        """Whether rows are ever shorter than whole."""
        return any(length != self.row_tokens for _, length in self._held)

    def most(self) -> int:
        """The most rows that a step ever takes."""
        return max(largest(size) for size, _ in self._held)

    def _check(self, most: int) -> None:
        if self._there is not None and most > self._there[0]:
            rows, where = self._there
            raise HeadwaterError(
                f"a batch of {most:,} rows is larger than the data, which have {rows:,}", where=where,
                mend=f"say at most {rows}, or give more data",
            )  # fmt: skip

    def _forget(self, place: int) -> None:
        """What was walked beyond a step."""
        if place == 0:
            self._rows, self._tokens, self._lengths = array("q", [0]), array("q", [0]), array("q")
        elif place < len(self._rows):
            self._rows, self._tokens, self._lengths = self._rows[: place + 1], self._tokens[: place + 1], self._lengths[:place]

    def _walk(self, place: int) -> None:
        """Running sums as far as somebody asked."""
        while len(self._lengths) <= place:
            step = len(self._lengths)
            stretch = bisect.bisect_right(self._from, step)
            end = min([place + 1, *self._from[stretch : stretch + 1]])
            self._go_on(range(step, end), *self._held[stretch - 1])

    def _go_on(self, steps: range, size: Size, length: Size) -> None:
        rows, tokens = self._rows[-1], self._tokens[-1]
        for step in steps:
            count = size if isinstance(size, int) else size.after(_read_of(size, step, rows, tokens))
            long = length if isinstance(length, int) else length.after(_read_of(length, step, rows, tokens))
            rows += count
            tokens += self._read(tokens, count, long)
            self._lengths.append(long)
            self._rows.append(rows)
            self._tokens.append(tokens)

    def _read(self, first: int, count: int, length: int) -> int:
        """Tokens of `count` rows from the `first`-th on: whole ones, or pieces of which the last of its row may be shorter."""
        if length == self.row_tokens and first % length == 0:
            return count * length
        place = first
        for _ in range(count):
            place += min(length, self.row_tokens - place % self.row_tokens)
        return place - first


def _read_of(size: Ramp | Stages, steps: int, rows: int, tokens: int) -> int:
    return steps if size.unit == "steps" else rows if size.unit == "rows" else tokens


@functools.lru_cache(maxsize=32)
def _alone(size: Ramp | Stages, row_tokens: int) -> Sizes:
    return Sizes(size, row_tokens)
