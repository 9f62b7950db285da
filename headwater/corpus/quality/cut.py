"""Which lines of a text does a set of rules cut? Kernel: code points and phrase matches to spans, sentences left, units lost.

Lines end at newlines; blank ones are left alone. The first rule that a line breaks names the span; lines that stand together and
break the same rule are one span.
Legend: C code points, M matches of phrases, N documents, S spans.
"""

from __future__ import annotations

import numpy as np

from headwater.core.compiled import njit
from headwater.corpus.quality.unicode import ALPHA, CLOSER, DIGIT, SOLID, SPACE, TERMINAL, UPPER

# Groups of phrases, as the matches name them.
PLACEHOLDERS, TECHNICAL, BEGINNINGS, ENDINGS, ANYWHERE, COUNTERS = range(6)

REASONS = (
    "c4.longest", "c4.punctuation", "c4.words", "c4.phrases",
    "refinedweb.uppercase", "refinedweb.numeric", "refinedweb.counters", "refinedweb.words", "refinedweb.phrases",
)  # fmt: skip
LONGEST, PUNCTUATION, FEW, PHRASES, UPPERCASE, NUMERIC, COUNTER, SINGLE, SIGN_IN = range(9)
MOST = 1 << 17
"""Spans of one document: what comes after them is counted as lost, but not marked (as Python objects they would take gigabytes)."""
SHORT_WORDS, SHORT_CHARACTERS = 10, 16
"""A line with a phrase like `sign in` is cut if it has no more units (RefinedWeb: 10 words)."""

# Columns of the counts.
SENTENCES, C4_LOST, REFINEDWEB_LOST = range(3)
NEWLINE, DOT, DOTS = ord("\n"), ord("."), ord("…")
WIDE = 0x3000  # marks from here on need no space after them


@njit(cache=True, nogil=True)
def cut_lines(points_C: np.ndarray, starts: np.ndarray, classes: np.ndarray, by_characters: np.ndarray, match_places: np.ndarray,
              match_ends: np.ndarray, match_groups: np.ndarray, match_starts: np.ndarray, c4: np.ndarray, refinedweb: np.ndarray) -> tuple[
    np.ndarray, np.ndarray
]:  # fmt: skip
    """`(spans int64 [S, 4]: document, start, end, reason; counts int64 [N, 3])`.

    `c4` is [on, punctuation, words, characters, longest, phrases], `refinedweb` [on, uppercase (above 1: off), numeric, counters,
    words, characters, phrases], float64, as the config has them.
    """
    counts = np.zeros((len(starts) - 1, 3), np.int64)
    spans = np.empty((1024, 4), np.int64)
    count = 0
    for document in range(len(starts) - 1):
        end = starts[document + 1]
        characters = by_characters[document]
        match = match_starts[document]
        place = starts[document]
        while place < end:
            first = place
            line = _line(points_C, first, end, classes)
            place = line[0] + 1
            until = match
            while until < match_starts[document + 1] and match_places[until] < line[0]:
                until += 1
            if line[1] < line[2]:
                units = line[4] if characters else line[3]
                reason = other = -1
                if c4[0]:
                    reason = _c4(points_C, line, classes, characters, match_groups[match:until], c4)
                    if reason < 0:
                        counts[document, SENTENCES] += _sentences(points_C, line[1], line[2], classes)
                    else:
                        counts[document, C4_LOST] += units
                if refinedweb[0]:
                    other = _refinedweb(line, characters, match_places[match:until], match_ends[match:until], match_groups[match:until],
                                        refinedweb)  # fmt: skip
                    counts[document, REFINEDWEB_LOST] += units if other >= 0 else 0
                if max(reason, other) >= 0:
                    reason = reason if reason >= 0 else other
                    spans, count = _noted(spans, count, document, first - starts[document], line[0] - starts[document], reason)
            match = until
    return spans[:count], counts


@njit(cache=True, nogil=True)
def _line(points_C: np.ndarray, first: int, end: int, classes: np.ndarray) -> tuple[int, int, int, int, int, int, int, int, int, int]:
    """`(end, start and end of what is no white space, words, characters, longest word, longest run, capitals, letters, digits)`.

    A run is what stands between punctuation; its end after the last letter or number decides nothing here.
    """
    place, left, right = first, first, first
    words = characters = longest_word = longest_run = word = run = capitals = letters = digits = 0
    while place < end and points_C[place] != NEWLINE:
        kind = classes[points_C[place]]
        if kind & SPACE:
            word = 0
        else:
            if characters == 0:
                left = place
            right = place + 1
            words += word == 0
            word += 1
            longest_word = max(longest_word, word)
            characters += 1
            capitals += (kind & UPPER) != 0
            letters += (kind & ALPHA) != 0
            digits += (kind & DIGIT) != 0
        run = run + 1 if kind & SOLID else 0
        longest_run = max(longest_run, run)
        place += 1
    return place, left, right, words, characters, longest_word, longest_run, capitals, letters, digits


