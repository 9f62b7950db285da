"""The table of special tokens is whole: a spelling for every name that a recipe may give, and none twice."""

from __future__ import annotations

from typing import get_args

from headwater.tokens.specials import EXTRAS, SPECIALS, UNKNOWN, Extra, Name, sentinel, spellings


def test_every_name_is_spelled_once() -> None:
    assert tuple(EXTRAS) == get_args(Extra)
    assert {*SPECIALS, *EXTRAS, "unknown"} == {*get_args(get_args(Name)[0]), *get_args(get_args(Name)[1])}
    texts = [*SPECIALS.values(), *EXTRAS.values(), UNKNOWN, sentinel(0), sentinel(11)]
    assert len(set(texts)) == len(texts)
    assert all(text.startswith("<|") and text.endswith("|>") and len(text) > 4 for text in texts)


def test_the_order_is_the_table_s() -> None:
    assert spellings() == SPECIALS
    assert list(spellings(("x", "mask"), 2)) == [*SPECIALS, "mask", "x", "0", "1"]
