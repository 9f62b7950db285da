"""What a recipe may say about tokenizers and token shards."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from headwater.core.config import Config
from headwater.tokens.specials import SPECIALS, Extra, Name


class Special(Config):
    """What every kind may say: which special tokens it has beside the six that all have."""

    specials: tuple[Extra, ...] = ()
    """By name; `tokens/specials.py` says what each is for. They count inside vocab_size."""
    sentinels: int = Field(default=0, ge=0, le=10_000)
    """Tokens <|0|>, <|1|> … that stand for spans (T5 has 100)."""

    @property
    def reserved(self) -> int:
        """How many tokens of the vocabulary are special."""
        return len(SPECIALS) + len(self.specials) + self.sentinels

    @property
    def lossless(self) -> bool:
        """Whether every text comes back from its tokens as it was."""
        return True

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        twice = [name for place, name in enumerate(self.specials) if name in self.specials[:place]]
        if twice:
            raise ValueError(f"specials name '{twice[0]}' twice; keep one")
        return self


def _without_size(data: Any, why: str) -> Any:
    """A kind that was changed on the command line still has the size that the recipe gave another."""
    if isinstance(data, dict) and "vocab_size" in data:
        raise ValueError(
            f"{data.get('kind')} takes no vocab_size, because {why}; give the block anew: tokenizer='{{kind: {data.get('kind')}}}'"
        )
    return data


def _room(vocab_size: int, least: int, what: str) -> None:
    if vocab_size < least:
        raise ValueError(f"vocab_size is {vocab_size}, but {what} alone are {least}; ask for more than that")


class BPE(Special):
    """Byte-level BPE (Sennrich et al. 2016; Radford et al. 2019): lossless, no unknown token."""

    kind: Literal["bpe"] = "bpe"
    vocab_size: int = Field(default=4096, ge=262, le=1_000_000)
    min_frequency: int = Field(default=2, ge=1)

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        _room(self.vocab_size, 256 + self.reserved, "bytes and special tokens")
        return self


class Bytes(Special):
    """One token a UTF-8 byte: 256 tokens and the specials."""

    kind: Literal["byte"] = "byte"

    @model_validator(mode="before")
    @classmethod
    def _counts_by_itself(cls, data: Any) -> Any:
        return _without_size(data, "there are 256 bytes")


class Characters(Special):
    """One token a character that the corpus has; any other falls back to its UTF-8 bytes."""

    kind: Literal["char"] = "char"
    min_frequency: int = Field(default=1, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _counts_by_itself(cls, data: Any) -> Any:
        return _without_size(data, "the corpus says how many characters there are")


class Pieces(Special):
    """Pieces in SentencePiece's manner (Kudo and Richardson 2018), by merges (`sentencepiece-bpe`) or a unigram model (Kudo 2018).

    Spaces are part of the pieces; a piece does not go over the edge of a word, nor between
    Han or kana, other letters, numbers and signs; a character that is too rare falls
    back to its bytes. Lossless as PaLM's (256,000 pieces with digits split, Chowdhery et al. 2022 §2), unless `nfkc` is on. Unlike
    SentencePiece's default no space is put before the text and none is taken away.
    """

    kind: Literal["sentencepiece-bpe", "unigram"]
    vocab_size: int = Field(default=8000, ge=262, le=1_000_000)
    coverage: float = Field(default=0.9995, gt=0, le=1)
    """The share of the text's characters that must be pieces of their own."""
    longest: int = Field(default=16, ge=2, le=64)
    """Characters of the longest piece."""
    digits: bool = False
    """Each digit is a token of its own (PaLM, Llama)."""
    nfkc: bool = False
    """Write compatible characters alike first (T5): ﬁ becomes fi, and does not come back."""

    @property
    def lossless(self) -> bool:
        return not self.nfkc

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        _room(self.vocab_size, 256 + self.reserved, "bytes and special tokens")
        return self


class WordPiece(Special):
    """BERT's words in pieces, those inside a word marked by ## (Schuster and Nakajima 2012; Devlin et al. 2019). Not lossless.

    Lost are how much and which white space stood where, control characters, and words with a character that is too rare: they become
    the unknown token. With `lower` also capitals and accents. Chinese characters are words of their own.
    """

    kind: Literal["wordpiece"] = "wordpiece"
    vocab_size: int = Field(default=4096, ge=8, le=1_000_000)
    min_frequency: int = Field(default=2, ge=1)
    coverage: float = Field(default=0.9995, gt=0, le=1)
    """The share of the text's characters that are known."""
    lower: bool = False
    """BERT's uncased: lower case without accents."""

    @property
    def reserved(self) -> int:
        return len(SPECIALS) + len(self.specials) + self.sentinels + 1

    @property
    def lossless(self) -> bool:
        return False

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        _room(self.vocab_size, self.reserved + 1, "special tokens and one character")
        return self


class Words(Special):
    """The most frequent words, one token each. Not lossless.

    Any other word becomes the unknown token; lost are how much and which white space stood where, and with `lower` capitals.
    """

    kind: Literal["word"] = "word"
    vocab_size: int = Field(default=20_000, ge=8, le=1_000_000)
    min_frequency: int = Field(default=2, ge=1)
    split: Literal["words", "spaces"] = "words"
    """`words`: letters and digits together, signs apart (\\w+|[^\\w\\s]+); `spaces`: whatever stands between white space."""
    lower: bool = False

    @property
    def reserved(self) -> int:
        return len(SPECIALS) + len(self.specials) + self.sentinels + 1

    @property
    def lossless(self) -> bool:
        return False

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        _room(self.vocab_size, self.reserved + 1, "special tokens and one word")
        return self


class File(Special):
    """A tokenizer that exists: Hugging Face's tokenizer.json, SentencePiece's .model, or .tiktoken ranks. As lossless as it is.

    Its ids stay as they are. Special tokens that it lacks are added at the end; its `normalizer` and words stay its own.
    """

    kind: Literal["file"] = "file"
    path: str = Field(min_length=1)
    """A .json, .model or .tiktoken file: path or fsspec URL."""
    names: dict[Name, str] = Field(default_factory=dict)
    """`{end: "<|endoftext|>"}`: which of its tokens is which special one, where the usual spellings don't tell."""
    pattern: str = "cl100k"
    """Of .tiktoken ranks, which don't say how text is cut into words: gpt2, cl100k, o200k, or a regular expression."""

    @property
    def lossless(self) -> bool:
        return False  # not promised: it is another's

    def contents(self) -> dict[str, str]:
        from headwater.core.storage import hash_file

        return {f"tokenizer/{PurePosixPath(self.path).name}": hash_file(self.path)}


TokenizerConfig = Annotated[BPE | Bytes | Characters | Pieces | WordPiece | Words | File, Field(discriminator="kind")]


class TokensConfig(Config):
    """Packed shards: every document of the corpus in its order, each closed by the end token."""
