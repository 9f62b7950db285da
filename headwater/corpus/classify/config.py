"""What may a recipe say about the quality model and the topics?

quality_model: {good: [books], raw: [web], model: {kind: logistic}, choose: {kind: pareto}}
topics: {sources: {physics: science, chess: games}}          or          topics: {seeds: {games: [chess, 象棋], …}}
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from headwater.core.config import Config, Since


class Features(Config):
    """What a classifier sees of a text: hashed n-grams of words, and of characters where there are no spaces between words."""

    words: int = Field(default=2, ge=1, le=3)
    """n-grams of words up to this length."""
    characters: int = Field(default=3, ge=1, le=5)
    """n-grams of Chinese, Japanese, Thai … characters up to this length."""
    bits: int = Field(default=18, ge=8, le=22)
    """n-grams are hashed into 2^bits buckets."""
    limit: int = Field(default=1000, ge=10)
    """Tokens (words, characters without spaces, signs) of a document that are looked at, from its beginning."""


class Logistic(Config):
    """Logistic regression on hashed n-grams (GPT-3's filter: Brown et al. 2020, appendix A), by L-BFGS to the optimum."""

    kind: Literal["logistic"] = "logistic"
    features: Features = Features()
    l2: float = Field(default=1e-5, gt=0)
    """Weight of the squared weights beside the mean loss."""
    iterations: int = Field(default=100, ge=1)


class FastText(Config):
    """Averaged embeddings of hashed n-grams and a softmax (Joulin et al. 2016), by SGD with a falling rate."""

    kind: Literal["fasttext"] = "fasttext"
    features: Features = Features()
    width: int = Field(default=16, ge=1, le=256)
    lr: float = Field(default=2.0, gt=0)
    epochs: int = Field(default=10, ge=1)


Model = Annotated[Logistic | FastText, Field(discriminator="kind")]


class Pareto(Config):
    """Keep where a draw from Pareto(alpha) exceeds 1 - score: mostly the good, and some of everything (Brown et al. 2020)."""

    kind: Literal["pareto"] = "pareto"
    alpha: float = Field(default=9.0, gt=0)


class Proportional(Config):
    """Keep with a probability in proportion to the score (PaLM: Chowdhery et al. 2022, section 3)."""

    kind: Literal["proportional"] = "proportional"
    share: float | None = Field(default=None, gt=0, le=1)
    """Share of the documents to be kept; null: the score is the probability."""


class Top(Config):
    """Keep the best."""

    kind: Literal["top"] = "top"
    share: float = Field(gt=0, le=1)


class Threshold(Config):
    """Keep from a score on."""

    kind: Literal["threshold"] = "threshold"
    min: float = Field(default=0.5, ge=0, le=1)


Choose = Annotated[Pareto | Proportional | Top | Threshold, Field(discriminator="kind")]


class QualityModel(Config):
    """A classifier of good against raw text, trained on sources of this recipe, and what is kept by its score."""

    good: list[str] = Field(min_length=1)
    """Names of sources that are as all text should be."""
    raw: list[str] = Field(min_length=1)
    """Names of sources that are as text comes."""
    judged: Annotated[list[str], Since("corpus")] = Field(default=[])
    """Sources that are chosen from; by default all but `good`."""
    model: Model = Logistic()
    choose: Annotated[Choose, Since("corpus")] = Pareto()
    examples: int = Field(default=10_000, ge=20)
    """Most documents of each kind to train on."""

    @model_validator(mode="after")
    def _apart(self) -> QualityModel:
        both = sorted(set(self.good) & set(self.raw))
        if both:
            raise ValueError(f"'{both[0]}' is both good and raw: name it once")
        return self

    def judges(self, source: str) -> bool:
        return source in self.judged if self.judged else source not in self.good


class Topics(Config):
    """A classifier of subjects, for a balanced mixture."""

    sources: dict[str, str] = Field(default={})
    """Source -> its topic."""
    seeds: dict[str, list[str]] = Field(default={})
    """Topic -> words that speak for it; documents with many of one topic's words are what is trained on."""
    model: Model = Logistic()
    examples: int = Field(default=5_000, ge=20)
    """Most documents of each topic to train on."""
    confidence: float = Field(default=0.0, ge=0, le=1)
    """Below this probability of the likeliest topic a document is of the topic `other`."""

    @field_validator("seeds")
    @classmethod
    def _words(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        empty = next((topic for topic, words in value.items() if not words or not all(word.strip() for word in words)), None)
        if empty is not None:
            raise ValueError(f"the topic '{empty}' has no words, or an empty one")
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Topics:
        if bool(self.sources) == bool(self.seeds):
            raise ValueError("topics are learned either from 'sources' or from 'seeds': give one of them")
        if len(self.labels) < 2:
            raise ValueError("one topic cannot be told from others: name two or more")
        return self

    @property
    def labels(self) -> list[str]:
        return sorted({*self.sources.values(), *self.seeds})
