"""What can be told of a text's lines and paragraphs? Kernels over code points; nothing here looks at words.

Three customs of dividing lines are kept apart, since the rules were published with them: `str.splitlines` (Gopher's bullets and
ellipses), pieces between stretches of newlines (Gopher's repetition), and non-blank lines between single newlines (the rest).
Legend: C code points, N documents.
"""

from __future__ import annotations

import numpy as np

from headwater.core.compiled import njit
from headwater.corpus.quality.hashing import BASE, capacity, hash_points, mix, slot_of
from headwater.corpus.quality.unicode import BREAK, BULLET, CLOSER, SPACE, TERMINAL

MOST = 1 << 22
"""Lines of a document that are remembered; later ones are still compared with these. More would take gigabytes."""

# Columns of `line_counts`.
BROKEN = 0  # lines as str.splitlines divides them
BROKEN_BULLETS = 1  # … that begin with • or -
BROKEN_ELLIPSES = 2  # … that end with an ellipsis
PIECES = 3  # stretches between newlines, as re.split("\n+") gives them
REPEATED_PIECES = 4
REPEATED_PIECE_CHARACTERS = 5
PARAGRAPHS = 6  # as re.split("\n{2,}") divides the stripped text
REPEATED_PARAGRAPHS = 7
REPEATED_PARAGRAPH_CHARACTERS = 8
LINES = 9  # lines that are not blank
BULLETS = 10  # … that begin with any bullet and a space
ELLIPSES = 11  # … that end with an ellipsis, quotes and brackets aside
TRIMMED_CHARACTERS = 12  # … their characters, white space at both ends aside
REPEATED_TRIMMED_CHARACTERS = 13
PUNCTUATED = 14  # … whose last character ends a sentence
PUNCTUATED_LOOSELY = 15  # … quotes and brackets aside
SHORT = 16  # … of at most so many characters
REPEATED_CHARACTERS = 17  # characters of the lines that stood before, none stripped
REPEATED_LINES = 18  # … that stood before
COLUMNS = 19

NEWLINE, RETURN, DOT, DOTS, DASH, DISC = ord("\n"), ord("\r"), ord("."), ord("…"), ord("-"), ord("•")


@njit(cache=True, nogil=True)
def line_counts(points_C: np.ndarray, starts: np.ndarray, classes: np.ndarray, by_characters: np.ndarray, newlines: np.ndarray,
                odd_breaks: np.ndarray, short: np.ndarray) -> np.ndarray:  # fmt: skip
    """int64 [N, COLUMNS]; `short` is int64 [2]: the longest short line, for words and for characters.

    `newlines` and `odd_breaks` (line breaks of other kinds) are int64 [N], from the tallies.
    """
    found = np.zeros((len(starts) - 1, COLUMNS), np.int64)
    longest = 0
    for document in range(len(starts) - 1):
        longest = max(longest, newlines[document])
    keys = np.empty((3, capacity(min(longest + 2, MOST))), np.uint64)
    for document in range(len(starts) - 1):
        start, end = starts[document], starts[document + 1]
        row = found[document]
        size = capacity(min(newlines[document] + 2, MOST))
        keys[:, :size] = np.uint64(0)
        if odd_breaks[document]:
            _broken_lines(points_C, start, end, classes, row)
        _lines(points_C, start, end, classes, odd_breaks[document] == 0, short[1 if by_characters[document] else 0], keys, size, row)
    return found


@njit(cache=True, nogil=True)
def _broken_lines(points_C: np.ndarray, start: int, end: int, classes: np.ndarray, row: np.ndarray) -> None:
    """Lines by `str.splitlines`, in a text that has other breaks than newlines."""
    place = start
    while place < end:
        first = place
        while place < end and not classes[points_C[place]] & BREAK:
            place += 1
        left, right = _trim(points_C, first, place, classes)
        _note_broken(points_C, left, right, row)
        place += 2 if place + 1 < end and points_C[place] == RETURN and points_C[place + 1] == NEWLINE else 1


@njit(cache=True, nogil=True)
def _note_broken(points_C: np.ndarray, left: int, right: int, row: np.ndarray) -> None:
    row[BROKEN] += 1
    row[BROKEN_BULLETS] += left < right and (points_C[left] == DASH or points_C[left] == DISC)
    row[BROKEN_ELLIPSES] += _is_ellipsis(points_C, left, right)


