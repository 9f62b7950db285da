"""Which sense has a word of one spelling here? In: `word<tab>sense<tab>cue words` lines. Out: a function that marks a text.

The sense with the most cue words in the document wins, for all its occurrences (one sense per discourse: Gale, Church,
Yarowsky 1992); a tie or no cue at all marks nothing. Spans of kind `homograph:<sense>`; the text stays as it is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable

from headwater.core.errors import HeadwaterError
from headwater.core.storage import read_bytes
from headwater.corpus.document import Span
from headwater.corpus.normalise.config import Homographs


def marker_of(config: Homographs) -> Callable[[str], list[Span]]:
    """Raises HeadwaterError for a list that cannot be read."""
    senses = read_senses(config.senses)
    words = {word: _finder([word]) for word in senses}
    cues = {(word, sense): _finder(found) for word, of in senses.items() for sense, found in of.items()}

    def marker(text: str) -> list[Span]:
        spans: list[Span] = []
        for word, finder in words.items():
            places = [match.span() for match in finder.finditer(text)]
            if places:
                votes = sorted(
                    ((len({match[0].lower() for match in cues[word, sense].finditer(text)}), sense) for sense in senses[word]), reverse=True
                )
                if votes[0][0] > (votes[1][0] if len(votes) > 1 else 0):
                    spans += [(start, end, f"homograph:{votes[0][1]}") for start, end in places]
        return sorted(spans)

    return marker


def read_senses(url: str) -> dict[str, dict[str, list[str]]]:
    senses: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for number, line in enumerate(read_bytes(url).decode("utf-8", "replace").splitlines(), 1):
        parts = [part.strip() for part in line.split("\t")]
        if line and (len(parts) != 3 or not all(parts)):
            raise HeadwaterError("is no line of `word<tab>sense<tab>cue words`", where=f"{url}:{number}", mend="part the three by tabs")
        if line:
            senses[parts[0]][parts[1]] = parts[2].split()
    return dict(senses)


def _finder(words: list[str]) -> re.Pattern[str]:
    """Whole words where there are spaces between words; anywhere in Chinese."""
    each = [rf"\b{re.escape(word)}\b" if word.isascii() else re.escape(word) for word in words]
    return re.compile("|".join(each), re.IGNORECASE)
