"""headwater/corpus/extract/guard.py: what the parser cannot do in bounded time is seen beforehand; nothing that reads as text is lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from headwater.corpus.extract.blocks import PLACE
from headwater.corpus.extract.guard import ATTRIBUTES, DEPTH, prepared, without_tags
from headwater.corpus.extract.page import parsed


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * (DEPTH + 1),
        "<ul><li>" * (DEPTH + 1),
        "<p " + "a=1 " * (ATTRIBUTES + 1) + ">",
        '<p a="1"' + 'b="2"' * (ATTRIBUTES + 1) + ">",
        "<svg><script>" + "<div>" * (DEPTH + 1),
        "<!--><div>" + "<div>" * (DEPTH + 1),
        "<textarea><!--</textarea>" + "<div>" * (DEPTH + 1),
        "<xmp><!--</xmp>" + "<div>" * (DEPTH + 1),
        "<script></script>" + "<i>" * (DEPTH + 1),
    ],
)
def test_what_would_take_too_long_is_refused(page: str) -> None:
    assert prepared(page.encode()) is None


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * DEPTH,
        "<p>" * 100_000,
        "<li>" * 100_000,
        "<br>" * 100_000,
        "<i></i>" * 100_000,
        "<script>" + "if(a<b)" * 10_000 + "</script>",
        "<!-- " + "<div>" * 10_000 + " -->",
        "<p title='" + "a b " * 10_000 + "'>",
    ],
)
def test_what_only_looks_deep_is_not(page: str) -> None:
    assert prepared(page.encode()) is not None


def test_scripts_styles_comments_and_idle_attributes_go() -> None:
    page = (
        b'<p class="a" data-x="1" onclick="f()" id=b style="c">x<script src="y">var a = "<p>";</script><!-- no --><style>p{}</style>z</p>'
    )
    assert prepared(page) == b'<p class="a"   id=b style="c">x<script ></script><!----><style></style>z</p>'
    assert (
        prepared(page, lean=False)
        == b'<p class="a" data-x="1" onclick="f()" id=b style="c">x<script src="y"></script><!----><style></style>z</p>'
    )
    tex = b'<script type="math/tex">x^2</script>'
    assert prepared(tex) == tex


PIECES = [
    *"<>/=\"'! -x\n",
    "<div>",
    "</div>",
    "<p class='a b'>",
    "<!--",
    "-->",
    "--!>",
    "<!-->",
    "<script>",
    "</script>",
    "<style>",
    "</style>",
    "<svg>",
    "</svg>",
    "<![CDATA[",
    "]]>",
    "<textarea>",
    "</textarea>",
    "<title>",
    "</title>",
    " id=x",
    ' title="a>b"',
    "word",
    "<math>",
    "</math>",
]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_the_parser_sees_the_same_text(parts: list[str]) -> None:
    """The oracle is the parser itself, given the whole page."""
    page = "".join(parts)
    lean = prepared(page.encode())
    assert lean is not None
    whole, rest = LexborHTMLParser(page), LexborHTMLParser(lean)
    for tree in (whole, rest):
        tree.strip_tags(["script", "style"])
    assert whole.root is not None
    assert rest.root is not None
    assert rest.root.text() == whole.root.text()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_depth_is_never_less_than_the_parsers(parts: list[str]) -> None:
    page = "<div>" * (DEPTH - 3) + "".join(parts) + "<div>" * 20
    if prepared(page.encode()) is not None:
        deepest = LexborHTMLParser(page).css("div")
        depth, node = 0, deepest[-1] if deepest else None
        while node is not None:
            depth, node = depth + 1, node.parent
        assert depth < DEPTH + 80


def test_text_without_tags() -> None:
    assert without_tags(b"<p>a &amp; b</p><script>no()</script><style>no</style><strong>c</strong> 1 < 2") == "a & b\nc\n 1 < 2"
    assert without_tags(b"<a" * 100_000) == ""


MORE = [
    *("<pre>", "</pre>", "<p>", "<br>", "<td>", "<table>", "<li>", "<code>", '<script type="math/tex">', "<plaintext>", "<select>"),
    *("  \n\t ", "\r\n\r\n", "&nbsp;", "</svg >", "<annotation encoding='application/x-tex'>", " style='display:none'", " hidden"),
]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from([*PIECES, *MORE]), max_size=40))
def test_the_scanner_sees_the_same_page(parts: list[str]) -> None:
    """Elements, kinds of names, blocks and their text come out as from the whole page; but for the bytes where blocks begin in it."""
    page = "".join(parts).encode()
    lean = prepared(page)
    assert lean is not None
    whole, rest = parsed(page), parsed(lean)
    assert rest.text.tobytes() == whole.text.tobytes()
    assert rest.title == whole.title
    assert np.array_equal(np.delete(rest.blocks, PLACE, axis=1), np.delete(whole.blocks, PLACE, axis=1))
    for name in ("elements", "kinds", "counts"):
        assert np.array_equal(getattr(rest, name), getattr(whole, name))
