"""What does a book in EPUB say? In: the file. Out: its chapters in the order of reading, as one text.

Format: EPUB 3.3 (W3C): a zip whose META-INF/container.xml names a package file, whose spine names the chapters. A chapter that cannot
be read is left out and counted. Nothing but what the package names inside the archive is looked at.
"""

from __future__ import annotations

import io
import posixpath
import urllib.parse
import zipfile
from collections.abc import Iterator

from headwater.core.errors import HeadwaterError
from headwater.corpus.read.config import Reading
from headwater.corpus.read.decode import decode
from headwater.corpus.read.found import BadRow, Found, Input, Passed, Row
from headwater.corpus.read.html import text_of
from headwater.corpus.read.lines import whole
from headwater.corpus.read.open import member_stream, put_aside, zip_listing
from headwater.corpus.read.rows import BAD_ROW, short
from headwater.corpus.read.xml import texts_of

CONTAINER = "META-INF/container.xml"
LARGEST = 16 << 20
"""Bytes of one chapter."""


def book(given: Input, source: Reading) -> Iterator[Found]:
    try:
        archive, _ = zip_listing(given.file if given.file.seekable() else put_aside(given.file, given.where), given.where)
        with archive:
            fields, chapters = _package(archive, given.where)
            texts = []
            for name in chapters:
                try:
                    texts.append(text_of(decode(_member(archive, name, given.where), given.where, html=True)))
                except HeadwaterError as error:
                    yield Passed(f"a chapter that {error.what}")
    except HeadwaterError as error:
        yield BadRow(HeadwaterError(error.what, where=error.where, mend=BAD_ROW))
        return
    yield Row("\n\n".join(text for text in texts if text), fields)


def _package(archive: zipfile.ZipFile, where: str) -> tuple[dict[str, str], list[str]]:
    """`(title, author, language …, names of the chapters)`."""
    paths = [attributes.get("full-path", "") for name, attributes, _ in _elements(archive, CONTAINER, where) if name == "rootfile"]
    if not paths:
        raise HeadwaterError("is no EPUB: its container names no package", where=where)
    folder = posixpath.dirname(paths[0])
    fields: dict[str, str] = {}
    files: dict[str, str] = {}
    spine: list[str] = []
    for name, attributes, text in _elements(archive, paths[0], where):
        if name == "item":
            files[attributes.get("id", "")] = attributes.get("href", "")
        elif name == "itemref" and attributes.get("linear", "yes") != "no":
            spine.append(attributes.get("idref", ""))
        elif name in ("title", "creator", "language", "date", "publisher", "rights") and text:
            fields.setdefault({"creator": "author", "date": "created"}.get(name, name), text)
    paths = [
        posixpath.normpath(posixpath.join(folder, urllib.parse.unquote(files[item]).partition("#")[0])) for item in spine if item in files
    ]
    return fields, paths


def _elements(archive: zipfile.ZipFile, name: str, where: str) -> list[tuple[str, dict[str, str], str]]:
    return list(texts_of(io.BytesIO(_member(archive, name, where)), f"{where}/{name}"))


def _member(archive: zipfile.ZipFile, name: str, where: str) -> bytes:
    """A file of the archive, found by its name there and nowhere else."""
    try:
        member = archive.getinfo(name)
    except KeyError:
        raise HeadwaterError(f"has no '{short(name)}' inside", where=where) from None
    with member_stream(archive, member, f"{where}/{name}") as stream:
        return whole(stream, f"{where}/{name}", LARGEST)
