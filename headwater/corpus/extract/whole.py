"""Which blocks belong together? In: a scanned page and the probability of each block. Out: bool [B], the blocks that are kept.

A table, a list, a list of definitions, a piece of code is kept whole if its text is likely on the whole: else `8:30` would go from a
table of opening hours, and `Return type:` from a reference. A short block inside very likely text is kept although it is unlikely by
itself (a note's title, a caption). Both cost a thousandth of F1 on news (0.9415 to 0.9405 on development pages, by forests that did not
see them) and close the holes in documentation.
"""

from __future__ import annotations

import numpy as np

from headwater.core.compiled import njit
from headwater.corpus.extract import names
from headwater.corpus.extract.blocks import CHARS, FIRST, LINK_CHARS, STOP, TAG
from headwater.corpus.extract.features import letters_of
from headwater.corpus.extract.scan import Scanned

LIKELY, LIKELY_LIST = 0.5, 0.65
"""Mean probability, by letters, of a structure that is kept whole; of a list, which is often one of links to elsewhere."""
SURROUNDED, LEAST = 0.9, 0.2
"""Mean probability of the text before and of that after a block, and the block's own, for it to be kept."""
REACH = 6
"""Blocks that count as before and as after."""
LINKS = 0.5
"""Share of letters in links above which a block is not kept for its surroundings' sake."""
STRUCTURES = np.array([names.TAGS[tag][0] for tag in ("table", "dl", "pre")], np.int64)
LISTS = np.array([names.TAGS[tag][0] for tag in ("ul", "ol")], np.int64)


def kept_blocks(page: Scanned, p_B: np.ndarray, cut: float) -> np.ndarray:
    """bool [B]"""
    found: np.ndarray = _kept(page.elements, page.blocks, p_B, cut)
    return found


@njit
def _kept(elements: np.ndarray, blocks: np.ndarray, p_B: np.ndarray, cut: float) -> np.ndarray:
    B = len(blocks)
    keep = p_B > cut
    sums, weights = np.zeros(B + 1), np.zeros(B + 1)
    for b in range(B):
        weight = min(float(letters_of(blocks[b])), 400.0) + 1
        weights[b + 1] = weights[b] + weight
        sums[b + 1] = sums[b] + weight * p_B[b]
    for b in range(B):
        if keep[b] or p_B[b] <= LEAST or blocks[b, LINK_CHARS] > LINKS * blocks[b, CHARS]:
            continue
        low, high = max(0, b - REACH), min(B, b + REACH + 1)
        before = (sums[b] - sums[low]) / (weights[b] - weights[low] + 1e-9)
        after = (sums[high] - sums[b + 1]) / (weights[high] - weights[b + 1] + 1e-9)
        keep[b] = before > SURROUNDED and after > SURROUNDED
    until = 0  # structures within one that is kept need no second look
    for e in range(len(elements)):
        first, last = elements[e, FIRST], elements[e, STOP]
        if last - first < 2 or last <= until:
            continue
        least = 2.0
        for tag in STRUCTURES:
            least = LIKELY if tag == elements[e, TAG] else least
        for tag in LISTS:
            least = LIKELY_LIST if tag == elements[e, TAG] else least
        if sums[last] - sums[first] > least * (weights[last] - weights[first]):
            until = last
            for b in range(first, last):
                keep[b] |= blocks[b, LINK_CHARS] <= LINKS * blocks[b, CHARS]
    return keep
