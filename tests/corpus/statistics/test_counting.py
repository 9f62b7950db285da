"""The kernel counts what a regular expression and a Counter count, in any text, and notes growth where it happens."""

import re
import unicodedata
from collections import Counter

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headwater.corpus.statistics.counting import SPACELESS_RANGES, TABLE, count, tables

SPACELESS = "".join(f"{chr(first)}-{chr(last)}" for first, last in SPACELESS_RANGES)
MARKS = np.arange(1, 400)


def counted(texts: list[str], most: int = 10**9) -> tuple[Counter[str], Counter[str], list[int], list[int], int]:
    pieces = [text.encode() for text in texts]
    data = np.frombuffer(b"".join(pieces), np.uint8)
    starts = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])]).astype(np.int64)
    counts, begins, ends, points, words, characters, read = count(data, starts, np.arange(len(texts)), *tables(), MARKS, most)
    found: Counter[str] = Counter()
    for number, begin, end in zip(counts.tolist(), begins.tolist(), ends.tolist(), strict=True):
        found[lowered(data[begin:end].tobytes().decode())] += number
    return found, Counter({chr(point): int(points[point]) for point in np.flatnonzero(points)}), words.tolist(), characters.tolist(), read


def lowered(word: str) -> str:
    return "".join(character.lower() if len(character.lower()) == 1 else character for character in word).replace("’", "'")


def reference(texts: list[str]) -> tuple[list[str], list[str]]:
    """Words and characters in order, by unicodedata and one regular expression over a text of kinds."""
    words, characters = [], []
    for text in texts:
        kinds = "".join(kind(character) for character in text)
        words += [lowered(text[match.start() : match.end()]) for match in re.finditer("L[LM]*(?:'L[LM]*|'M[LM]*)*", kinds)]
        characters += [character for character in text if kind(character) == "S"]
    return words, characters


def kind(character: str) -> str:
    category = unicodedata.category(character)[0]
    if ord(character) >= TABLE:
        return "-"
    if re.match(f"[{SPACELESS}]", character):
        return "S" if category == "L" else "-"
    return "'" if character in "'’" else category if category in "LM" else "-"


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(st.sampled_from("abAB Éé'’-1。曰之のไก็̈́ßİ \n🀄𠮷")) | st.text(), max_size=5))
@example(["don't 'quote' rock'n'roll O’Neill O'Neill", "却说曹操 told 'em", "a", ""])
def test_any_text(texts: list[str]) -> None:
    words, characters = reference(texts)
    found, points, word_growth, point_growth, read = counted(texts)
    assert found == Counter(words)
    assert points == Counter(characters)
    assert read == len(texts)
    for units, growth in ((words, word_growth), (characters, point_growth)):
        assert [mark for mark in growth if mark] == [len(set(units[:place])) for place in range(1, min(len(units), len(MARKS)) + 1)]


def test_the_table_grows() -> None:
    texts = [" ".join("abcdefghij"[int(digit)] for digit in str(number)).replace(" ", "") for number in range(100_000)]
    found, *_ = counted([" ".join(texts)])
    assert len(found) == len(set(texts)) == 100_000


def test_counting_ends_at_the_limit_between_documents() -> None:
    *_, read = counted(["a b c", "d e", "f"], most=4)
    assert read == 2
