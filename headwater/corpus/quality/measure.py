"""What can be told of a text's quality by counting? In: a batch. Out: the batch with one attribute per rule.

Text that puts spaces between words is measured in words, other text (Chinese, Japanese, Thai …) in characters; the
attribute `spaceless` (share of letters from scripts without spaces) says which, and with it which thresholds hold.
The attributes are named as the rules in config.py are, and explained there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence

import pyarrow as pa

from headwater.corpus.document import texts_of, with_score
from headwater.corpus.quality.config import WordRules

SPACELESS = re.compile(
    "[\u3040-\u30ff\uff66-\uff9f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # kana, Han
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff]"  # Thai, Lao, Tibetan, Burmese, Khmer
)
LETTER = re.compile(r"[^\W\d_]")
LETTERS = re.compile(r"[^\W_]+")
SYMBOL = re.compile(r"#|\.{3,}|…+")
BULLET = re.compile(r"\s*[-*•●‣▪◦·–]\s")
ELLIPSIS = re.compile(r"(\.{3,}|…)[\s\"'”’」』)）]*$")
PLACEHOLDER = re.compile(r"lorem ipsum|此处填写|此处插入|这里是内容", re.IGNORECASE)
TOP_NGRAM = {"words": 3, "characters": 4}
REPEATED_NGRAM = {"words": 10, "characters": 16}
NAMES = tuple(WordRules.model_fields)


def measure(batch: pa.RecordBatch) -> pa.RecordBatch:
    measured = [measures(text) for text in texts_of(batch)]
    for name in ("spaceless", *NAMES):
        batch = with_score(batch, name, [values[name] for values in measured])
    return batch


def measures(text: str) -> dict[str, float]:
    """Every attribute of one text."""
    letters = len(LETTER.findall(text))
    spaceless = min(1.0, len(SPACELESS.findall(text)) / max(1, letters))
    unit = "characters" if spaceless > 0.5 else "words"
    words = text.split()
    characters = sum(map(len, words))
    units: Sequence[str] = words if unit == "words" else "".join(words)
    runs = LETTERS.findall(text)
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    with_letter = sum(1 for word in words if LETTER.search(word)) if unit == "words" else letters
    return {
        "spaceless": spaceless,
        "length": len(units),
        "word_length": sum(map(len, runs)) / max(1, len(words if unit == "words" else runs)),
        "symbols": len(SYMBOL.findall(text)) / max(1, len(units)),
        "letters": with_letter / max(1, len(units)),
        "bullets": sum(1 for line in lines if BULLET.match(line)) / max(1, len(lines)),
        "ellipses": sum(1 for line in lines if ELLIPSIS.search(line)) / max(1, len(lines)),
        "duplicate_lines": _share_repeated(lines),
        "top_ngram": _share_of_top(ngrams(units, TOP_NGRAM[unit]), max(1, characters)),
        "repeated_ngrams": _repeated(ngrams(units, REPEATED_NGRAM[unit])),
        "placeholders": len(PLACEHOLDER.findall(text)),
    }


def ngrams(units: Sequence[str], n: int) -> list[Hashable]:
    """Substrings of a string, tuples of a list."""
    if isinstance(units, str):
        return [units[start : start + n] for start in range(len(units) - n + 1)]
    return list(zip(*(units[start:] for start in range(n)), strict=False))


def _share_repeated(lines: list[str]) -> float:
    """Share of characters in lines that stood before."""
    counts = Counter(line.strip() for line in lines)
    total = sum(len(line) * count for line, count in counts.items())
    return sum(len(line) * (count - 1) for line, count in counts.items()) / max(1, total)


def _share_of_top(grams: list[Hashable], characters: int) -> float:
    """Share of characters that the most frequent n-gram covers; of equally frequent ones the longest. Once is not frequent."""
    if not grams:
        return 0.0
    counts = Counter(grams)
    most = max(counts.values())
    if most == 1:
        return 0.0
    longest = max(len("".join(gram)) for gram, count in counts.items() if count == most)  # type: ignore[arg-type]
    return min(1.0, most * longest / characters)


def _repeated(grams: list[Hashable]) -> float:
    """Share of n-grams that stood before."""
    return 1 - len(set(grams)) / len(grams) if grams else 0.0
