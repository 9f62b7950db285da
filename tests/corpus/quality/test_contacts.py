"""headwater/corpus/quality/contacts.py: links, telephone numbers and prices counted by hand; dates and figures are none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.corpus.quality.contacts import contacts
from headwater.corpus.quality.unicode import classes


def count(text: str) -> tuple[int, ...]:
    points = np.array([ord(character) for character in text], np.int32)
    return tuple(contacts(points, np.array([0, len(points)], np.int64), classes())[0].tolist())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see http://a.example and https://www.b.example/x or www.c.example", (3, 0, 0)),
        ("call 555-123-4567 or (020) 7946 0958 or +86 138 0013 8000", (0, 3, 0)),
        ("手机13800138000，电话010-12345678。", (0, 2, 0)),
        ("$12.99, was $ 1,999; €5 and 30€, ¥88", (0, 0, 5)),
        ("仅99元，原价 199 元", (0, 0, 2)),
        ("On 2024-01-02, 1914-1918, in 1984 there were 1,234,567 of 10000000 people; 3.14159265358979", (0, 0, 0)),
        ("pi1234567890", (0, 0, 0)),
        ("", (0, 0, 0)),
        ("$", (0, 0, 0)),
        ("w", (0, 0, 0)),
    ],
)
def test_by_hand(text: str, found: tuple[int, int, int]) -> None:
    assert count(text) == found


@settings(max_examples=200, deadline=None)
@given(st.text("0123456789 -().+$元:/w,", max_size=30))
def test_any_text_ends(text: str) -> None:
    assert all(0 <= value <= len(text) for value in count(text))
