"""What may a recipe say about augmentation? Nothing is augmented unless it is asked for.

augment:
  share: 0.2
  ways: [{kind: synonyms, dictionary: my/synonyms.tsv}, {kind: noise}, {kind: back_translate, command: [python, my/translate.py]}]
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from headwater.core.config import Config


class Synonyms(Config):
    """Words become others of the same meaning."""

    kind: Literal["synonyms"] = "synonyms"
    dictionary: str
    """A file of `word<tab>synonym<tab>synonym …` lines, in any language."""
    share: float = Field(default=0.1, gt=0, le=1)
    """Probability that a word of the dictionary is replaced."""

    def contents(self) -> dict[str, str]:
        from headwater.core.storage import hash_file

        return {self.dictionary: hash_file(self.dictionary)}


class Noise(Config):
    """Slips of the hand: a letter is left out, doubled, swapped with the next or struck beside its key."""

    kind: Literal["noise"] = "noise"
    share: float = Field(default=0.02, gt=0, le=1)
    """Probability of a slip at a letter."""
    slips: list[Literal["drop", "double", "swap", "keyboard"]] = Field(default=["drop", "double", "swap", "keyboard"], min_length=1)
    """`keyboard` is for Latin letters; at others one of the rest is drawn, or nothing if there is none."""


class BackTranslate(Config):
    """Into another language and back (Sennrich et al. 2016), by a program of the user's.

    It reads JSON lines `{"id", "text", "from", "to"}` and writes `{"id", "text"}` for each.
    """

    kind: Literal["back_translate"] = "back_translate"
    command: list[str] = Field(min_length=1)
    through: str = "fr"
    """The other language; documents in it go through English."""
    timeout: float = Field(default=3600, gt=0)
    """Seconds for one batch."""


class Paraphrase(Config):
    """In other words, by a program of the user's, which reads JSON lines `{"id", "text", "language"}` and writes `{"id", "text"}`."""

    kind: Literal["paraphrase"] = "paraphrase"
    command: list[str] = Field(min_length=1)
    timeout: float = Field(default=3600, gt=0)
    """Seconds for one batch."""


Way = Annotated[Synonyms | Noise | BackTranslate | Paraphrase, Field(discriminator="kind")]


class Augment(Config):
    """Additional documents `<id>~aug1`, made from those that were kept for training."""

    ways: list[Way] = Field(min_length=1)
    """Done one after another to each copy."""
    copies: int = Field(default=1, ge=1, le=100)
    share: float = Field(default=1.0, gt=0, le=1)
    """Share of the documents that are copied, by their ids."""
    sources: list[str] = Field(default=[])
    """Only documents of these; empty: of all."""
