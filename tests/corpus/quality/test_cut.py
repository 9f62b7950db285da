"""headwater/corpus/quality/cut.py: the lines that C4 and RefinedWeb cut, against plain Python and against hand labels."""

from __future__ import annotations

import inspect
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headwater.core.config import validate
from headwater.corpus.document import Document, batch_of, buffers_of
from headwater.corpus.quality.config import Quality
from headwater.corpus.quality.cut import REASONS
from headwater.corpus.quality.sets import SETS
from headwater.corpus.quality.texts import Tables, Texts
from tests.corpus.quality import reference

C4 = Tables(Quality(rules=["c4"]))


def cut(text: str, tables: Tables) -> tuple[list[tuple[int, int, str]], int]:
    """`(spans, sentences)` of one text, with another before it."""
    texts = Texts(*buffers_of(batch_of([Document("a", "Before it. 天。\n", "s"), Document("b", text, "s")])), tables)
    spans, counts = texts.cut
    return [(start, end, REASONS[reason]) for document, start, end, reason in spans.tolist() if document == 1], int(counts[1, 0])


PIECES = st.sampled_from(
    [
        "a",
        "bc d",
        " ",
        "\n",
        ".",
        "...",
        "…",
        "……",
        "。",
        "天下",
        "大势分久必合",
        "”",
        ")",
        "?",
        "JavaScript",
        "Cookie Policy",
        "a word or two",
        "x" * 1001,
        "隐私政策",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=40).map("".join) | st.text(max_size=60))
@example("One. Two! Three?\n\n “Four.” he said.\nno end\nA b.\nWe use JavaScript here.\n")
@example("天下大势，分久必合……\n合久必分。好\n走。\n本站的隐私政策在这里。\n")
def test_c4_equals_plain_python(text: str) -> None:
    text = re.sub("[\ud800-\udfff]", "?", text)
    assert cut(text, C4) == reference.c4_lines(text), repr(text)


def test_c4_equals_plain_python_on_real_text() -> None:
    text = inspect.getsource(re)
    assert cut(text, C4) == reference.c4_lines(text)
    assert cut(text, C4)[0]


KEPT = [
    "This is a line of text that someone wrote.",
    "HAMLET. Whither wilt thou lead me? Speak; I'll go no further.",
    "In 1984 there were 12 of them, and 3 likes of mine",
    "I would like to sign in at the hotel before we read more of the book and its many long chapters.",
    "今天天气很好，我们去公园。",
    "他在2008年登录了那座岛，从此再也没有回来过，也没有人知道他去了哪里。",
]
CUT = [
    ("HOME ABOUT CONTACT NEWS", "refinedweb.uppercase"),
    ("12,345.67 (89%)", "refinedweb.numeric"),
    ("2024-01-02 10:30", "refinedweb.numeric"),
    ("3 likes", "refinedweb.counters"),
    ("12 Comments · 3 shares", "refinedweb.counters"),
    ("阅读 1234", "refinedweb.counters"),
    ("12 条评论", "refinedweb.counters"),
    ("点赞(15) 收藏(3)", "refinedweb.counters"),
    ("Menu", "refinedweb.words"),
    ("首页", "refinedweb.words"),
    ("Sign in to your account", "refinedweb.phrases"),
    ("The storm has passed, read more...", "refinedweb.phrases"),
    ("You have 3 items in cart today", "refinedweb.phrases"),
    ("登录后可以评论", "refinedweb.phrases"),
    ("风暴已经过去，查看更多", "refinedweb.phrases"),
]


def refinedweb(line: str, **lines: object) -> str | None:
    """Why a line is cut. Chinese around a line makes its text one in characters, English one in words."""
    tables = Tables(validate(Quality, {"rules": ["refinedweb"], "refinedweb": {"lines": lines}}))
    han = reference.spaceless(line) > 0.5
    around = (
        "这里是一段很长的正文，它说明了上下文使用的语言。" if han else "Here is quite a long line of prose, so that there is some context."
    )
    spans, _ = cut(f"{around}\n{line}\n{around}", tables)
    assert len(spans) <= 1
    assert all(start == len(around) + 1 and end == start + len(line) for start, end, _ in spans)
    return spans[0][2] if spans else None


@pytest.mark.parametrize("line", KEPT)
def test_refinedweb_keeps_prose(line: str) -> None:
    assert refinedweb(line) is None


@pytest.mark.parametrize(("line", "reason"), CUT)
def test_refinedweb_cuts_what_nobody_wrote_to_be_read(line: str, reason: str) -> None:
    assert refinedweb(line) == reason


@pytest.mark.parametrize(
    ("line", "off"),
    [
        ("HOME ABOUT CONTACT NEWS", {"uppercase": None}),
        ("12,345.67 (89%) 3", {"numeric": False}),
        ("13 likes", {"counters": False}),
        ("Menu", {"words": 0}),
        ("首页", {"characters": 0}),
        ("Sign in to your account", {"phrases": False}),
    ],
)
def test_each_rule_on_lines_can_be_switched_off(line: str, off: dict[str, object]) -> None:
    assert refinedweb(line) is not None
    assert refinedweb(line, **off) is None


def test_what_is_lost_is_a_share_of_the_units() -> None:
    config = Quality(rules=["refinedweb"])
    texts = Texts(*buffers_of(batch_of([Document("a", "nine words of text stand in this first line\nMenu", "s")])), Tables(config))
    assert SETS["refinedweb"](texts)["removed"].tolist() == [1 / 10]


def test_more_spans_than_fit_at_first() -> None:
    spans, _ = cut("no end\nHere one ends.\n" * 3000, C4)
    assert len(spans) == 3000
    assert spans[-1] == (2999 * 22, 2999 * 22 + 6, "c4.punctuation")


def test_lines_cut_together_are_one_span() -> None:
    assert cut("no end\nnone\n\nSo.\nNo.\n", C4)[0] == [(0, 11, "c4.punctuation"), (13, 20, "c4.words")]


def test_the_spans_of_one_document_are_bounded() -> None:
    """So that a hostile page of a million lines is no trouble; its losses are counted all the same."""
    lines = 140_000
    texts = Texts(*buffers_of(batch_of([Document("a", "x\n\n" * lines, "s"), Document("b", "no end", "s")])), C4)
    spans, counts = texts.cut
    assert (spans[:, 0] == 0).sum() == 1 << 17
    assert (spans[:, 0] == 1).sum() == 1
    assert counts[0, 1] == lines
