"""What may a recipe say about its corpus? Config classes only: nothing heavy is imported here.

Each part has its classes in a config.py of its own (read, extract, normalise, language, quality, duplicates …); this file composes.
"""

from __future__ import annotations

from pydantic import Field, field_validator

from headwater.core.config import Config
from headwater.corpus.duplicates.config import Duplicates
from headwater.corpus.extract.config import Extract
from headwater.corpus.language.config import Language
from headwater.corpus.normalise.config import Normalise
from headwater.corpus.quality.config import Quality
from headwater.corpus.read.config import PackageSource, PathSource, Source


class Holdout(Config):
    """What is kept from training, for validation: chosen by the document's id, never by the run's seed."""

    fraction: float = Field(default=0.05, gt=0, le=0.5)
    stratum: int = Field(default=10, ge=2)
    """A source's language with at least so many documents has some held out."""


class Corpus(Config):
    """The corpus stage."""

    sources: list[Source] = Field(min_length=1)
    extract: Extract = Extract()
    normalise: Normalise = Normalise()
    language: Language = Language()
    quality: Quality = Quality()
    duplicates: Duplicates = Duplicates()
    holdout: Holdout = Holdout()

    @field_validator("sources")
    @classmethod
    def _names_differ(cls, sources: list[PathSource | PackageSource]) -> list[PathSource | PackageSource]:
        labels = [source.label for source in sources]
        twice = next((label for label in labels if labels.count(label) > 1), None)
        if twice is not None:
            raise ValueError(f"two sources are called '{twice}': give one of them a 'name:'")
        return sources