@njit(cache=True, nogil=True)
def _c4(points_C: np.ndarray, line: tuple[int, int, int, int, int, int, int, int, int, int], classes: np.ndarray, by_characters: bool,
        groups: np.ndarray, c4: np.ndarray) -> int:  # fmt: skip
    _, left, right, words, characters, longest_word, longest_run, _, _, _ = line
    if (longest_run if by_characters else longest_word) > c4[4]:
        return LONGEST
    if c4[1] and not _ends_sentence(points_C, left, right, classes, by_characters):
        return PUNCTUATION
    if (characters < c4[3]) if by_characters else (words < c4[2]):
        return FEW
    if c4[5]:
        for group in groups:
            if group == TECHNICAL:
                return PHRASES
    return -1


@njit(cache=True, nogil=True)
def _ends_sentence(points_C: np.ndarray, left: int, right: int, classes: np.ndarray, by_characters: bool) -> bool:
    """As C4 has it: . ? ! or a quotation mark, and no ellipsis; in characters also ……, and brackets after the mark."""
    last = points_C[right - 1]
    if by_characters:
        while right > left and classes[points_C[right - 1]] & CLOSER:
            right -= 1
        if right == left:
            return False
        last = points_C[right - 1]
        return (classes[last] & TERMINAL) != 0 or (last == DOTS and right - left > 1 and points_C[right - 2] == DOTS)
    if last == DOTS or (last == DOT and right - left >= 3 and points_C[right - 2] == DOT and points_C[right - 3] == DOT):
        return False
    return bool(classes[last] & (TERMINAL | CLOSER)) and last != ord(")")


@njit(cache=True, nogil=True)
def _sentences(points_C: np.ndarray, left: int, right: int, classes: np.ndarray) -> int:
    """Stretches of marks that end a sentence, before white space or the end (wide marks: before anything). At least one."""
    found = 0
    place = left
    while place < right:
        if not classes[points_C[place]] & TERMINAL:
            place += 1
            continue
        wide = points_C[place] >= WIDE
        while place < right and classes[points_C[place]] & (TERMINAL | CLOSER):
            place += 1
        found += wide or place == right or (classes[points_C[place]] & SPACE) != 0
    return max(found, 1)


@njit(cache=True, nogil=True)
def _refinedweb(line: tuple[int, int, int, int, int, int, int, int, int, int], by_characters: bool, places: np.ndarray, ends: np.ndarray,
                groups: np.ndarray, refinedweb: np.ndarray) -> int:  # fmt: skip
    _, left, right, words, characters, _, _, capitals, letters, digits = line
    if capitals > refinedweb[1] * characters:
        return UPPERCASE
    if refinedweb[2] and digits and letters == 0:
        return NUMERIC
    named = 0  # letters of the line that are the names of what is counted
    reached = left
    phrase = False
    short = (characters <= SHORT_CHARACTERS) if by_characters else (words <= SHORT_WORDS)
    for match in range(len(places)):
        if groups[match] == COUNTERS and ends[match] > reached:
            named += ends[match] - max(places[match], reached)
            reached = ends[match]
        phrase |= groups[match] == BEGINNINGS and places[match] == left
        phrase |= groups[match] == ENDINGS and ends[match] >= right - 3  # marks may follow: »  ...
        phrase |= groups[match] == ANYWHERE
    if refinedweb[3] and digits and letters and named >= letters:
        return COUNTER
    if (characters <= refinedweb[5]) if by_characters else (words <= refinedweb[4]):
        return SINGLE
    return SIGN_IN if refinedweb[6] and short and phrase else -1


@njit(cache=True, nogil=True)
def _noted(spans: np.ndarray, count: int, document: int, start: int, end: int, reason: int) -> tuple[np.ndarray, int]:
    """The list with one span more (it doubles when full), or the last one made longer: lines cut one after the other are one span."""
    if count and spans[count - 1, 0] == document and spans[count - 1, 2] + 1 == start and spans[count - 1, 3] == reason:
        spans[count - 1, 2] = end
        return spans, count
    if count >= MOST and spans[count - MOST, 0] == document:
        return spans, count
    if count == len(spans):
        larger = np.empty((2 * count, 4), np.int64)
        larger[:count] = spans
        spans = larger
    spans[count, 0], spans[count, 1], spans[count, 2], spans[count, 3] = document, start, end, reason
    return spans, count + 1
