"""Which articles are in a MediaWiki dump? In: `…-pages-articles.xml` as a stream (usually behind bz2). Out: articles as text.

One row a page of the main namespace, numbered as the pages stand in the dump; redirects and the other namespaces are passed over and
counted. Format: the export schema of MediaWiki (export-0.11.xsd).
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field

from headwater.core.errors import HeadwaterError
from headwater.corpus.read.config import Reading
from headwater.corpus.read.found import BadRow, Found, Input, Passed, Row
from headwater.corpus.read.rows import short
from headwater.corpus.read.wikitext import text_of
from headwater.corpus.read.xml import events

LARGEST = 32 << 20
"""Characters of one page; the largest of Wikipedia have two million."""
REDIRECT = re.compile(r"\s*#\s*(redirect|weiterleitung|redirection|重定向|转送|перенаправление)", re.IGNORECASE)
FIELDS = ("title", "ns", "id", "timestamp", "text")


@dataclass
class _Page:
    words: dict[str, list[str]] = field(default_factory=dict)
    size: int = 0
    redirect: bool = False

    def word(self, name: str) -> str:
        return "".join(self.words.get(name, []))


def articles(given: Input, source: Reading) -> Iterator[Found]:
    """Raises HeadwaterError for what is no dump at all; where a dump breaks off, that is counted and what came before is read."""
    page: _Page | None = None
    path: list[str] = []
    base: list[str] = []
    begun = False
    try:
        for kind, word, _ in events(given.file, given.where):
            if kind == "start":
                path.append(word)
                begun = begun or word == "mediawiki"
                if word == "page":
                    page = _Page()
                elif page is not None and word == "redirect":
                    page.redirect = True
            elif kind == "text":
                if page is not None and path[-1] in FIELDS and not ("revision" in path and path[-1] == "id"):
                    page.size += len(word)
                    if page.size <= LARGEST:
                        page.words.setdefault(path[-1], []).append(word)
                elif path and path[-1] == "base":
                    base.append(word)
            else:
                path.pop()
                if word == "page" and page is not None:
                    yield _article(page, "".join(base), given.where)
                    page = None
    except HeadwaterError as error:
        if not begun:
            raise
        yield Passed(f"the dump breaks off ({error.what})")
    if not begun:
        raise HeadwaterError("is no MediaWiki dump", where=given.where, mend="check its `format:`")


def _article(page: _Page, base: str, where: str) -> Found:
    title = page.word("title").strip()
    if page.size > LARGEST:
        what = f"has a page of more than {LARGEST >> 20} million characters ('{short(title)}')"
        return BadRow(HeadwaterError(what, where=where, mend="set `on_bad_row: skip`"))
    if page.word("ns").strip() not in ("", "0"):
        return Passed("pages of other namespaces", row=True)
    wikitext = page.word("text")
    if page.redirect or REDIRECT.match(wikitext):
        return Passed("redirects", row=True)
    fields = {"title": title, "page": page.word("id").strip(), "created": page.word("timestamp").strip(), "url": _url(base, title)}
    text = text_of(wikitext)
    return Row(f"{title}\n\n{text}".strip(), {key: value for key, value in fields.items() if value})


def _url(base: str, title: str) -> str:
    """Beside the main page, which the dump names."""
    folder = base.rpartition("/")[0]
    return f"{folder}/{urllib.parse.quote(title.replace(' ', '_'), safe=':/(),')}" if folder else ""
