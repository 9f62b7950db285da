"""headwater/corpus/read/epub.py: chapters in the order of the spine; a hostile or broken book is a sentence."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Callable

import pytest

from headwater.core.errors import HeadwaterError
from headwater.corpus.document import Document

Documents = Callable[..., list[Document]]


CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="{}"/></rootfiles></container>'
)
PACKAGE = """<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">
<metadata><dc:title>The Loom</dc:title><dc:creator>Ada</dc:creator><dc:language>en</dc:language><dc:date>1843</dc:date></metadata>
<manifest><item id="b" href="text/two%20.xhtml"/><item id="a" href="text/one.xhtml"/><item id="n" href="nav.xhtml"/>
<item id="css" href="a.css"/></manifest>
<spine><itemref idref="n" linear="no"/><itemref idref="a"/><itemref idref="b"/></spine></package>"""
CHAPTER = '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>x</title></head><body><h1>{}</h1><p>Words &amp; 字.</p></body></html>'


def epub(**other: str) -> bytes:
    files = {
        "META-INF/container.xml": CONTAINER.format("OEBPS/content.opf"),
        "OEBPS/content.opf": PACKAGE,
        "OEBPS/text/two .xhtml": CHAPTER.format("Two"),
        "OEBPS/text/one.xhtml": CHAPTER.format("One"),
        "OEBPS/nav.xhtml": "<p>contents</p>",
        **{name.replace("__", "/").replace("_dot_", "."): text for name, text in other.items()},
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        for name, text in files.items():
            if text:
                archive.writestr(name, text)
    return buffer.getvalue()


def test_a_book(documents: Documents) -> None:
    (found,) = documents("a.epub", epub())
    assert found.text.replace("\n\n", "\n").split("\n") == ["One", "Words & 字.", "Two", "Words & 字."]
    assert (found.id, found.form, found.language, found.created) == ("s/a.epub", "text", "en", "1843")
    assert found.meta == {"title": "The Loom", "author": "Ada"}


def test_a_long_book_is_cut(documents: Documents) -> None:
    book = epub(OEBPS__text__one_dot_xhtml=CHAPTER.format("word " * 500))
    assert [found.id for found in documents("a.epub", book, longest=1000)][:2] == ["s/a.epub#1", "s/a.epub#2"]


@pytest.mark.fault
def test_a_chapter_that_is_missing_or_leads_out_is_left_out_and_counted(documents: Documents) -> None:
    for href in ("text/none.xhtml", "../../../../etc/passwd", "/etc/passwd"):
        bad: Counter[str] = Counter()
        (found,) = documents("a.epub", epub(OEBPS__content_dot_opf=PACKAGE.replace("text/two%20.xhtml", href)), bad)
        assert "root:" not in found.text and found.text.startswith("One")
        assert sum(bad.values()) == 1


@pytest.mark.fault
@pytest.mark.parametrize(
    ("book", "said"),
    [
        (b"no zip", "is no whole zip archive"),
        (epub()[:-200], "is no whole zip archive"),
        (epub(**{"META-INF__container_dot_xml": "<a/>"}), "its container names no package"),
        (epub(**{"META-INF__container_dot_xml": ""}), "has no 'META-INF/container.xml' inside"),
        (epub(OEBPS__content_dot_opf="<package>" + "<a>" * 100_000), "nested more than 1,000 deep"),
        (epub(OEBPS__content_dot_opf="<package><metadata>"), "is no whole XML"),
        (epub(OEBPS__content_dot_opf='<!DOCTYPE p [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><package>&b;</package>'), "declares entities"),
        (epub(OEBPS__content_dot_opf='<!DOCTYPE p [<!ENTITY a SYSTEM "file:///etc/passwd">]><package>&a;</package>'), "declares entities"),
    ],
)
def test_a_broken_book_is_a_sentence(documents: Documents, book: bytes, said: str) -> None:
    with pytest.raises(HeadwaterError, match=said):
        documents("a.epub", book)
    bad: Counter[str] = Counter()
    assert documents("a.epub", book, bad, on_bad_row="skip") == []
    assert bad == {"s/a.epub": 1}
