"""Which reader reads a file? In: its name and what the source says. Out: a format: how it is read, numbered and cut.

    text markdown html code latex pdf epub      one document a file
    jsonl json yaml csv tsv parquet             rows
    warc mbox mediawiki                         pages, mails, articles

The ending of the name decides, unless the source says `format:`. Code is never recognised by itself: `.py` is text like any other,
until `format: code` says that a tree of code is meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from headwater.core.errors import HeadwaterError
from headwater.corpus.read.code import code
from headwater.corpus.read.config import Reading
from headwater.corpus.read.decode import decoded
from headwater.corpus.read.epub import book
from headwater.corpus.read.found import Found, Input, Passed, Row
from headwater.corpus.read.latex import paper
from headwater.corpus.read.lines import whole
from headwater.corpus.read.markdown import markdown
from headwater.corpus.read.mbox import mails
from headwater.corpus.read.mediawiki import articles
from headwater.corpus.read.open import KEPT_PACKED, put_aside
from headwater.corpus.read.pdf import pages
from headwater.corpus.read.rows import csv_rows, json_rows, jsonl_rows, tsv_rows, yaml_rows
from headwater.corpus.read.table import parquet_rows
from headwater.corpus.read.warc import Damage, pages_of

LARGEST_PAGE = 64 << 20
"""Bytes of one HTML file."""


@dataclass(frozen=True, slots=True)
class Format:
    """`rows`: it has many documents, numbered in their ids. `cut`: how a large file of it can be cut (pieces.py)."""

    read: Callable[[Input, Reading], Iterator[Found]]
    rows: bool = False
    cut: str | None = None
    kept: tuple[str, ...] = KEPT_PACKED
    """Endings of packed files that the reader opens itself."""


def _page(given: Input, source: Reading) -> Iterator[Found]:
    data = whole(given.file, given.where, LARGEST_PAGE)
    text, same = decoded(data, given.where, html=True)
    yield Row(text, form="html", utf8=data if same else None)


def _text(given: Input, source: Reading) -> Iterator[Found]:
    raise AssertionError("text is read in blocks, by documents.py")


def _jsonl(given: Input, source: Reading) -> Iterator[Found]:
    if given.piece is None:
        return jsonl_rows(given.file, given.where, source)
    return jsonl_rows(given.file, given.where, source, given.piece.encoding, given.piece.lines + 1)


def _parquet(given: Input, source: Reading) -> Iterator[Found]:
    if given.piece is None:
        file = given.file if given.file.seekable() else put_aside(given.file, given.where)
        return parquet_rows(file, given.where, source)
    return parquet_rows(given.file, given.where, source, range(given.piece.start, given.piece.stop), given.piece.rows)


def _warc(given: Input, source: Reading) -> Iterator[Found]:
    """A page that is empty or no text is passed over, and so is the place where the archive is damaged."""
    start, stop = (0, None) if given.piece is None else (given.piece.start, given.piece.stop)
    for page in pages_of(given.file, given.where, start, stop):
        if isinstance(page, Damage):
            yield Passed(page.what)
            continue
        try:
            text, same = decoded(page.data, given.where, html=page.html, declared=page.charset)
        except HeadwaterError:
            yield Passed(row=True)
            continue
        yield Row(text, {"url": page.url, "created": page.created}, form="html" if page.html else "text", utf8=page.data if same else None)


FORMATS: dict[str, Format] = {
    "text": Format(_text, cut="text"),
    "html": Format(_page),
    "markdown": Format(markdown),
    "code": Format(code),
    "latex": Format(paper, kept=(".tar.gz", ".tgz", ".gz")),
    "pdf": Format(pages),
    "epub": Format(book),
    "jsonl": Format(_jsonl, rows=True, cut="rows"),
    "json": Format(lambda given, source: json_rows(given.file, given.where, source), rows=True),
    "yaml": Format(lambda given, source: yaml_rows(given.file, given.where, source), rows=True),
    "csv": Format(lambda given, source: csv_rows(given.file, given.where, source), rows=True),
    "tsv": Format(lambda given, source: tsv_rows(given.file, given.where, source), rows=True),
    "parquet": Format(_parquet, rows=True, cut="groups"),
    "warc": Format(_warc, rows=True, cut="members"),
    "mbox": Format(mails, rows=True),
    "mediawiki": Format(articles, rows=True),
}
ENDINGS = {
    "jsonl": "jsonl", "ndjson": "jsonl", "json": "json", "yaml": "yaml", "yml": "yaml", "csv": "csv", "tsv": "tsv", "parquet": "parquet",
    "html": "html", "htm": "html", "xhtml": "html", "warc": "warc", "wet": "warc",
    "md": "markdown", "markdown": "markdown", "tex": "latex", "pdf": "pdf", "epub": "epub", "mbox": "mbox",
}  # fmt: skip


def format_of(name: str, source: Reading) -> str:
    """The name of the format of a file that is called so, with or without the ending of a compression."""
    if source.format is not None:
        return source.format
    name = PACKED.sub("", name.lower())
    if DUMP.search(name):
        return "mediawiki"
    found = ENDINGS.get(PurePosixPath(name).suffix.lstrip("."), "text")
    return "text" if found == "markdown" and source.join is not None else found  # packs of lines are made of lines


DUMP = re.compile(r"-pages-(articles|meta)[^/]*\.xml(-[^/]*)?$")
PACKED = re.compile(r"\.(gz|bz2|xz|zst)$")
