"""headwater/corpus/privacy/gate.py: places in characters, whatever the bytes, and room for any number of anchors."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.corpus.privacy.gate import EMAIL, NUMBER, PASSPORT, anchors


def scan(*texts: str) -> list[list[int]]:
    data = [text.encode() for text in texts]
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in data])]).astype(np.int64)
    found: list[list[int]] = anchors(np.frombuffer(b"".join(data), np.uint8), offsets).tolist()
    return found


def test_places_count_characters() -> None:
    assert scan("中文a@b.cn", "", "😀 13812345678") == [[0, EMAIL, 3, 4], [2, NUMBER, 2, 13]]


def test_more_anchors_than_there_was_room_for() -> None:
    assert len(scan("a@b " * 5000)) == 5000


def test_words_for_passports() -> None:
    assert [what for _, what, _, _ in scan("Passport 护照 passport")] == [PASSPORT] * 3


@settings(deadline=None)
@given(st.text(alphabet="0123456789 -.()+aZ@=中😀", max_size=60))
def test_every_long_number_has_an_anchor(text: str) -> None:
    places = [(start, end) for _, what, start, end in scan(text) if what == NUMBER]
    run = 0
    for place, sign in enumerate(text):
        run = run + 1 if sign.isdigit() else 0
        if run == 7:
            assert any(start <= place - 6 and place < end for start, end in places)
