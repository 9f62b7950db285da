"""Which pages are in a web archive? In: the bytes of a .warc, .warc.gz or .wet file. Out: pages up to where it is damaged.

A crawl's files break off often and hold millions of pages, so a damaged one is read as far as it goes, whatever the source
says of bad rows; the damage is told and counted. Format: ISO 28500 (WARC 1.1), read by FastWARC; pages are HTTP responses with
status 200 that are HTML or text, and the text records of WET files.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from headwater.core.errors import HeadwaterError
from headwater.corpus.read.open import LIMIT, reason

CHUNK = 1 << 16
TEXT = ("text/html", "application/xhtml+xml", "text/plain")


@dataclass(frozen=True, slots=True)
class Page:
    """A page's bytes as the server sent them, where it stood, when it was fetched (ISO 8601)."""

    data: bytes
    html: bool
    url: str | None
    created: str | None


@dataclass(frozen=True, slots=True)
class Damage:
    """Where reading had to end, in words."""

    what: str


def pages_of(data: bytes, where: str) -> Iterator[Page | Damage]:
    """The pages in order, and one Damage last if the archive is not whole.

    Raises HeadwaterError for a file that is no WARC at all, or one that unpacks to more than the limit.
    """
    plain, broken = _unpacked(data, where)
    if not plain.startswith(b"WARC/"):
        raise HeadwaterError("is no WARC file", where=where, mend="check its ending, or fetch it again")
    try:
        for page in _responses(plain):
            if page is None:
                broken = broken or "its last record is not whole"
                break
            yield page
    except (ValueError, OSError, EOFError, RuntimeError) as error:
        broken = broken or reason(error)
    if broken:
        yield Damage(broken)


def _responses(plain: bytes) -> Iterator[Page | None]:
    """Pages; None where what follows is no whole record."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    end = 0
    # The length is taken from the WARC header, before the HTTP header inside is parsed off.
    for record in ArchiveIterator(io.BytesIO(plain), parse_http=False):
        length, start = record.content_length, record.stream_pos
        body = record.reader.read()
        if len(body) < length:
            break
        end = plain.find(b"\r\n\r\n", start) + 4 + length
        url, created = record.headers.get("WARC-Target-URI"), record.headers.get("WARC-Date")
        if record.record_type == WarcRecordType.conversion:
            yield Page(body, False, url, created)
        elif record.record_type == WarcRecordType.response:
            status, kind, content = _http(body)
            if status == 200 and kind in TEXT and content:
                yield Page(content, kind != "text/plain", url, created)
    if plain[end:].strip():  # FastWARC passes over what is no record without a word
        yield None


def _http(body: bytes) -> tuple[int, str, bytes]:
    """Status, media type and content of an HTTP response; transfer and content encodings undone where they are the usual ones."""
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
        content = zlib.decompressobj(47).decompress(content, LIMIT)
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return status, fields.get(b"content-type", b"").split(b";")[0].strip().lower().decode("latin-1"), content


def _unchunked(content: bytes) -> bytes:
    """Chunks put together (RFC 9112, section 7.1); archives that kept the header but undid the chunks are left as they are."""
    parts: list[bytes] = []
    place = 0
    while (end := content.find(b"\r\n", place)) >= 0:
        try:
            size = int(content[place:end].split(b";")[0], 16)
        except ValueError:
            return content
        if size == 0:
            return b"".join(parts)
        parts.append(content[end + 2 : end + 2 + size])
        place = end + 2 + size + 2
    return content


def _unpacked(data: bytes, where: str) -> tuple[bytes, str]:
    """The plain bytes of all gzip members as far as they go, and what is wrong after that (or nothing)."""
    if not data.startswith(b"\x1f\x8b"):
        return data, ""
    out, size = [], 0
    rest = data
    while rest:
        member = zlib.decompressobj(31)
        try:
            while not member.eof and rest:
                piece = member.decompress(rest[:CHUNK], CHUNK * 16)
                rest = member.unconsumed_tail + rest[CHUNK:] if not member.eof else member.unused_data + rest[CHUNK:]
                out.append(piece)
                size += len(piece)
                if size > LIMIT:
                    raise HeadwaterError(f"unpacks to more than {LIMIT >> 20:,} MB", where=where, mend="split it")
        except zlib.error as error:
            return b"".join(out), f"its compression is broken ({reason(error)})"
        if not member.eof:
            return b"".join(out), "its compression breaks off"
    return b"".join(out), ""
