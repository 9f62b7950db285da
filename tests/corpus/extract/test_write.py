"""headwater/corpus/extract/write.py: kept blocks as Markdown."""

from __future__ import annotations

import numpy as np
import pytest

from headwater.corpus.extract.config import Extract
from headwater.corpus.extract.page import parsed
from headwater.corpus.extract.write import markdown


def written(page: str, **options: bool) -> str:
    scanned = parsed(page.encode())
    return markdown(scanned, np.ones(len(scanned.blocks), bool), Extract.model_validate(options))


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<h1>A</h1><h3>B <i>b</i><a href=#>¶</a></h3><p>c", "# A\n\n### B b\n\nc"),
        ("<p>a<ul><li>b<li>c<ul><li>d</ul></ul><p>e", "a\n\n- b\n- c\n  - d\n\ne"),
        ("<ol><li>a<li><p>b<p>c<li>d</ol>", "1. a\n2. b\n   c\n3. d"),
        ("<blockquote><p>a<br>b<p>c</blockquote>d", "> a\n> b\n\n> c\n\nd"),
        ("<pre>x = 1\n\n  y</pre>", "```\nx = 1\n\n  y\n```"),
        ("<pre>a ``` b</pre>", "````\na ``` b\n````"),
        ("<table><tr><th>a<th>b<tr><td>1|2<td>3<br>4</table>", "| a | b |\n| --- | --- |\n| 1\\|2 | 3 4 |"),
        ("<table><caption>T<tr><td>a<td>b</table>", "T\n\n| a | b |"),
        ("<table><tr><td>only<tr><td>layout</table>", "only\n\nlayout"),
        ("<table><tr><td>" + "long " * 80 + "<td>b</table>", "long " * 79 + "long\n\nb"),
        ("<p>e\u0301</p>", "\u00e9"),
        ("", ""),
    ],
)
def test_markdown(page: str, text: str) -> None:
    assert written(page) == text


def test_options() -> None:
    assert written("<p>a<pre>b</pre><p>c", code=False) == "a\n\nc"
    assert written("<p>a<table><tr><td>1<td>2</table>", tables=False) == "a"
    assert written("<ul><li>a<li>b</ul>", lists=False) == "a\n\nb"


def test_only_kept_blocks_are_written() -> None:
    scanned = parsed(b"<p>a<p>b<p>c")
    assert markdown(scanned, np.array([True, False, True]), Extract()) == "a\n\nc"
