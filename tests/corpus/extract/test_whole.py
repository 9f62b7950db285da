"""headwater/corpus/extract/whole.py: holes are closed where the text around is sure, and nowhere else."""

from __future__ import annotations

import numpy as np

from headwater.corpus.extract.page import parsed
from headwater.corpus.extract.whole import kept_blocks

P = b"<p>some words that make a paragraph of a certain length</p>"


def kept(page: bytes, p: list[float]) -> list[bool]:
    found: list[bool] = kept_blocks(parsed(page), np.array(p, np.float32), 0.5).tolist()
    return found


def test_a_table_is_kept_or_dropped_whole() -> None:
    table = b"<table><tr><td>opening hours of the library</td><td>8:30</td></tr><tr><td>closing hours of it</td><td>22:00</td></tr></table>"
    assert kept(table, [0.9, 0.1, 0.8, 0.1]) == [True] * 4
    assert kept(table, [0.4, 0.1, 0.6, 0.1]) == [False, False, True, False]


def test_links_are_not_kept_for_their_list() -> None:
    assert kept(b"<ul><li>plain words of an item</li><li><a href=x>link</a></li></ul>", [0.9, 0.1]) == [True, False]


def test_a_short_block_within_sure_text_is_kept() -> None:
    assert kept(P * 3 + b"<p>Note</p>" + P * 3, [0.95] * 3 + [0.3] + [0.95] * 3)[3]
    assert not kept(P * 3 + b"<p>Note</p>" + P * 3, [0.95] * 3 + [0.1] + [0.95] * 3)[3]
    assert not kept(P * 3 + b"<p>Note</p>" + P * 3, [0.95] * 3 + [0.3] + [0.6] * 3)[3]
    assert not kept(P * 3 + b"<p>Note</p>", [0.95] * 3 + [0.3])[3]
