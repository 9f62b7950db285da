"""What characters does a text have? Kernels: UTF-8 to code points, and every count that needs one character after the other.

Legend: B bytes, C code points of a whole batch, N documents, T tallies, W words. Text n is `points_C[starts[n]:starts[n + 1]]`.
"""

from __future__ import annotations

import numpy as np

from headwater.core.compiled import njit
from headwater.corpus.quality.hashing import BASE, mix
from headwater.corpus.quality.unicode import ALNUM, ALPHA, LETTER, SOLID, SPACE, SPACELESS, SPECIAL

LONGEST = 1 << 26
"""Bytes of a document that are measured: what comes after 64 MB changes none of its figures (and would cost gigabytes)."""

# Columns of the tallies.
POINTS = 0  # code points
LETTERS = 1
SPACELESS_LETTERS = 2
CHARACTERS = 3  # that are no white space
WORDS = 4  # between white space
WORDS_WITH_LETTER = 5
WORDS_WITH_ALPHA = 6  # `str.isalpha`, as Gopher's rule is usually read
SOLID_WORDS = 7  # that are more than punctuation
SOLID_WORD_CHARACTERS = 8
SOLID_CHARACTERS = 9  # neither white space nor punctuation
ALNUMS = 10
RUNS = 11  # stretches of letters and numbers
SYMBOLS = 12  # `#` and ellipses, each stretch once
HASHES = 13
ELLIPSES = 14  # `...` and `…`, as str.count counts them
NEWLINES = 15
BRACES = 16
ALPHAS = 17
ODD_BREAKS = 18  # line breaks other than the newline
TALLIES = 19

ALNUM_BIT, LETTER_BIT, ALPHA_BIT, SPACELESS_BIT, SOLID_BIT = (flag.bit_length() - 1 for flag in (ALNUM, LETTER, ALPHA, SPACELESS, SOLID))
HASH, DOT, DOTS, NEWLINE, BRACE = ord("#"), ord("."), ord("…"), ord("\n"), ord("{")


@njit(cache=True, nogil=True)
def decode(data_B: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`(points int32 [C], starts int64 [N + 1])` of UTF-8 text; a text longer than LONGEST bytes is cut."""
    count = len(offsets) - 1
    total = 0
    for document in range(count):
        total += min(offsets[document + 1] - offsets[document], LONGEST)
    points_C = np.empty(total, np.int32)
    starts = np.zeros(count + 1, np.int64)
    place = 0
    for document in range(count):
        at = offsets[document]
        end = min(offsets[document + 1], at + LONGEST)
        while at < end:
            byte = np.int32(data_B[at])
            if byte < 0x80:
                points_C[place] = byte
                at += 1
            elif byte < 0xE0 and at + 1 < end:
                points_C[place] = (byte & 0x1F) << 6 | np.int32(data_B[at + 1] & 0x3F)
                at += 2
            elif byte < 0xF0 and at + 2 < end:
                points_C[place] = (byte & 0x0F) << 12 | np.int32(data_B[at + 1] & 0x3F) << 6 | np.int32(data_B[at + 2] & 0x3F)
                at += 3
            elif byte >= 0xF0 and at + 3 < end:
                low = np.int32(data_B[at + 1] & 0x3F) << 12 | np.int32(data_B[at + 2] & 0x3F) << 6 | np.int32(data_B[at + 3] & 0x3F)
                points_C[place] = ((byte & 0x07) << 18 | low) & 0x1FFFFF
                at += 4
            else:  # the cut went through a character
                break
            place += 1
        starts[document + 1] = place
    return points_C[:place], starts


@njit(cache=True, nogil=True)
def tally(points_C: np.ndarray, starts: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """`(tallies int64 [N, TALLIES], hashes uint64 [W], lengths int32 [W], word_starts int64 [N + 1])` in one pass.

    Words are hashed on the way, since most text is measured in words.
    """
    tallies_NT = np.zeros((len(starts) - 1, TALLIES), np.int64)
    hashes_W = np.empty(len(points_C) // 2 + len(starts), np.uint64)
    lengths_W = np.empty(len(points_C) // 2 + len(starts), np.int32)
    word_starts = np.zeros(len(starts), np.int64)
    word = 0
    for document in range(len(starts) - 1):
        letters = spaceless = characters = alphas = alnums = runs = solid = 0
        with_letter = with_alpha = solid_words = solid_word_characters = 0
        hashes = newlines = braces = symbols = ellipses = dots = breaks = 0
        end = starts[document + 1]
        last_dot = last_dots = np.int64(-2)
        place = starts[document]
        while place < end:
            point = points_C[place]
            kind = classes[point]
            if kind & SPACE:
                newlines += point == NEWLINE
                breaks += (kind & SPECIAL) != 0
                place += 1
                continue
            first = place
            value = np.uint64(0)
            union = np.uint16(0)
            before = 0
            while True:
                union |= kind
                value = (value + np.uint64(point + 1)) * BASE
                alnum = (kind >> ALNUM_BIT) & 1
                alnums += alnum
                runs += alnum & (before ^ 1)
                before = alnum
                letters += (kind >> LETTER_BIT) & 1
                alphas += (kind >> ALPHA_BIT) & 1
                spaceless += (kind >> SPACELESS_BIT) & 1
                solid += (kind >> SOLID_BIT) & 1
                if kind & SPECIAL:
                    hashes += point == HASH
                    braces += point == BRACE
                    if point == DOTS:
                        ellipses += 1
                        symbols += last_dots != place - 1
                        last_dots = place
                    elif point == DOT:
                        dots = dots + 1 if last_dot == place - 1 else 1
                        symbols += dots == 3
                        ellipses += dots % 3 == 0
                        last_dot = place
                place += 1
                if place == end:
                    break
                point = points_C[place]
                kind = classes[point]
                if kind & SPACE:
                    break
            length = place - first
            hashes_W[word] = mix(value)
            lengths_W[word] = length
            word += 1
            characters += length
            with_letter += (union & LETTER) != 0
            with_alpha += (union & ALPHA) != 0
            if union & SOLID:
                solid_words += 1
                solid_word_characters += length
        word_starts[document + 1] = word
        row = tallies_NT[document]
        row[POINTS], row[WORDS] = end - starts[document], word - word_starts[document]
        row[LETTERS], row[SPACELESS_LETTERS], row[CHARACTERS] = letters, spaceless, characters
        row[WORDS_WITH_LETTER], row[WORDS_WITH_ALPHA], row[ALPHAS] = with_letter, with_alpha, alphas
        row[SOLID_WORDS], row[SOLID_WORD_CHARACTERS], row[SOLID_CHARACTERS] = solid_words, solid_word_characters, solid
        row[ALNUMS], row[RUNS], row[SYMBOLS] = alnums, runs, symbols + hashes
        row[HASHES], row[ELLIPSES], row[NEWLINES], row[BRACES] = hashes, ellipses, newlines, braces
        row[ODD_BREAKS] = breaks
    return tallies_NT, hashes_W[:word], lengths_W[:word], word_starts
