"""Which pages are in a web archive? In: a .warc, .warc.gz or .wet file as a stream, or a stretch of it. Out: pages, past damage.

A crawl's files break off often and hold millions of pages, so a damaged one is read as far as it goes, whatever the source says of
bad rows; the damage is told and counted, and reading goes on at the next gzip member that begins a record. Format: ISO 28500
(WARC 1.1); pages are HTTP responses with status 200 that are HTML or text, and the text records of WET files. (FastWARC, which passes
over damage without a word, is the oracle of the tests.)
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from headwater.core.errors import HeadwaterError
from headwater.corpus.read.open import RATIO, SUSPECT, bomb, reason

CHUNK = 1 << 16
LONGEST_HEADER = 1 << 16
LARGEST_PAGE = 32 << 20
"""Bytes; real pages have under one million."""
TEXT = ("text/html", "application/xhtml+xml", "text/plain")
CHARSET = re.compile(r"charset\s*=\s*[\"']?([a-z0-9_:.-]+)")
MAGIC = b"\x1f\x8b\x08"
NOT_WHOLE = "its last record is not whole"


@dataclass(frozen=True, slots=True)
class Page:
    """A page's bytes as the server sent them, where it stood, when it was fetched (ISO 8601), which charset the server named."""

    data: bytes
    html: bool
    url: str | None
    created: str | None
    charset: str | None = None


@dataclass(frozen=True, slots=True)
class Damage:
    """What could not be read, in words."""

    what: str


class _BrokenError(Exception):
    """What is wrong from here on."""


def pages_of(file: BinaryIO, where: str, start: int = 0, stop: int | None = None) -> Iterator[Page | Damage]:
    """The pages in order, with Damage where the archive is not whole.

    Of a .gz, `start` and `stop` ask for the gzip members that begin in that stretch of bytes. Raises HeadwaterError for a file that is
    no WARC at all, or one that unpacks like a bomb.
    """
    place: int | None = start
    if start:
        place = next_member(file, start)
    else:
        magic = file.read(2)
        if magic != MAGIC[:2]:
            yield from _plain(file, magic, where)
            return
    begun = start > 0
    while place is not None and (stop is None or place < stop):
        members = _Members(file, place, stop, where, b"" if place or file.seekable() else MAGIC[:2])
        try:
            for page in _pages(io.BufferedReader(members, CHUNK), where, begun):
                begun = True
                if page is not None:
                    yield page
            return
        except _BrokenError as broken:
            if not begun:
                raise _not_warc(where) from None
            yield Damage(str(broken))
            place = next_member(file, members.begin + 1) if file.seekable() else None


def _plain(file: BinaryIO, begun: bytes, where: str) -> Iterator[Page | Damage]:
    try:
        for page in _pages(io.BufferedReader(_After(begun, file), CHUNK), where, begun=False):
            if page is not None:
                yield page
    except _BrokenError as broken:
        yield Damage(str(broken))


def next_member(file: BinaryIO, start: int) -> int | None:
    """Where the first gzip member at or after `start` begins that holds the beginning of a record."""
    place, data = start, b""
    file.seek(start)
    while True:
        found = data.find(MAGIC)
        if found < 0:
            keep = data[-2:]
            place += len(data) - len(keep)
            more = file.read(CHUNK)
            if not more:
                return None
            data = keep + more
            continue
        if len(data) - found < 1024:
            data += file.read(CHUNK)
        if _begins_record(data[found : found + CHUNK]):
            return place + found
        place += found + 1
        data = data[found + 1 :]


def _begins_record(data: bytes) -> bool:
    try:
        return zlib.decompressobj(31).decompress(data, 5) == b"WARC/"
    except zlib.error:
        return False


