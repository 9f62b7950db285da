"""headwater/corpus/extract/blocks.py: columns are all different and all there."""

from __future__ import annotations

import numpy as np

from headwater.corpus.extract import blocks


def test_columns_do_not_overlap() -> None:
    of_blocks = [
        blocks.ELEMENT,
        blocks.START,
        blocks.END,
        blocks.CHARS,
        blocks.WORDS,
        blocks.LINK_CHARS,
        blocks.LINKS,
        blocks.COMMAS,
        blocks.STOPS,
        blocks.CAPITALS,
        blocks.DIGITS,
        blocks.STRONG_CHARS,
        blocks.WIDE,
        blocks.LISTS,
        blocks.IN_PRE,
        blocks.BARS,
        blocks.LAST,
        blocks.PLACE,
        blocks.BREAKS,
    ]
    assert sorted(of_blocks) == list(range(blocks.COLUMNS))
    of_elements = [blocks.TAG, blocks.PARENT, blocks.FIRST, blocks.STOP, blocks.DEPTH, blocks.IMAGES, blocks.INPUTS, blocks.ITEMS]
    assert sorted(of_elements) == list(range(blocks.ELEMENT_COLUMNS))


def test_a_block_begins_with_what_is_open() -> None:
    row = np.zeros(blocks.COLUMNS, np.int32)
    blocks.begin(row, 3, 10, 2, 5, 4, 99)
    assert row[[blocks.ELEMENT, blocks.START, blocks.LISTS, blocks.IN_PRE, blocks.LINKS, blocks.PLACE]].tolist() == [3, 10, 2, 1, 1, 99]
