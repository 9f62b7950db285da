"""What may a recipe say about the quality of text?

    quality: {rules: [headwater]}                                          # the default: ten rules that keep verse and dialogue
    quality: {rules: [gopher, c4, fineweb, refinedweb], gopher: {length: {words: {min: 30}}}}

Every set of rules has thresholds of its own for text in words and for text in characters (Chinese, Japanese, Thai …). Those for
words are as published; those for characters are the same in Chinese terms (a word is about 1.6 characters), and wider where real
Chinese prose, verse and classics asked for it.
A key that is given changes only itself; `null` switches that side of a bound off.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from headwater.core.config import Config


class Bounds(Config):
    """A value below `min` or above `max` takes the document out; null on both sides: the rule is off."""

    SINCE: ClassVar[str | None] = "corpus"
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


class Limits(Config):
    """The bounds of one rule for text in words and for text in characters."""

    SINCE: ClassVar[str | None] = "corpus"
    words: Bounds = Bounds()
    characters: Bounds = Bounds()


def _most(words: float, characters: float | None = None) -> Limits:
    return Limits(words=Bounds(max=words), characters=Bounds(max=words if characters is None else characters))


def _least(words: float, characters: float) -> Limits:
    return Limits(words=Bounds(min=words), characters=Bounds(min=characters))


def _between(words: tuple[float, float], characters: tuple[float, float]) -> Limits:
    return Limits(words=Bounds(min=words[0], max=words[1]), characters=Bounds(min=characters[0], max=characters[1]))


class Gopher(Config):
    """Rae et al. 2021, appendix A1.1 and table A1. A word of text is about 1.6 characters of Chinese: so are the n-grams scaled."""

    length: Limits = _between((50, 100_000), (75, 160_000))
    """Words (characters) that are more than punctuation."""
    word_length: Limits = _between((3, 10), (2.5, 60))
    """Mean characters of those words; in characters, mean letters between punctuation."""
    hashes: Limits = _most(0.1, 0.06)
    """`#` a word (a character)."""
    ellipses: Limits = _most(0.1, 0.06)
    """`...` and `…` a word (a character; `……` is one mark)."""
    bullets: Limits = _most(0.9)
    """Share of lines that begin with `•` or `-`."""
    ellipsis_lines: Limits = _most(0.3)
    """Share of lines that end with an ellipsis."""
    letters: Limits = _least(0.8, 0.6)
    """Share of words with a letter; of characters that are letters."""
    stop_words: Limits = _least(2, 2)
    """Different words of the, be, to, of, and, that, have, with; different ones of the most frequent characters of the script."""
    duplicate_paragraphs: Limits = _most(0.3)
    """Share of paragraphs that stood before."""
    duplicate_paragraph_characters: Limits = _most(0.2)
    duplicate_lines: Limits = _most(0.3)
    """Share of lines that stood before. (In words an empty line at either end counts, as in datatrove; in characters no blank line.)"""
    duplicate_line_characters: Limits = _most(0.2)
    top_2_gram: Limits = _most(0.2)
    """Share of characters in the most frequent pair of words (3 characters)."""
    top_3_gram: Limits = _most(0.18)
    """… 3-gram of words (5 characters)."""
    top_4_gram: Limits = _most(0.16)
    """… 4-gram of words (6 characters)."""
    repeated_5_gram: Limits = _most(0.15, 0.30)
    """Share of characters in 5-grams of words (8 characters) that stood before. (The refrains of 诗经 reach 0.3: so do the bounds.)"""
    repeated_6_gram: Limits = _most(0.14, 0.20)
    """… 6-grams of words (10 characters)."""
    repeated_7_gram: Limits = _most(0.13, 0.17)
    """… 7-grams of words (11 characters)."""
    repeated_8_gram: Limits = _most(0.12, 0.16)
    """… 8-grams of words (13 characters)."""
    repeated_9_gram: Limits = _most(0.11, 0.15)
    """… 9-grams of words (14 characters)."""
    repeated_10_gram: Limits = _most(0.10, 0.12)
    """… 10-grams of words (16 characters)."""


class C4Lines(Config):
    """Which lines C4 cuts (Raffel et al. 2020, section 2.2, and the code published with it)."""

    punctuation: bool = True
    """Lines that end with no mark that ends a sentence, or with an ellipsis. (In characters `……` does end a sentence.)"""
    words: int = Field(default=3, ge=0)
    """Lines of fewer words."""
    characters: int = Field(default=5, ge=0)
    """Lines of fewer characters, in text without spaces."""
    longest: int = Field(default=1000, ge=1)
    """Lines with a longer stretch of characters without white space (in characters: without punctuation)."""
    phrases: bool = True
    """Lines that speak of JavaScript, cookies, or terms of use."""


class C4(Config):
    """Raffel et al. 2020, section 2.2: cuts lines, then judges what is left."""

    lines: C4Lines = C4Lines()
    placeholders: Limits = _most(0)
    """`lorem ipsum` and the like."""
    curly_brackets: Limits = _most(0)
    """`{`: in prose none, in code many."""
    sentences: Limits = _least(5, 3)
    """Sentences in the lines that stay (Chinese ones are longer: 40 characters to the English 20 words, and poems have few)."""
    removed: Limits = Limits()
    """Share of words (characters) in lines that are cut; C4 has no such rule."""


class FineWeb(Config):
    """Penedo et al. 2024, section 3.6: the rules that FineWeb adds to Gopher's and C4's."""

    short: tuple[int, int] = (30, 5)
    """A short line has at most so many characters: in text with spaces, in text without (so that a line of verse is none)."""
    punctuated_lines: Limits = _least(0.12, 0.12)
    """Share of lines that end with a mark that ends a sentence (in characters quotes, brackets and ellipses may follow)."""
    short_lines: Limits = _most(0.67)
    """Share of short lines."""
    duplicate_line_characters: Limits = _most(0.01)
    """Share of characters in lines that stood before."""
    newlines: Limits = _most(0.3, 0.19)
    """Newlines a word (a character)."""


class RefinedWebLines(Config):
    """Which lines RefinedWeb cuts (Penedo et al. 2023, appendix G.2; it gives no number for `uppercase`)."""

    uppercase: float | None = Field(default=0.6, ge=0, le=1)
    """Lines with a larger share of capitals among their characters (white space aside)."""
    numeric: bool = True
    """Lines of digits and punctuation alone."""
    counters: bool = True
    """Lines like `3 likes`, `12 评论`."""
    words: int = Field(default=1, ge=0)
    """Lines of at most so many words."""
    characters: int = Field(default=2, ge=0)
    """Lines of at most so many characters, in text without spaces."""
    phrases: bool = True
    """Short lines (up to 10 words, 16 characters) that begin with `sign in`, end with `read more`, or hold `items in cart`."""


class RefinedWeb(Config):
    """Penedo et al. 2023, appendix G.2: cuts lines, and drops a document that loses much by that."""

    lines: RefinedWebLines = RefinedWebLines()
    removed: Limits = _most(0.05)
    """Share of words (characters) in lines that are cut."""


class Toxicity(Config):
    """Our own word lists, English and Chinese (lists/toxicity.tsv); a hit counts by its severity, 1 to 3; in an excepted context not."""

    obscenity: Limits = _most(10, 6)
    """Severities of swear words and pornography, a thousand words (characters)."""
    slurs: Limits = _most(4, 2.5)
    """Severities of insults to groups of people, a thousand words (characters)."""
    bias: Limits = _most(4, 2.5)
    """Severities of set phrases that look down on groups of people, a thousand words (characters)."""


class Adverts(Config):
    """Signs of selling (lists/adverts.tsv), each a thousand words (characters)."""

    phrases: Limits = _most(30, 18)
    """`buy now`, `free shipping`, `加微信`."""
    contacts: Limits = _most(60, 36)
    """Links, telephone numbers."""
    prices: Limits = _most(60, 36)
    """Amounts of money."""
    signals: Limits = _most(80, 48)
    """All of these together."""


class Domains(Config):
    """Which sites a document may come from, by its `url`; a name stands for its subdomains as well."""

    allow: list[str] = Field(default=[])
    """If any is named, only these (and documents without a url)."""
    deny: list[str] = Field(default=[])
    file: str | None = None
    """A file of more to deny: one domain a line, `#` begins a comment."""

    def contents(self) -> dict[str, str]:
        from headwater.core.storage import hash_file

        return {} if self.file is None else {self.file: hash_file(self.file)}


RuleSet = Literal["headwater", "gopher", "c4", "fineweb", "refinedweb", "toxicity", "adverts"]


class Quality(Config):
    """Rules on the text alone; the first that fails takes the document out: set by set, in the order of their fields."""

    rules: list[RuleSet] = Field(default=["headwater"])
    words: WordRules = WordRules()
    """Of the set `headwater`, for text in words."""
    characters: CharacterRules = CharacterRules()
    """Of the set `headwater`, for text in characters."""
    gopher: Gopher = Gopher()
    c4: C4 = C4()
    fineweb: FineWeb = FineWeb()
    refinedweb: RefinedWeb = RefinedWeb()
    toxicity: Toxicity = Toxicity()
    adverts: Adverts = Adverts()
    domains: Domains | None = None

    @model_validator(mode="before")
    @classmethod
    def _keys_change_only_themselves(cls, data: Any) -> Any:
        """`gopher: {length: {words: {min: 30}}}` leaves the maximum, and the bounds for characters, as they are by default."""
        if not isinstance(data, dict):
            return data
        parts = {name: field.default.model_dump() for name, field in cls.model_fields.items() if isinstance(field.default, Config)}
        return {key: _merged(parts[key], value) if key in parts else value for key, value in data.items()}


def _merged(default: Any, given: Any) -> Any:
    """The default with what is given put over it, key by key."""
    if not isinstance(default, dict) or not isinstance(given, dict):
        return given
    return {**default, **{key: _merged(default.get(key), value) for key, value in given.items()}}
