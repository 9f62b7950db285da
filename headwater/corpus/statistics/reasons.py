"""Which characters of a text made a rule fail? In: a text and the rule's name. Out: spans of the text, in order.

For people who look at samples: rules that count something are shown what they counted (repeated lines and phrases, symbols, bullets);
of rules about the whole text (its length, the length of its words) nothing can be marked. The rules themselves are in quality/; here the
same things are found in the plainest way, for one text.
"""

from __future__ import annotations

import re
from collections import Counter

from headwater.corpus.document import Span

SPACELESS = re.compile(
    "[\u3040-\u30ff\uff66-\uff9f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff]"
)
LETTER = re.compile(r"[^\W\d_]")
PATTERNS = {
    "symbols": re.compile(r"#|\.{3,}|…+"),
    "hashes": re.compile(r"#"),
    "ellipses": re.compile(r"\.{3,}|…+|。{3,}"),
    "ellipsis_lines": re.compile(r"(?:\.{3,}|…+|。{3,})[\s\"'”’」』)）]*$", re.MULTILINE),
    "bullets": re.compile(r"^\s*[-*•●‣▪◦·–](?=\s)", re.MULTILINE),
    "placeholders": re.compile(r"lorem ipsum|此处填写|此处插入|这里是内容", re.IGNORECASE),
    "curly_brackets": re.compile(r"[{}]"),
    "letters": re.compile(r"(?<!\S)(?!\S*[^\W\d_])\S+"),
}
LINE, PARAGRAPH = re.compile(r"[^\n]+"), re.compile(r"[^\n]+(?:\n[^\n]+)*")
TOP, REPEATED = re.compile(r"top_(\d+)?_?n?gram"), re.compile(r"repeated_(\d+)?_?n?grams?")
TOP_UNITS, REPEATED_UNITS = {"words": 3, "characters": 4}, {"words": 10, "characters": 16}
"""Of the set `headwater`, whose names have no number."""
SHARED = {"words": 3, "characters": 5}
"""Of a phrase that two texts share, wherever it stands."""
MOST = 200_000
"""Characters that are looked at."""


def reasons(text: str, rule: str) -> list[Span]:
    """`(first character, one after the last, what it is)`; `rule` with or without its set (`gopher.top_2_gram`, `symbols`)."""
    text, name = text[:MOST], rule.rpartition(".")[2]
    if match := TOP.fullmatch(name):
        return _top(text, match[1])
    if match := REPEATED.fullmatch(name):
        return _repeated(text, match[1])
    if name.startswith("duplicate_line"):
        return _seen_before(text, LINE)
    if name.startswith("duplicate_paragraph"):
        return _seen_before(text, PARAGRAPH)
    pattern = PATTERNS.get(name)
    return (
        [] if pattern is None else [(match.start(), match.end(), name) for match in pattern.finditer(text) if match.end() > match.start()]
    )


def _seen_before(text: str, pattern: re.Pattern[str]) -> list[Span]:
    seen: set[str] = set()
    spans = []
    for match in pattern.finditer(text):
        said = match[0].strip()
        if said and said in seen:
            spans.append((match.start(), match.end(), "repeated"))
        seen.add(said)
    return spans


def _top(text: str, number: str | None) -> list[Span]:
    """Every place of the most frequent n-gram; of those as frequent, the one that comes first."""
    units, width = _units(text, number, TOP_UNITS)
    grams = [tuple(text[start:end].casefold() for start, end in units[place : place + width]) for place in range(len(units) - width + 1)]
    if not grams:
        return []
    (top, count), *_ = Counter(grams).most_common(1)
    return _merged([_stretch(units, place, width) for place, gram in enumerate(grams) if gram == top], "repeated") if count > 1 else []


def _repeated(text: str, number: str | None) -> list[Span]:
    """Every n-gram that stood before, as one stretch where they follow each other."""
    units, width = _units(text, number, REPEATED_UNITS)
    seen: set[tuple[str, ...]] = set()
    found = []
    for place in range(len(units) - width + 1):
        gram = tuple(text[start:end].casefold() for start, end in units[place : place + width])
        if gram in seen:
            found.append(_stretch(units, place, width))
        seen.add(gram)
    return _merged(found, "repeated")


def _units(text: str, number: str | None, widths: dict[str, int]) -> tuple[list[tuple[int, int]], int]:
    """Places of the words, or of the characters of text without spaces, and the length of an n-gram in them."""
    by_characters = 2 * len(SPACELESS.findall(text)) > len(LETTER.findall(text))
    pattern = r"\S" if by_characters else r"\S+"
    width = int(number) if number else widths["characters" if by_characters else "words"]
    return [match.span() for match in re.finditer(pattern, text)], width


def _stretch(units: list[tuple[int, int]], place: int, width: int) -> tuple[int, int]:
    return units[place][0], units[place + width - 1][1]


def _merged(stretches: list[tuple[int, int]], kind: str) -> list[Span]:
    """Overlapping ones as one; they come in order."""
    spans: list[Span] = []
    for start, end in stretches:
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]), kind)
        else:
            spans.append((start, end, kind))
    return spans


def differences(text: str, other: str) -> list[Span]:
    """What of a text the other one has not, by words (by characters where there are no spaces).

    Words in the order of the longest common sequence are shared, and so is a phrase that stands elsewhere in the other text.
    """
    from difflib import SequenceMatcher

    units, width = _units(text, None, SHARED)
    others, _ = _units(other, None, SHARED)
    mine, theirs = ([said[start:end] for start, end in spots] for said, spots in ((text, units), (other, others)))
    phrases = {tuple(theirs[place : place + width]) for place in range(len(theirs) - width + 1)}
    alone = [False] * len(mine)
    for tag, start, end, _, _ in SequenceMatcher(None, mine, theirs, autojunk=False).get_opcodes():
        alone[start:end] = [tag != "equal"] * (end - start)
    for place in range(len(mine) - width + 1):
        if tuple(mine[place : place + width]) in phrases:
            alone[place : place + width] = [False] * width
    spans: list[Span] = []
    for place, (start, end) in enumerate(units):
        if alone[place]:
            joined = spans.pop()[0] if place and alone[place - 1] else start
            spans.append((joined, end, "only here"))
    return spans
