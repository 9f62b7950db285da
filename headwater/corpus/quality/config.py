"""What may a recipe say about the quality of text?"""

from __future__ import annotations

from headwater.core.config import Config


class Bounds(Config):
    """A value below `min` or above `max` takes the document out; null on both sides: the rule is off."""

    min: float | None = None
    max: float | None = None


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
