"""headwater/corpus/apply.py: marked spans, cut or replaced."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headwater.corpus.apply import apply

TEXT = "Write to ann@x.org.\nBuy now!\nThe river is wide.\n"


def tag(kind: str, text: str, id: str) -> str | None:
    return f"<{kind.upper()}>" if kind == "email" else None


def test_what_has_a_replacement_is_replaced_and_the_rest_is_cut() -> None:
    spans = [(9, 18, "email"), (20, 28, "line:advert")]
    assert TEXT[9:18] == "ann@x.org"
    assert TEXT[20:28] == "Buy now!"
    assert apply(TEXT, spans, "d", tag) == "Write to <EMAIL>.\nThe river is wide."


def test_of_overlapping_stand_ins_the_longest_counts_and_cuts_are_joined() -> None:
    assert apply("abcdefgh", [(2, 4, "x"), (2, 6, "x"), (5, 8, "x")], "d", tag) == "ab"
    assert apply("abcdefgh", [(1, 3, "email"), (2, 6, "email")], "d", tag) == "ab<EMAIL>gh"


def test_a_cut_leaves_no_half_of_what_has_a_stand_in() -> None:
    assert apply("abcdefgh", [(0, 3, "x"), (2, 5, "email")], "d", tag) == "<EMAIL>fgh"
    assert apply("abcdefgh", [(4, 8, "x"), (2, 5, "email")], "d", tag) == "ab<EMAIL>"
    assert apply("abcdefgh", [(0, 8, "x"), (2, 5, "email")], "d", tag) == "", "what is cut as a whole needs no stand-in"
    assert apply("abcdefgh", [(1, 3, "x"), (2, 5, "email"), (4, 6, "x")], "d", tag) == "a<EMAIL>gh"


def test_spans_count_characters() -> None:
    assert apply("写信给：甲@乙.中国。好", [(4, 10, "email")], "d", tag) == "写信给：<EMAIL>。好"


@given(st.text(max_size=40), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6))
def test_everything_outside_spans_stays(text: str, pairs: list[tuple[int, int]]) -> None:
    text = text.replace("\n", " ")
    spans = [(min(pair), min(max(pair), len(text)), "x") for pair in pairs if min(pair) < min(max(pair), len(text))]
    covered = {place for start, end, _ in spans for place in range(start, end)}
    assert apply(text, spans, "d", tag) == "".join(sign for place, sign in enumerate(text) if place not in covered)