class _After(io.RawIOBase):
    """Some bytes that were read before, then a stream."""

    def __init__(self, begun: bytes, file: BinaryIO) -> None:
        self.begun, self.file = begun, file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.begun[: len(buffer)] or self.file.read(len(buffer))
        self.begun = self.begun[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


class _Members(io.RawIOBase):
    """The plain bytes of gzip members one after the other, up to one that begins at `stop`.

    Trouble comes as _BrokenError when all bytes before it were read; `begin` is then where the member in trouble begins.
    """

    def __init__(self, file: BinaryIO, place: int, stop: int | None, where: str, begun: bytes) -> None:
        if file.seekable():
            file.seek(place)
        self.file, self.stop, self.where = file, stop, where
        self.begin, self.read_to, self.rest = place, place + len(begun), begun
        self.member, self.size, self.packed = zlib.decompressobj(31), 0, 0
        self.fresh = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if not self.rest:
                self.rest = self.file.read(CHUNK)
                self.read_to += len(self.rest)
                self.packed += len(self.rest)
                if not self.rest:
                    if self.fresh:
                        return 0
                    raise _BrokenError("its compression breaks off")
            if self.fresh and self.stop is not None and self.begin >= self.stop:
                return 0
            self.fresh = False
            try:
                plain = self.member.decompress(self.rest, len(buffer))
            except zlib.error as error:
                raise _BrokenError(f"its compression is broken ({reason(error)})") from None
            self._go_on()
            self.size += len(plain)
            if self.size > SUSPECT and self.size > RATIO * self.packed:
                raise bomb(self.where)
            if plain:
                buffer[: len(plain)] = plain
                return len(plain)

    def _go_on(self) -> None:
        if not self.member.eof:
            self.rest = self.member.unconsumed_tail
            return
        self.rest = self.member.unused_data
        self.member, self.fresh = zlib.decompressobj(31), True
        self.begin = self.read_to - len(self.rest)


def _pages(plain: io.BufferedReader, where: str, begun: bool) -> Iterator[Page | Damage | None]:
    """Pages; None first, when a record has begun. What does not even begin like one is no web archive."""
    while line := plain.readline(LONGEST_HEADER):
        if line in (b"\r\n", b"\n"):
            continue
        if not line.startswith(b"WARC/"):
            raise _BrokenError(NOT_WHOLE) if begun else _not_warc(where)
        if not begun:
            begun = True
            yield None
        fields = _fields(plain)
        kind, length = fields.get(b"warc-type"), fields.get(b"content-length", b"")
        if not length.isdigit() or len(length) > 18:
            raise _BrokenError(NOT_WHOLE)
        if kind not in (b"response", b"conversion") or int(length) > LARGEST_PAGE:
            _pass_over(plain, int(length))
            if kind in (b"response", b"conversion"):
                yield Damage(f"a page of more than {LARGEST_PAGE >> 20} MB")
            continue
        body = plain.read(int(length))
        if len(body) < int(length):
            raise _BrokenError(NOT_WHOLE)
        url, created = _word(fields.get(b"warc-target-uri")), _word(fields.get(b"warc-date"))
        if kind == b"conversion":
            yield Page(body, False, url, created)
        else:
            found, kind_of_page, content = _http(body)
            media, _, parameters = kind_of_page.partition(";")
            if found and media.strip() in TEXT and content:
                charset = CHARSET.search(parameters)
                yield Page(content, media.strip() != "text/plain", url, created, charset.group(1) if charset else None)


def _fields(plain: io.BufferedReader) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    while (line := plain.readline(LONGEST_HEADER)) not in (b"\r\n", b"\n"):
        if not line.endswith(b"\n"):
            raise _BrokenError(NOT_WHOLE)
        name, _, value = line.partition(b":")
        fields[name.strip().lower()] = value.strip()
    return fields


def _pass_over(plain: io.BufferedReader, length: int) -> None:
    while length:
        data = plain.read(min(length, 1 << 20))
        if not data:
            raise _BrokenError(NOT_WHOLE)
        length -= len(data)


def _word(value: bytes | None) -> str | None:
    """Some writers put the address into angle brackets, as WARC 1.0 says by mistake."""
    return None if not value else value.decode("utf-8", "replace").removeprefix("<").removesuffix(">")


def _http(body: bytes) -> tuple[bool, str, bytes]:
    """Whether the status is 200, media type and content of an HTTP response, with the usual encodings of transfer and content undone."""
    head, _, content = body.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    words = lines[0].split()
    fields = {}
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        fields[name.strip().lower()] = value.strip()
    if fields.get(b"transfer-encoding", b"").lower() == b"chunked":
        content = _unchunked(content)
    if fields.get(b"content-encoding", b"").lower() in (b"gzip", b"x-gzip", b"deflate"):
        content = _inflated(content)
    found = len(words) > 1 and words[1] == b"200"
    return found, fields.get(b"content-type", b"").lower().decode("latin-1"), content


def _inflated(content: bytes) -> bytes:
    """The content unpacked, as far as it is whole; archives that kept the header but unpacked the content are left as they are."""
    try:
        return zlib.decompressobj(47).decompress(content, LARGEST_PAGE)
    except zlib.error:
        return content


def _unchunked(content: bytes) -> bytes:
    """Chunks put together (RFC 9112, section 7.1); archives that kept the header but undid the chunks are left as they are."""
    parts: list[bytes] = []
    place = 0
    while (end := content.find(b"\r\n", place)) >= 0:
        try:
            size = int(content[place:end].split(b";")[0], 16)
        except ValueError:
            return content
        if size <= 0:
            return b"".join(parts)
        parts.append(content[end + 2 : end + 2 + size])
        place = end + 2 + size + 2
    return content


def _not_warc(where: str) -> HeadwaterError:
    return HeadwaterError("is no WARC file", where=where, mend="check its ending, or fetch it again")
