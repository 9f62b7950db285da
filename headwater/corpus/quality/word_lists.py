"""What words are toxic, biased or selling? In: the lists beside this file. Out: hits of each document, exceptions taken off.

A word list knows no meaning: it says `hit` for an insult and for a report about it alike. Hence the exceptions: longer phrases in
which a word is harmless, and cues near by (medicine, animals, law, history, talk about the word itself).
"""

from __future__ import annotations

from bisect import bisect_left
from pathlib import Path

import numpy as np

from headwater.corpus.quality.phrases import Automaton, Matches, Phrase

LISTS = Path(__file__).parent / "lists"
CONTENTS = {"toxicity": "777ad2f529110305c7a0a521f119e934", "adverts": "0d5b88cd53450cbbae3e9b4bac1d7162"}
"""xxh3-128 of each list. They stand here so that a changed list is changed code, and its corpus is measured anew."""
MOST = 1 << 16
"""Matches of a document that are weighed; of more the rest is taken to be like these."""
NEAR = 80
"""A cue excuses what stands within so many characters."""


class WordList:
    """One list, ready for looking. `groups` are the names of what it counts."""

    def __init__(self, name: str) -> None:
        assert name in CONTENTS
        rows = [line.split("\t") for line in (LISTS / f"{name}.tsv").read_text(encoding="utf-8").splitlines() if line[:1] not in ("#", "")]
        self.groups = [group for group in dict.fromkeys(row[0] for row in rows) if not group.startswith("@")]
        self.phrases: list[Phrase] = []
        self.names: list[str] = []  # of the phrases' groups; "" for an exception
        self.severities: list[float] = []
        self.excuses: list[tuple[frozenset[str], frozenset[int]]] = []  # per phrase: cues, and numbers of longer phrases
        numbers: dict[str, int] = {}
        exceptions = dict.fromkeys(excuse for row in rows for excuse in _excuses(row) if not excuse.startswith("@"))
        for text in exceptions:
            numbers[text] = self._add(text, "", 0.0)
        for row in rows:
            excuses = _excuses(row)
            longer = frozenset(numbers[excuse] for excuse in excuses if excuse in numbers)
            self._add(row[3], row[0], float(row[1]), (frozenset(excuses) - exceptions.keys(), longer))
        self.longest = max(len(phrase.text) for phrase in self.phrases)
        self.automaton = Automaton(self.phrases)

    def _add(
        self, text: str, name: str, severity: float, excuses: tuple[frozenset[str], frozenset[int]] = (frozenset(), frozenset())
    ) -> int:
        self.phrases.append(Phrase(text, 0))
        self.names.append(name)
        self.severities.append(severity)
        self.excuses.append(excuses)
        return len(self.phrases) - 1

    def hits(self, points: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """float64 [N, groups]: the severities of the hits in each document, added up. A place is hit once: by the longest phrase."""
        found = np.zeros((len(starts) - 1, len(self.groups)))
        matches = self.automaton(points, starts)
        for document in np.flatnonzero(np.diff(matches.starts)).tolist():
            count = matches.starts[document + 1] - matches.starts[document]
            for number in self._guilty(matches, document):
                found[document, self.groups.index(self.names[number])] += self.severities[number] * max(1, count / MOST)
        return found

    def _guilty(self, matches: Matches, document: int) -> list[int]:
        """Numbers of the phrases that count in a document."""
        first = matches.starts[document]
        last = min(matches.starts[document + 1], first + MOST)
        columns = (matches.place, matches.end, matches.phrase)
        stands = list(zip(*(column[first:last].tolist() for column in columns), strict=True))
        if not any(self.severities[number] for _, _, number in stands):
            return []
        stands.sort(key=lambda stand: (stand[0], -stand[1]))
        starts = [start for start, _, _ in stands]
        guilty, reached = [], -1
        for start, end, number in stands:
            if not self.severities[number] or start < reached:
                continue
            cues, longer = self.excuses[number]
            near = stands[bisect_left(starts, start - NEAR - self.longest) : bisect_left(starts, end + NEAR)]
            if any(other in longer and at <= start and end <= until for at, until, other in near):
                continue
            if any(self.names[other] in cues and until > start - NEAR for _, until, other in near):
                continue
            guilty.append(number)
            reached = end
        return guilty


def _excuses(row: list[str]) -> list[str]:
    return row[4].split("|") if len(row) > 4 else []
