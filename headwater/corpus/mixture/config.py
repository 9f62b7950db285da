"""What may a recipe say about the mixture, and about what one source must not share with another?

mixture: {weights: {web: 60, books: 30, wiki: 10}, max_epochs: 4}
mixture: {temperature: 3.3, by: language}
mixture: {like: gpt3, map: {common_crawl: [web], webtext2: [links], books1: [novels], books2: [papers], wikipedia: [wiki]}}
subtract: [{of: web, minus: wiki, by: url}]
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt, field_validator, model_validator

from headwater.core.config import Config
from headwater.core.errors import nearest
from headwater.corpus.mixture.recipes import RECIPES, Name, epochs_of

Names = Annotated[
    list[Annotated[str, Field(min_length=1)]],
    Field(min_length=1),
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value, json_schema_input_type=str | list[str]),
]
"""One name or a list of them."""


class Size(Config):
    """How much text is wanted in all; one of the two."""

    bytes: PositiveInt | None = None
    documents: PositiveInt | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Size:
        if (self.bytes is None) == (self.documents is None):
            raise ValueError("a size is given in 'bytes' or in 'documents': keep one of them")
        return self


class Mixture(Config):
    """How much of each stratum (a source, language or topic) is written, and how often."""

    by: Literal["source", "language", "topic"] = "source"
    """What the weights are given for."""
    weights: dict[str, Annotated[float, Field(ge=0)]] | None = None
    """Shares of the strata, in any unit; each stratum needs one, and 0 leaves it out."""
    like: Name | None = None
    """Start from a published mixture: gpt3, pile, llama or palm."""
    map: dict[str, Names] | None = None
    """For `like`: which strata stand for each of its categories; within a category they share in proportion to their sizes."""
    temperature: Annotated[float, Field(ge=1)] = 1.0
    """Without weights: share proportional to size ** (1 / temperature); 1 leaves all as it is, 3.3 lifts what is rare (mT5, Xue 2021)."""
    max_epochs: PositiveFloat | dict[str, PositiveFloat] | Literal["like"] | None = None
    """No document more often than this, for all strata or by stratum (`like`: the published epochs); what a capped stratum cannot
    fill goes to the others by their weights. Four epochs are nearly as good as new text (Muennighoff et al. 2023)."""
    unit: Literal["bytes", "documents"] = "bytes"
    """What the shares are shares of."""
    size: Size | Literal["there", "whole", "once"] = "there"
    """How much in all: as much as is there; `whole`: the least that leaves out nothing; `once`: the most that repeats nothing."""

    @field_validator("max_epochs", mode="before")
    @classmethod
    def _a_cap_or_caps(cls, value: Any) -> Any:
        """One sentence for what pydantic would say of each member of the union."""
        caps = value.values() if isinstance(value, dict) else () if value is None or value == "like" else (value,)
        if any(isinstance(cap, bool) or not isinstance(cap, int | float) or not cap > 0 for cap in caps):
            raise ValueError("is a number above 0, such numbers by stratum, or 'like'")
        return value

    @field_validator("size", mode="before")
    @classmethod
    def _a_size(cls, value: Any) -> Any:
        if not isinstance(value, dict | Size) and value not in ("there", "whole", "once"):
            raise ValueError("is 'there', 'whole', 'once', {bytes: …} or {documents: …}")
        return value

    @model_validator(mode="after")
    def _one_way_to_weigh(self) -> Mixture:
        said = [name for name, given in (("weights", self.weights is not None), ("like", self.like is not None),
                                         ("temperature", self.temperature != 1)) if given]  # fmt: skip
        if len(said) > 1:
            raise ValueError(f"'{said[0]}' and '{said[1]}' both decide the shares: keep one of them")
        if self.weights is not None and not any(self.weights.values()):
            raise ValueError("all weights are 0, so that nothing would be left")
        if isinstance(self.size, Size) and (self.size.documents is None) != (self.unit == "bytes"):
            raise ValueError(f"'size' is in another unit than the shares: add 'unit: {'bytes' if self.size.bytes else 'documents'}'")
        return self

    @model_validator(mode="after")
    def _map_fits(self) -> Mixture:
        if self.like is None:
            if self.map is not None:
                raise ValueError("'map' is for 'like': name the published mixture as well")
            if self.max_epochs == "like":
                raise ValueError("'max_epochs: like' needs a 'like'")
            return self
        known = RECIPES[self.like]
        given = self.map or {}
        if unknown := [category for category in given if category not in known]:
            raise ValueError(f"'map' has '{unknown[0]}', which {self.like} has not; {nearest(unknown[0], known)}")
        if missing := [category for category in known if category not in given]:
            raise ValueError(f"'map' does not say what stands for {', '.join(missing)} of {self.like}")
        strata = [stratum for names in given.values() for stratum in names]
        if twice := next((stratum for stratum in strata if strata.count(stratum) > 1), None):
            raise ValueError(f"'map' has '{twice}' twice: a stratum stands for one category")
        if self.max_epochs == "like" and not epochs_of(self.like):
            raise ValueError(f"no epochs are published for {self.like}: give 'max_epochs' as a number")
        return self


class Subtract(Config):
    """One source minus what another has too: GPT-2's WebText without Wikipedia, Common Crawl without WebText."""

    of: Names
    """The sources that lose documents."""
    minus: Names
    """The sources that they must not overlap with; these keep all."""
    by: Literal["url", "domain", "exact", "near"] = "url"
    """Same page, same registered domain, same text, or same group of near duplicates."""

    @model_validator(mode="after")
    def _two_sides(self) -> Subtract:
        if both := [name for name in self.of if name in self.minus]:
            raise ValueError(f"'{both[0]}' cannot be taken from itself: it stands in 'of' and in 'minus'")
        return self
