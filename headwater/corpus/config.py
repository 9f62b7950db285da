"""What may a recipe say about its corpus? Config classes only: nothing heavy is imported here.

Each part has its classes in a config.py of its own (read, extract, normalise, language, quality, duplicates …); this file composes.
`Since` tells which of the three stages annotate, relate and corpus is the first to read a field: bounds of rules, for one, are read by
the last alone, so that a changed threshold reads no text again.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from headwater.core.config import Config, Since
from headwater.corpus.augment.config import Augment
from headwater.corpus.classify.config import QualityModel, Topics
from headwater.corpus.contamination.config import Contamination
from headwater.corpus.duplicates.config import Duplicates
from headwater.corpus.engine.config import Engine, LocalEngine
from headwater.corpus.extract.config import Extract
from headwater.corpus.language.config import Language
from headwater.corpus.licences.config import Licences
from headwater.corpus.mixture.config import Mixture, Subtract
from headwater.corpus.normalise.config import Normalise
from headwater.corpus.privacy.config import Privacy
from headwater.corpus.quality.config import Quality
from headwater.corpus.read.config import PackageSource, PathSource, Source
from headwater.corpus.statistics.config import WhichStatistics


class Holdout(Config):
    """What is kept from training, for validation: chosen by the document's id, never by the run's seed."""

    fraction: float = Field(default=0.05, gt=0, le=0.5)
    stratum: int = Field(default=10, ge=2)
    """A source's language with at least so many documents has some held out."""


class Corpus(Config):
    """The stages annotate, relate and corpus."""

    sources: list[Source] = Field(min_length=1)
    extract: Extract = Extract()
    normalise: Normalise = Normalise()
    language: Language = Language()
    quality: Quality = Quality()
    privacy: Privacy | None = None
    """`privacy: {}` finds personal data and puts tags in its place."""
    licences: Licences | None = None
    """Of code: `licences: {deny: [GPL-*]}`."""
    duplicates: Duplicates = Duplicates()
    contamination: Annotated[Contamination | None, Since("relate")] = None
    """Evaluation sets that must not be in the corpus."""
    quality_model: Annotated[QualityModel | None, Since("relate")] = None
    topics: Annotated[Topics | None, Since("relate")] = None
    keep: Annotated[str | None, Since("corpus")] = Field(default=None, min_length=1)
    """A condition on attributes and columns, in SQL, beside the rules: `length > 100 AND source != 'forum'`."""
    subtract: Annotated[list[Subtract], Since("corpus")] = Field(default=[])
    mixture: Annotated[Mixture | None, Since("corpus")] = None
    augment: Annotated[Augment | None, Since("corpus")] = None
    """Additional documents for training, made from others."""
    holdout: Annotated[Holdout, Since("corpus")] = Holdout()
    statistics: Annotated[WhichStatistics, Since("corpus")] = True
    """Count what the finished corpus is like, for the report; `{model: DIR}` has it read by a model as well."""
    proof: Annotated[bool, Since("corpus")] = True
    """Plant known duplicates, personal data, evaluation examples, licences, languages and wrongly decoded text among some documents of the
    finished corpus, send those through this recipe's steps, and report how much of each was found (a second; the corpus stays as it is)."""
    part_bytes: int = Field(default=32 << 20, ge=1000)
    """About so much input makes one part, the piece of work that a worker does at a time; no file of twice that size stays whole."""
    engine: Engine = LocalEngine()
    """Who does the work: `{kind: local, workers: 2}` or `{kind: ray, address: …}`."""

    @field_validator("sources")
    @classmethod
    def _names_differ(cls, sources: list[PathSource | PackageSource]) -> list[PathSource | PackageSource]:
        labels = [source.label for source in sources]
        twice = next((label for label in labels if labels.count(label) > 1), None)
        if twice is not None:
            raise ValueError(f"two sources are called '{twice}': give one of them a 'name:'")
        return sources