@njit(cache=True, nogil=True)
def _lines(points_C: np.ndarray, start: int, end: int, classes: np.ndarray, plain: bool, short: int, keys: np.ndarray, size: int,
           row: np.ndarray) -> None:  # fmt: skip
    """Everything else, newline by newline. A paragraph's hash is made of those of its lines, so that each is hashed once."""
    pieces, paragraphs, trimmed = keys[0, :size], keys[1, :size], keys[2, :size]
    text_start, text_end = _trim(points_C, start, end, classes)
    paragraph, paragraph_start, paragraph_end = np.uint64(0), -1, -1
    place = start
    while place <= end:
        first = place
        while place < end and points_C[place] != NEWLINE:
            place += 1
        left, right = first, place
        if place > first:
            left, right = _trim(points_C, first, place, classes)
            key = hash_points(points_C, first, place)
            new = _is_new(pieces, key, row[PIECES])
            row[PIECES] += 1
            if not new:
                row[REPEATED_PIECES] += 1
                row[REPEATED_PIECE_CHARACTERS] += place - first
            if left < right:
                row[REPEATED_LINES] += not new
                row[REPEATED_CHARACTERS] += 0 if new else place - first
                row[SHORT] += place - first <= short
                row[PUNCTUATED] += (classes[points_C[place - 1]] & TERMINAL) != 0
                bare = key if right - left == place - first else hash_points(points_C, left, right)
                _note_line(points_C, left, right, place, classes, _is_new(trimmed, bare, row[LINES]), row)
            if text_start < place and first < text_end:
                inner_start, inner_end = max(first, text_start), min(place, text_end)
                if inner_end - inner_start < place - first:
                    key = hash_points(points_C, inner_start, inner_end)
                paragraph = mix(paragraph * BASE + key)
                paragraph_start = inner_start if paragraph_start < 0 else paragraph_start
                paragraph_end = inner_end
        elif paragraph_start >= 0 and place < text_end:
            _note_paragraph(paragraphs, paragraph, paragraph_end - paragraph_start, row)
            paragraph, paragraph_start = np.uint64(0), -1
        if plain and (place < end or place > first):
            _note_broken(points_C, left, right, row)
        place += 1
    _note_paragraph(paragraphs, paragraph, paragraph_end - paragraph_start if paragraph_start >= 0 else 0, row)
    # re.split gives an empty piece before newlines at the start, and another after those at the end.
    at_start = start == end or points_C[start] == NEWLINE
    at_end = start < end and points_C[end - 1] == NEWLINE
    row[PIECES] += at_start + at_end
    row[REPEATED_PIECES] += at_start and at_end


@njit(cache=True, nogil=True)
def _note_line(points_C: np.ndarray, left: int, right: int, end: int, classes: np.ndarray, new: bool, row: np.ndarray) -> None:
    """A line that is not blank, without the white space around it; `end` is where it ends with that."""
    row[LINES] += 1
    row[TRIMMED_CHARACTERS] += right - left
    row[REPEATED_TRIMMED_CHARACTERS] += 0 if new else right - left
    row[BULLETS] += left + 1 < end and (classes[points_C[left]] & BULLET) != 0 and (classes[points_C[left + 1]] & SPACE) != 0
    while right > left and classes[points_C[right - 1]] & (SPACE | CLOSER):
        right -= 1
    row[ELLIPSES] += _is_ellipsis(points_C, left, right)
    row[PUNCTUATED_LOOSELY] += right > left and ((classes[points_C[right - 1]] & TERMINAL) != 0 or points_C[right - 1] == DOTS)


@njit(cache=True, nogil=True)
def _note_paragraph(keys: np.ndarray, key: np.uint64, length: int, row: np.ndarray) -> None:
    row[PARAGRAPHS] += 1
    if not _is_new(keys, key, row[PARAGRAPHS]):
        row[REPEATED_PARAGRAPHS] += 1
        row[REPEATED_PARAGRAPH_CHARACTERS] += length


@njit(cache=True, nogil=True)
def _trim(points_C: np.ndarray, start: int, end: int, classes: np.ndarray) -> tuple[int, int]:
    while start < end and classes[points_C[start]] & SPACE:
        start += 1
    while end > start and classes[points_C[end - 1]] & SPACE:
        end -= 1
    return start, end


@njit(cache=True, nogil=True)
def _is_ellipsis(points_C: np.ndarray, start: int, end: int) -> bool:
    """Does the stretch end with `…` or `...`?"""
    if end > start and points_C[end - 1] == DOTS:
        return True
    return end - start >= 3 and points_C[end - 1] == DOT and points_C[end - 2] == DOT and points_C[end - 3] == DOT


@njit(cache=True, nogil=True)
def _is_new(keys: np.ndarray, key: np.uint64, count: int) -> bool:
    """Was this hash not seen before? It is now (unless so many were counted that the table is full: then it is not kept)."""
    key = max(key, np.uint64(1))
    slot = slot_of(keys, np.uint64(len(keys) - 1), key)
    if keys[slot] != np.uint64(0):
        return False
    if count < MOST:
        keys[slot] = key
    return True
