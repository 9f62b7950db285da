"""What a recipe may say about tokenizers and token shards."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from headwater.core.config import Config


class BPE(Config):
    """Byte-level BPE (Sennrich et al. 2016; Radford et al. 2019): lossless, no unknown token."""

    kind: Literal["bpe"] = "bpe"
    vocab_size: int = Field(default=4096, ge=262, le=1_000_000)
    min_frequency: int = Field(default=2, ge=1)


class Bytes(Config):
    """One token a UTF-8 byte: 256 tokens and the specials."""

    kind: Literal["byte"] = "byte"


class Characters(Config):
    """One token a character that the corpus has; any other falls back to its UTF-8 bytes."""

    kind: Literal["char"] = "char"
    min_frequency: int = Field(default=1, ge=1)


TokenizerConfig = Annotated[BPE | Bytes | Characters, Field(discriminator="kind")]


class TokensConfig(Config):
    """Packed shards: every document of the corpus in its order, each closed by the end token."""
