"""Which misspelling stands for which word? In: a frequency list (`word<tab>count`). Out: a function that corrects a text.

A word that the list does not have, with at least five letters, becomes the most frequent listed word at one edit (insertion,
deletion, substitution or swap of neighbours: Damerau 1964), if that is frequent enough and its first letter is the same.
Words with capitals inside or digits are left alone; text without spaces is not touched.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable

from headwater.core.errors import HeadwaterError
from headwater.core.storage import read_bytes
from headwater.corpus.normalise.config import Spelling

WORD = re.compile(r"[^\W\d_]{5,}")
SHORTEST = 5


def corrector(config: Spelling) -> Callable[[str], tuple[str, int]]:
    """Raises HeadwaterError for a list that cannot be read."""
    counts = read_counts(config.words)
    frequent = {word: count for word, count in counts.items() if count >= config.at_least and len(word) >= SHORTEST - 1}
    # Two words at one edit share a string that is either with one letter less (SymSpell's symmetric deletion).
    by_shorter: dict[str, list[str]] = defaultdict(list)
    for word in sorted(frequent):
        for shorter in shortened(word):
            by_shorter[shorter].append(word)
    known: dict[str, str] = {}

    def correct(word: str) -> str:
        small = word.lower()
        if small in counts or not (word.islower() or word.istitle()):
            return word
        if small not in known:
            near = {found for shorter in shortened(small) for found in by_shorter.get(shorter, []) if found[0] == small[0]}
            near = {found for found in near if _one_edit(small, found)}
            known[small] = max(near, key=lambda found: (frequent[found], found)) if near else small
        return known[small].title() if word.istitle() else known[small]

    def corrected(text: str) -> tuple[str, int]:
        count = 0

        def replace(match: re.Match[str]) -> str:
            nonlocal count
            better = correct(match[0])
            count += better != match[0]
            return better

        after = WORD.sub(replace, text)
        return (after, count) if count else (text, 0)

    return corrected


def shortened(word: str) -> set[str]:
    """The word, and the word without one letter, for every letter."""
    return {word, *(word[:index] + word[index + 1 :] for index in range(len(word)))}


def _one_edit(a: str, b: str) -> bool:
    from rapidfuzz.distance import OSA

    return bool(OSA.distance(a, b, score_cutoff=1) == 1)


def read_counts(url: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for number, line in enumerate(read_bytes(url).decode("utf-8", "replace").splitlines(), 1):
        word, separator, count = line.partition("\t")
        if line and not (separator and count.strip().isdecimal()):
            raise HeadwaterError("is no line of `word<tab>count`", where=f"{url}:{number}", mend="write one word and its count a line")
        if line:
            counts[word.lower()] = counts.get(word.lower(), 0) + int(count)
    return counts
