"""What is counted of each element and each block of a page? The columns of the scanner's arrays, for all compiled passes.

An element's row is int32 [ELEMENT_COLUMNS], a block's int32 [COLUMNS].
"""

from __future__ import annotations

import numpy as np

from headwater.core.compiled import njit

ELEMENT = 0
START, END = 1, 2
"""Columns of a block: number of its element; its bytes in the text."""
CHARS, WORDS, LINK_CHARS, LINKS, COMMAS, STOPS, CAPITALS, DIGITS, STRONG_CHARS, WIDE, LISTS, IN_PRE, BARS, LAST, PLACE, BREAKS = range(
    3, 19
)
"""Characters (no spaces), words, characters and number of links, commas and the like, ends of sentences, words with a capital,
digits, bold characters, Chinese and Japanese characters, depth of lists, whether preformatted, `|©»·` and the like, kind of the last
character, byte in the page, line breaks."""
COLUMNS = 19
TAG, PARENT, FIRST, STOP, DEPTH, IMAGES, INPUTS, ITEMS = range(8)
"""Columns of an element: number of its tag, element around it, its blocks [FIRST, STOP), how deep, images and form fields directly in
it; of a list the items so far, of an item its number in an ordered list (0: not in one)."""
ELEMENT_COLUMNS = 8
HIDDEN = 1 << 40
"""Beside the kinds of names: the element is not shown."""


@njit(inline="never")
def begin(row: np.ndarray, element: int, out: int, lists: int, pre: int, links: int, place: int) -> None:
    """A block begins: its row is given its element and what is open around it."""
    row[ELEMENT] = element
    row[START] = out
    row[LISTS] = lists
    row[IN_PRE] = pre > 0
    row[LINKS] = links > 0
    row[PLACE] = place
