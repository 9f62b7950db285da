"""How is it said in English and in Chinese? One table, both languages side by side, and the voice that reads it.

    words = Words("zh")
    words("funnel")      words.size(9_100_000)      words.language("en")

A key that lacks a language cannot be written down here: every entry is a pair.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from headwater.core.errors import HeadwaterError
from headwater.release.report import units
from headwater.release.report.vocabulary import LANGUAGES, WORDS


@dataclass(frozen=True)
class Words:
    """One language's voice: sentences by key, quantities with their units."""

    lang: str

    def __post_init__(self) -> None:
        if self.lang not in ("en", "zh"):
            raise HeadwaterError("is no language of the report", where=f"--lang {self.lang}", mend="choose en or zh")

    def __call__(self, key: str, **values: Any) -> str:
        said = WORDS[key][self._column].format(**values)
        # 2.13 万 + 篇文档 is written 2.13 万篇文档.
        return re.sub(r"([万亿])\s(?=[篇个步项])", r"\1", said) if self.lang == "zh" else said

    def name(self, kind: str, key: str) -> str:
        """The word for one of ours (a stage, a split, a step), or the user's own name as it is."""
        return self(f"{kind}_{key}") if f"{kind}_{key}" in WORDS else key

    def language(self, code: str | None) -> str:
        """`zh` → Chinese / 中文; a code without a name here is said as it is."""
        if not code:
            return self("language_unknown")
        return LANGUAGES[code][self._column] if code in LANGUAGES else code

    def list(self, parts: list[str]) -> str:
        return ("、" if self.lang == "zh" else ", ").join(parts)

    def sentences(self, *parts: str) -> str:
        return ("" if self.lang == "zh" else " ").join(part for part in parts if part)

    def many(self, noun: str, number: float) -> str:
        """`1 document`, `5,120 documents`, `5120 篇文档`."""
        return self(f"{noun}_one" if number == 1 and self.lang == "en" else f"{noun}_many", n=self.count(number))

    def count(self, number: float) -> str:
        return _unbroken(units.count(number, self.lang))

    def exact(self, number: float) -> str:
        return f"{number:,.0f}"

    def size(self, number: float) -> str:
        return _unbroken(units.size(number))

    def duration(self, seconds: float) -> str:
        return _unbroken(units.duration(seconds, self.lang))

    def figure(self, number: float | None, digits: int = 4) -> str:
        return "–" if number is None else _unbroken(units.figure(number, digits))

    def measured(self, number: float, error: float | None) -> str:
        """`1.8423 ± 0.0121`: as many digits of the figure as its error warrants."""
        if not error:
            return self.figure(number)
        places = max(0, 1 - math.floor(math.log10(error)))
        return _unbroken(f"{number:.{places}f} ± {error:.{places}f}")

    def signed(self, number: float) -> str:
        return f"{number:+.3f}".replace("-", "−")

    def percent(self, part: float, whole: float = 1.0) -> str:
        return _unbroken(units.percent(part, whole))

    def when(self, moment: datetime) -> str:
        text = f"{moment:%Y 年 %-m 月 %-d 日 %H:%M}" if self.lang == "zh" else f"{moment:%-d %B %Y, %H:%M}"
        return text + (f" {moment.tzname()}" if moment.tzname() else "")

    def moment(self, moment: datetime) -> str:
        return f"{moment:%Y-%m-%d %H:%M}"

    @property
    def _column(self) -> int:
        return 1 if self.lang == "zh" else 0


def _unbroken(quantity: str) -> str:
    """A number and its unit stay on one line (no-break spaces)."""
    return quantity.replace(" ", "\u00a0")
