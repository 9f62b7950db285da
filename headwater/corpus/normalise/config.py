"""What may a recipe say about the normal form of text?

    normalise: {width: letters, han: simplified}

Always: `\\n` for every newline, no control or zero-width characters, NFC, no trailing spaces, at most two blank lines on end.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headwater.core.config import Config


class Spelling(Config):
    """Words at one edit from a much more frequent one become that one."""

    words: str
    """A file of `word<tab>count` lines: the frequency list."""
    at_least: int = Field(default=1000, ge=1)
    """What a word is corrected to has at least this count."""

    def contents(self) -> dict[str, str]:
        from headwater.core.storage import hash_file

        return {self.words: hash_file(self.words)}


class Homographs(Config):
    """Words of one spelling and several senses are marked with the sense that the document's other words speak for."""

    senses: str
    """A file of `word<tab>sense<tab>cue words separated by spaces` lines."""

    def contents(self) -> dict[str, str]:
        from headwater.core.storage import hash_file

        return {self.senses: hash_file(self.senses)}


class Normalise(Config):
    """The normal form of text. Beyond what is always done, `repair` and `homoglyphs` only touch what is damaged."""

    repair: bool = True
    """Undo text decoded with the wrong encoding (`cafÃ©`), where it shows signs of that."""
    homoglyphs: bool = True
    """A Cyrillic or Greek letter inside a Latin word that looks like a Latin one becomes that one, and the other way round."""
    punctuation: Literal["keep", "straight"] = "keep"
    """`straight`: curly quotes, dashes and ellipses as ASCII, in lines without Chinese or Japanese (where they are proper)."""
    width: Literal["keep", "letters", "all"] = "keep"
    """Fullwidth forms as ASCII: `letters` (and digits: ＡＢＣ１２３) or `all` (also ，！（）, which are proper in Chinese)."""
    han: Literal["keep", "simplified", "traditional"] = "keep"
    """One script for all Chinese; asks for the extra `opencc`."""
    emoji: bool = False
    """Emoji as their Unicode names: `:grinning face:`."""
    spelling: Spelling | None = None
    """Harms a generative model: names, dialects and code are corrected away."""
    homographs: Homographs | None = None
    """Adds spans `homograph:<sense>`; the text stays as it is."""
    lower: bool = False
    """Small letters only. Harms a generative model: it will never write a capital."""
    stop_words: bool = False
    """Leave out English and Chinese function words. Harms a generative model: it will not learn grammar."""
