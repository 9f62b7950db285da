"""headwater/corpus/read/wikitext.py: what the markup leaves, by hand; hostile pages in linear time."""

from __future__ import annotations

import time

import pytest

from headwater.corpus.read.wikitext import text_of


@pytest.mark.parametrize(
    ("wikitext", "text"),
    [
        ("{{Infobox|a={{b|c}}|d=[[x]]}}'''Loom''' and ''weft''", "Loom and weft"),
        ("a [[weaving|device]], [[weave]]s, [[:Category:Looms]]", "a device, weaves, Category:Looms"),
        ("[[File:a.jpg|thumb|A [[link]] inside]]b[[文件:x.png|缩略图]][[分类:织机]]", "b"),
        ("[http://a.b label] [https://c.d] [//e.f g h]", "label  g h"),
        ('x<ref name="a">see {{y}} [[z]]</ref>y<ref name=b/>z<!-- no -->', "xyz"),
        ("== History ==\n=== Early times===\ntext", "## History\n### Early times\ntext"),
        ("* one\n** two\n# three\n: four", "- one\n  - two\n1. three\nfour"),
        ('before\n{| class="x"\n|-\n| a || {{b}}\n{|\n| c\n|}\n|}\nafter', "before\n\nafter"),
        ("<math>\\frac{{a}}{b}</math> and <code>[[x]] {{y}}</code>", "$\\frac{{a}}{b}$ and [[x]] {{y}}"),
        ("<nowiki>''[[kept]]''</nowiki>", "''[[kept]]''"),
        ("a &amp;amp; b &lt;c&gt; a < b > c", "a &amp; b <c> a < b > c"),
        ("one<br/>two __NOTOC__<div style='x'>three</div>", "one\ntwo three"),
        ("{{never closed", "{{never closed"),
        ("closed}} too", "closed}} too"),
        ("[[never closed", "[[never closed"),
        ("'''《三國》'''是[[罗贯中|羅貫中]]所作。", "《三國》是羅貫中所作。"),
    ],
)
def test_text_of(wikitext: str, text: str) -> None:
    assert text_of(wikitext) == text


SIGNS = [
    *[
        "{{",
        "[[",
        "<ref>",
        "'",
        "=",
        "<math>",
        "<nowiki>",
        "<!--",
        "[http://",
        "\n \n",
        "[//a ",
        "<a ",
        "&",
        "==a",
        "=\n",
        "<ref ",
        "=a ",
        "[[a|",
    ],
    *["{|\n", "* ", "<code>", "\x00", "__A"],
]


@pytest.mark.fault
@pytest.mark.parametrize("sign", SIGNS)
def test_time_is_linear_in_the_page(sign: str) -> None:
    started = time.process_time()
    text_of(sign * (400_000 // len(sign)))
    assert time.process_time() - started < 2


@pytest.mark.fault
@pytest.mark.parametrize(("begin", "end"), [("{{", "}}"), ("[[", "]]"), ("[[a|", "]]"), ("{|\n", "\n|}")])
def test_deep_nesting(begin: str, end: str) -> None:
    started = time.process_time()
    text_of(begin * 100_000 + "x" + end * 100_000)
    assert time.process_time() - started < 2
