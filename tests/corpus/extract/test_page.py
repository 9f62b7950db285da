"""headwater/corpus/extract.py: of a page stays what somebody would read."""

from __future__ import annotations

import json
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.corpus.document import Document, batch_of, scores_of
from headwater.corpus.extract.config import Extract
from headwater.corpus.extract.page import depth_of, extract, page_text

# The bones of a page that Sphinx makes (written for this test).
PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"/><title>draw.circle &#8212; toy 1.0 documentation</title>
<script>var tracking = "SCRIPT";</script><style>.body { color: STYLE }</style></head><body>
<div class="header"><div class="pagelinks"><a href="/">TOY HOME</a> || <a href="../genindex.html">REFERENCE INDEX</a>
<form action="search"><input name="q" value="FORMVALUE"></form></div></div>
<nav><ul><li><a href="a.html">NAVIGATION A</a></li><li><a href="b.html">NAVIGATION B</a></li></ul></nav>
<div class="documentwrapper"><div class="body" role="main"><section id="draw">
<h1>Drawing circles<a class="headerlink" href="#draw">¶</a></h1>
<p>A circle is drawn around its <em>centre</em>, which need not lie on the surface. The colour may be transparent,
and the width is measured inwards from the radius.</p>
<h2>What it takes</h2>
<ul><li><p>the surface to draw on</p></li><li><p>the colour &amp; the radius</p></li></ul>
<div class="highlight"><pre><span class="n">circle</span><span class="p">(</span>surface, red,
    radius=<span class="mi">4</span><span class="p">)</span></pre></div>
<p>The rectangle that was changed is returned, so that only this part of the screen has to be shown again.</p>
</section></div></div>
<div class="sphinxsidebar" role="navigation"><a href="old.html">PREVIOUS TOPIC</a></div>
<div class="footer">&copy; COPYRIGHT LINE. <a href="#">EDIT ON FORGE</a></div></body></html>"""


def test_a_documentation_page() -> None:
    title, text = page_text(PAGE, Extract())
    assert title == "draw.circle — toy 1.0 documentation"
    for kept in ("Drawing circles", "A circle is drawn around its centre", "What it takes", "the colour & the radius",
                 "circle(surface, red,\n    radius=4)", "The rectangle that was changed"):  # fmt: skip
        assert kept in text
    for dropped in ("SCRIPT", "STYLE", "TOY HOME", "NAVIGATION A", "PREVIOUS TOPIC", "FORMVALUE", "<p>", "REFERENCE INDEX"):
        assert dropped not in text
    assert text.index("Drawing circles") < text.index("A circle") < text.index("What it takes") < text.index("circle(surface")
    lines = [line.strip() for line in text.splitlines()]
    assert "Drawing circles" in lines
    assert sum("the surface to draw on" in line for line in lines) == 1


def test_selectors_leave_out_more() -> None:
    _, text = page_text(PAGE, Extract(skip=[".highlight"]))
    assert "circle(" not in text
    assert "Drawing circles" in text


def test_only_pages_are_extracted_and_the_title_is_noted() -> None:
    batch = batch_of(
        [Document("a", PAGE, "s", form="html", meta={"x": 1}), Document("b", "a < b <p>", "s"), Document("c", "<p> </p>", "s", form="html")]
    )
    found = extract(batch, Extract())
    assert json.loads(found.column("meta")[0].as_py())["x"] == 1
    assert json.loads(found.column("meta")[0].as_py())["title"].startswith("draw.circle")
    assert found.column("text")[1].as_py() == "a < b <p>"
    assert scores_of(found, "empty").tolist() == [0, 0, 1]
    assert found.num_rows == batch.num_rows


def test_a_hundred_thousand_nested_tags_cost_no_time() -> None:
    started = time.monotonic()
    _, text = page_text("<div>" * 100_000 + "the words inside &amp; more" + "</div>" * 100_000, Extract())
    assert text == "the words inside & more"
    assert time.monotonic() - started < 5


def test_depth() -> None:
    assert depth_of("<div><p>a<p>b<br><b>c</b></div>") == 2
    assert depth_of("</a></a>text") == 0


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [*"<>/=\"'& \0\n", "<div", "<p>", "</p>", "<!--", "-->", "<table>", "<script>", "&#xD800;", "&amp", "词", "word", "<svg>"]
        ),
        max_size=40,
    )
)
def test_tag_soup_gives_text_that_arrow_can_hold(parts: list[str]) -> None:
    batch = extract(batch_of([Document("a", "".join(parts), "s", form="html")]), Extract())
    assert batch.num_rows == 1
