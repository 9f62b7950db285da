"""headwater/corpus/extract/text.py: the compiled reading of text against Python's own."""

from __future__ import annotations

import html

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.corpus.extract.blocks import CHARS, COLUMNS, LINK_CHARS, WORDS
from headwater.corpus.extract.text import STATE, put, read_text


def read(source: str, pre: int = 0, links: int = 0) -> tuple[str, np.ndarray]:
    data = np.frombuffer(source.encode(), np.uint8)
    text, row, state = np.zeros(len(data) * 2 + 2, np.uint8), np.zeros(COLUMNS, np.int32), np.zeros(STATE, np.int64)
    out = read_text(data, 0, len(data), text, 0, row, state, 0, 0, pre, links, 0)
    return text[:out].tobytes().decode(), row


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["a", "Bc", "1", " ", "\n", "\t", "\xa0", "&amp;", "&lt;", "&gt;", "&nbsp;", "é", "中", "。", "😀", ","]),
        max_size=30,
    )
)
def test_white_space_collapses_and_counts_are_right(parts: list[str]) -> None:
    source = "".join(parts)
    wanted = " ".join(html.unescape(source).split())
    found, row = read(source, links=1)
    assert found == wanted
    assert row[CHARS] == row[LINK_CHARS] == len(wanted.replace(" ", ""))
    assert row[WORDS] == len(wanted.split())


@settings(deadline=None)
@given(st.text(st.sampled_from("ab \n\t中"), min_size=1, max_size=30))
def test_preformatted_text_stays(source: str) -> None:
    assert read(source, pre=1)[0] == source


def test_a_sign_begins_a_block_or_stands_after_a_space() -> None:
    text, row, state = np.zeros(9, np.uint8), np.zeros(COLUMNS, np.int32), np.zeros(STATE, np.int64)
    out = put(text, 0, 36, row, state, 0, 0, 0, 0, 0)
    state[1] = 1
    out = put(text, out, 96, row, state, 0, 0, 0, 0, 0)
    assert text[:out].tobytes() == b"$ `"
