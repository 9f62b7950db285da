"""The rules once more in plain Python, character by character of the papers: what the kernels must equal, value for value.

Nothing is shared with the kernels: words are Python strings, n-grams tuples, lines come from str.split and re.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Hashable, Sequence

SPACELESS = re.compile(
    "[\u3040-\u30ff\uff66-\uff9f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff]"
)
LETTER = re.compile(r"[^\W\d_]")
LETTERS = re.compile(r"[^\W_]+")
SYMBOL = re.compile(r"#|\.{3,}|…+")
BULLET = re.compile(r"\s*[-*•●‣▪◦·–]\s")
ELLIPSIS = re.compile(r"(\.{3,}|…)[\s\"'”’」』)）]*$")
PLACEHOLDER = re.compile(r"lorem ipsum|此处填写|此处插入|这里是内容", re.IGNORECASE)
TERMINALS = frozenset(".?!。．？！｡‼⁇⁈⁉‽﹒﹖﹗։؟۔।॥၊။።፧፨។៕᙮᠃᠉܀܁܂")
CLOSERS = "\"'”’」』)）"


def spaceless(text: str) -> float:
    return min(1.0, len(SPACELESS.findall(text)) / max(1, len(LETTER.findall(text))))


def headwater(text: str) -> dict[str, float]:
    letters = len(LETTER.findall(text))
    unit = "characters" if spaceless(text) > 0.5 else "words"
    words = text.split()
    characters = sum(map(len, words))
    units: Sequence[str] = words if unit == "words" else "".join(words)
    runs = LETTERS.findall(text)
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    with_letter = sum(1 for word in words if LETTER.search(word)) if unit == "words" else letters
    top, repeated = (3, 10) if unit == "words" else (4, 16)
    return {
        "length": len(units),
        "word_length": sum(map(len, runs)) / max(1, len(words if unit == "words" else runs)),
        "symbols": len(SYMBOL.findall(text)) / max(1, len(units)),
        "letters": with_letter / max(1, len(units)),
        "bullets": sum(1 for line in lines if BULLET.match(line)) / max(1, len(lines)),
        "ellipses": sum(1 for line in lines if ELLIPSIS.search(line)) / max(1, len(lines)),
        "duplicate_lines": _share_repeated(lines),
        "top_ngram": _share_of_top(ngrams(units, top), max(1, characters)),
        "repeated_ngrams": _repeated(ngrams(units, repeated)),
        "placeholders": len(PLACEHOLDER.findall(text)),
    }


def ngrams(units: Sequence[str], n: int) -> list[Hashable]:
    """Substrings of a string, tuples of a list."""
    if isinstance(units, str):
        return [units[start : start + n] for start in range(len(units) - n + 1)]
    return list(zip(*(units[start:] for start in range(n)), strict=False))


def _share_repeated(lines: list[str]) -> float:
    counts = Counter(line.strip() for line in lines)
    total = sum(len(line) * count for line, count in counts.items())
    return sum(len(line) * (count - 1) for line, count in counts.items()) / max(1, total)


def _share_of_top(grams: list[Hashable], characters: int) -> float:
    if not grams:
        return 0.0
    counts = Counter(grams)
    most = max(counts.values())
    if most == 1:
        return 0.0
    longest = max(len("".join(gram)) for gram, count in counts.items() if count == most)  # type: ignore[arg-type]
    return min(1.0, most * longest / characters)


def _repeated(grams: list[Hashable]) -> float:
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


STOPS = {"the", "be", "to", "of", "and", "that", "have", "with"}
STOP_CHARACTERS = set("的了是在不我有他这這个個们們来來到人一之其而以曰也中上大為無日のはをたานรານារនား་ག")


def gopher(text: str) -> dict[str, float]:
    """Rae et al. 2021, appendix A1.1 and table A1."""
    by_characters = spaceless(text) > 0.5
    words = text.split()
    units = list("".join(words)) if by_characters else words
    solid = [unit for unit in units if not all(is_punctuation(character) for character in unit)]
    runs = LETTERS.findall(text)
    lengths = [len(run) for run in runs] if by_characters else [len(word) for word in solid]
    marks = len(re.findall(r"\.{3,}|…+", text)) if by_characters else text.count("...") + text.count("…")
    lines = text.splitlines()
    paragraphs = re.split(r"\n{2,}", text.strip())
    pieces = re.split(r"\n+", text)
    full = [piece for piece in pieces if piece.strip()]
    found = {
        "length": len(solid),
        "word_length": sum(lengths) / max(1, len(lengths)),
        "hashes": text.count("#") / max(1, len(units)),
        "ellipses": marks / max(1, len(units)),
        "bullets": sum(line.lstrip().startswith(("•", "-")) for line in lines) / max(1, len(lines)),
        "ellipsis_lines": sum(line.rstrip().endswith(("...", "…")) for line in lines) / max(1, len(lines)),
        "letters": sum(any(map(str.isalpha, unit)) for unit in units) / max(1, len(units)),
        "stop_words": len((STOP_CHARACTERS if by_characters else STOPS) & set(units)),
        "duplicate_paragraphs": seen_before(paragraphs)[0] / len(paragraphs),
        "duplicate_paragraph_characters": seen_before(paragraphs)[1] / max(1, len(text)),
        "duplicate_lines": seen_before(full)[0] / max(1, len(full)) if by_characters else seen_before(pieces)[0] / len(pieces),
        "duplicate_line_characters": seen_before(pieces)[1] / max(1, len(text)),
    }
    for name, n in zip((2, 3, 4), (3, 5, 6) if by_characters else (2, 3, 4), strict=True):
        grams = ngrams(units, n)
        top, count = Counter(grams).most_common(1)[0] if grams else ((), 0)
        found[f"top_{name}_gram"] = count * len(("" if by_characters else " ").join(top)) / max(1, len(text))  # type: ignore[arg-type]
    for name, n in zip(range(5, 11), (8, 10, 11, 13, 14, 16) if by_characters else range(5, 11), strict=True):
        found[f"repeated_{name}_gram"] = characters_repeated(units, n) / max(1, len(text))
    return found


def is_punctuation(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "PS" or category == "Cc"


def seen_before(elements: list[str]) -> tuple[int, int]:
    """How many elements stood before, and their characters."""
    repeats = [element for index, element in enumerate(elements) if element in elements[:index]]
    return len(repeats), sum(map(len, repeats))


def characters_repeated(units: list[str], n: int) -> int:
    seen: set[tuple[str, ...]] = set()
    found, place = 0, 0
    while place + n <= len(units):
        gram = tuple(units[place : place + n])
        if gram in seen:
            found += sum(map(len, gram))
            place += n
        else:
            seen.add(gram)
            place += 1
    return found


def fineweb(text: str) -> dict[str, float]:
    """Penedo et al. 2024, section 3.6."""
    by_characters = spaceless(text) > 0.5
    lines = [line for line in text.split("\n") if line.strip()]
    units = len("".join(text.split())) if by_characters else len(text.split())
    ends = [line.rstrip().rstrip(CLOSERS + " \t\u3000") for line in lines] if by_characters else lines
    ended = sum(1 for line in ends if line and (line[-1] in TERMINALS or (by_characters and line[-1] == "…")))
    return {
        "punctuated_lines": ended / max(1, len(lines)),
        "short_lines": sum(len(line) <= (5 if by_characters else 30) for line in lines) / max(1, len(lines)),
        "duplicate_line_characters": seen_before(lines)[1] / max(1, len(text.replace("\n", ""))),
        "newlines": text.count("\n") / max(1, units),
    }


SENTENCE_END = re.compile(f"[{''.join(TERMINALS)}][{''.join(TERMINALS)}{re.escape(CLOSERS)}]*")
TECHNICAL = ("javascript", "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies",
             "使用条款", "服务条款", "隐私政策", "隱私政策", "隐私权", "使用cookie", "使用 cookie", "浏览器设置", "浏览器版本")  # fmt: skip


def c4_lines(text: str) -> tuple[list[tuple[int, int, str]], int]:
    """`(spans of the lines that are cut, sentences in the others)`."""
    by_characters = spaceless(text) > 0.5
    spans, sentences, place = [], 0, 0
    for line in text.split("\n"):
        start, place = place, place + len(line) + 1
        bare = line.strip()
        if not bare:
            continue
        words = bare.split()
        if by_characters:
            longest = max(len(run) for run in re.split(r"\s", "".join(" " if is_punctuation(c) or c.isspace() else c for c in line)))
            end = bare.rstrip(CLOSERS)
            ended = bool(end) and (end[-1] in TERMINALS or end.endswith("……"))
            few = len("".join(words)) < 5
        else:
            longest = max(map(len, words))
            ended = bare[-1] in TERMINALS | set(CLOSERS) - {")", "）"} and not bare.endswith("...")
            few = len(words) < 3
        if longest > 1000:
            spans.append((start, start + len(line), "c4.longest"))
        elif not ended:
            spans.append((start, start + len(line), "c4.punctuation"))
        elif few:
            spans.append((start, start + len(line), "c4.words"))
        elif any(phrase in bare.lower() for phrase in TECHNICAL):
            spans.append((start, start + len(line), "c4.phrases"))
        else:
            ends = SENTENCE_END.finditer(bare)
            sentences += max(1, sum(ord(m[0][0]) >= 0x3000 or m.end() == len(bare) or bare[m.end()].isspace() for m in ends))
    return joined(spans), sentences


def joined(spans: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Lines one after the other that go for the same reason are one span."""
    found: list[tuple[int, int, str]] = []
    for start, end, kind in spans:
        if found and found[-1][1] + 1 == start and found[-1][2] == kind:
            start = found.pop()[0]
        found.append((start, end, kind))
    return found
