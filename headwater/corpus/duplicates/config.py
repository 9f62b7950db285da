"""What may a recipe say about duplicates?"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from headwater.core.config import Config, Since


class Near(Config):
    """Near duplicates: MinHash bands propose (Broder 1997), the true Jaccard similarity decides."""

    threshold: Annotated[float, Since("relate")] = Field(default=0.8, gt=0, le=1)
    """Jaccard similarity of the sets of shingles, from which two documents are the same."""
    unit: Literal["auto", "word", "character", "byte"] = "auto"
    """What a shingle is made of; `auto`: words, and single signs of scripts that put no spaces between words."""
    shingle: int = Field(default=5, ge=1, le=64)
    """Units of a shingle."""
    bands: int = Field(default=24, ge=1, le=256)
    rows: int = Field(default=6, ge=1, le=64)
    """A pair of similarity s is proposed with probability 1 - (1 - s**rows)**bands: 0.9993 at 0.8, 0.02 at 0.3."""


class Code(Config):
    """Source files (by their endings): those that the bands propose are the same by edit distance (PaLM, section 3)."""

    SINCE: ClassVar[str | None] = "relate"
    threshold: float = Field(default=0.85, gt=0, le=1)
    """1 - Levenshtein distance / length of the longer file, in characters, from which two files are the same."""
    longest: int = Field(default=200_000, ge=1)
    """Characters; files longer than that are compared by Jaccard similarity like any text (edit distance costs their product)."""


class Pieces(Config):
    """Lines or paragraphs that the corpus has already: all but the first are marked `repeated_line` or `repeated_paragraph`."""

    SINCE: ClassVar[str | None] = "relate"
    min_length: int = Field(default=60, ge=1)
    """Bytes of UTF-8, white space at the ends not counted: 60 letters or 20 汉字. What is shorter may repeat."""
    more_than: int = Field(default=1, ge=1)
    """Occurrences that are allowed; of pieces with more, all but the first are marked."""


class Substrings(Config):
    """Stretches of text that the corpus has already (ExactSubstr, Lee et al. 2022): all but the first are marked `repeated_substring`."""

    SINCE: ClassVar[str | None] = "relate"
    length: int = Field(default=200, ge=32)
    """Bytes of UTF-8 from which a stretch counts (200: about the 50 tokens of the paper in English, 67 汉字)."""
    action: Literal["cut", "drop"] = "cut"
    """Cut the marked stretches out, or drop the documents that have one."""


class Hashed(Config):
    """Rarer words, pairs of words and runs of characters, projected by random signs: finds what is put in another order or reworded
    in part, by the vocabulary that it shares, and not the same meaning in other words."""

    kind: Literal["hashed"] = "hashed"
    width: int = Field(default=256, ge=64, le=4096, multiple_of=64)
    """Numbers of a vector. An estimated cosine c has a standard error of (1 - c**2) / sqrt(width)."""


class Program(Config):
    """A program of the user's, such as a sentence-embedding model: reads JSON lines `{"id", "text"}`, writes `{"id", "vector": [...]}`."""

    kind: Literal["command"] = "command"
    command: list[str] = Field(min_length=1)
    timeout: float = Field(default=86_400, gt=0)
    """Seconds for a part of the corpus (`part_bytes` of input)."""

    def contents(self) -> dict[str, str]:
        """Of the files that the command names: with another program the vectors are others."""
        from pathlib import Path

        from headwater.core.storage import hash_file

        return {word: hash_file(word) for word in self.command if Path(word).is_file()}


class Semantic(Config):
    """Documents whose embeddings point the same way: random hyperplanes propose (Charikar 2002), the true cosine decides."""

    SINCE: ClassVar[str | None] = "relate"
    embedding: Annotated[Hashed | Program, Field(discriminator="kind")] = Hashed()
    threshold: float = Field(default=0.7, gt=0, le=1)
    """Cosine, from which two documents are the same; another model than `hashed` asks for another. At 0.7, `hashed` finds passages whose
    sentences are in another order and of which every tenth word is another; of 2,800 real passages no two unrelated ones exceed 0.55."""
    tables: int = Field(default=128, ge=1, le=1024)
    bits: int = Field(default=12, ge=1, le=32)
    """A pair of cosine c is proposed with probability 1 - (1 - p**bits)**tables, p = 1 - arccos(c) / pi: 0.98 at 0.7.
    Of N documents the bits that count are about log2(N / 8), if that is more: of a million, 0.60 at 0.7, 0.93 at 0.8, 0.99 at 0.85."""


class Duplicates(Config):
    """Documents, lines and stretches of text that say the same as others."""

    exact: Annotated[bool, Since("relate")] = True
    """Equal xxh3-128 of the text."""
    near: Near | None = Near()
    code: Code | None = None
    semantic: Annotated[Semantic | None, Since("relate")] = None
    """Of documents that are duplicates already, the first alone is compared."""
    prefer: Annotated[list[str], Since("corpus")] = Field(default=["longest"])
    """Which member of a group stays, the first difference decides: `longest`, `source` (in the recipe's order), or an attribute
    (the higher stays); finally the one with the least id."""
    drop: Annotated[bool, Since("corpus")] = True
    """Whether the others go. If not, they stay, and a group stands on one side of training and validation."""
    lines: Pieces | None = None
    paragraphs: Pieces | None = None
    substrings: Substrings | None = None

    @model_validator(mode="after")
    def _code_needs_candidates(self) -> Duplicates:
        if self.code is not None and self.near is None:
            raise ValueError("'code' compares what 'near' proposes: leave 'near' on")
        return self
