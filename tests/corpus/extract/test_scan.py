"""headwater/corpus/extract/scan.py: blocks as a browser would show them. The parser's own view of the text is the oracle."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from headwater.corpus.extract.blocks import (
    CHARS,
    COMMAS,
    ELEMENT,
    END,
    IN_PRE,
    LINK_CHARS,
    LINKS,
    LISTS,
    PARENT,
    START,
    STOP,
    STOPS,
    TAG,
    WIDE,
    WORDS,
)
from headwater.corpus.extract.names import TAGS
from headwater.corpus.extract.page import parsed
from headwater.corpus.extract.scan import Scanned


def texts(page: Scanned) -> list[str]:
    return [page.text[row[START] : row[END]].tobytes().decode() for row in page.blocks]


def test_blocks_end_where_block_elements_do() -> None:
    page = parsed(b"<p>a <b>b</b>\n c<p>d<div>e<ul><li>f<li>g</ul>h</div><span>i</span> j<hr>k<br>l<br> <br>m<td>n")
    assert texts(page) == ["a b c", "d", "e", "f", "g", "h", "i j", "k\nl", "mn"]


def test_white_space_and_entities() -> None:
    page = parsed(b"<p> a&nbsp;&nbsp; b\t&amp;&lt;c&gt; &#20013; </p><pre>\n  x\n    y</pre>")
    assert texts(page) == ["a b &<c> 中", "  x\n    y"]
    assert page.blocks[:, IN_PRE].tolist() == [0, 1]


def test_what_is_not_shown_is_not_text() -> None:
    hidden = "<script>a</spa>b</script><style>c</style><template>d</template><noscript>e</noscript>"
    hidden += "<svg><title>f</title></svg><select><option>g</select>"
    page = parsed(
        f"<title>T &amp; t</title><p>{hidden}seen<textarea>h</textarea><iframe>i</iframe><!-- j --><ruby>字<rt>zi</rt></ruby></p>".encode()
    )
    assert texts(page) == ["seen字"]
    assert page.title == "T &amp; t"


def test_mathematics_is_tex() -> None:
    page = parsed(b"""<p>let
<math><semantics><mi>x</mi><annotation encoding="application/x-tex">x^2 &lt; 1</annotation></semantics></math> be
<math alttext="\\alpha"><mi>a</mi></math> or <math><mi>y</mi></math>, <script type="math/tex">z_1</script>.</p>""")
    assert texts(page) == ["let $x^2 < 1$ be $\\alpha$ or $y$, $z_1$."]


def test_code_in_a_line() -> None:
    assert texts(parsed(b"<p>call <code>f(x)</code> now<pre><code>g()</code></pre>")) == ["call `f(x)` now", "g()"]


def test_counts() -> None:
    page = parsed('<ul><li>One, two. <a href="#">three four</a>!<ul><li>你好，世界。</ul></ul>'.encode())
    first, second = page.blocks
    assert first[[CHARS, WORDS, LINK_CHARS, LINKS, COMMAS, STOPS, LISTS]].tolist() == [18, 4, 9, 1, 1, 2, 1]
    assert second[[CHARS, WIDE, COMMAS, STOPS, LISTS]].tolist() == [6, 4, 1, 1, 2]


def test_elements_hold_their_blocks() -> None:
    page = parsed(b"<div><p>a</p><section><p>b</p>c</section></div><div>d</div>")
    for number, element in enumerate(page.elements):
        for block, row in enumerate(page.blocks):
            around, up = False, int(row[ELEMENT])
            while up >= 0:
                around |= up == number
                up = int(page.elements[up, PARENT])
            assert around == (element[2] <= block < element[STOP])
    assert [int(page.elements[row[ELEMENT], TAG]) for row in page.blocks] == [TAGS[tag][0] for tag in ("p", "p", "section", "div")]


PIECES = [
    "<p>",
    "</p>",
    "<div>",
    "</div>",
    "<b>",
    "</b>",
    "<a href='x'>",
    "</a>",
    "<table>",
    "<tr>",
    "<td>",
    "</table>",
    "<li>",
    "<ul>",
    "</ul>",
    "<hr>",
    "<br>",
    "<h1>",
    "</h1>",
    "<img>",
    "<i",
    ">",
    " ",
    "\n",
    "&amp;",
    "&nbsp;",
    "词",
    "word ",
    "<section class='a b'>",
    "<x-y>",
    "</x-y>",
    "<!-- c -->",
]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=50))
def test_no_text_is_lost_or_made_up(parts: list[str]) -> None:
    page = "".join(parts)
    tree = LexborHTMLParser(page)
    assert tree.root is not None
    wanted = "".join(tree.root.text().split())
    assert "".join("".join(texts(parsed(page.encode()))).split()) == wanted
