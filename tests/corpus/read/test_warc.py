"""Web archives: pages come out as they went in, and a damaged file is read up to the damage, which is told."""

from __future__ import annotations

import gzip
import io
from collections import Counter

import pytest

from headwater.core.errors import HeadwaterError
from headwater.corpus.read.config import PathSource
from headwater.corpus.read.documents import read
from headwater.corpus.read.source import RawFile
from headwater.corpus.read.warc import Page, pages_of


def record(url: str, body: bytes, kind: str = "response") -> bytes:
    head = f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2026-01-02T03:04:05Z\r\n"
    head += f"WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-{len(url):012}>\r\n"
    head += f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body + b"\r\n\r\n"


def response(text: bytes, kind: str = "text/html", status: int = 200, more: str = "") -> bytes:
    return f"HTTP/1.1 {status} OK\r\nContent-Type: {kind}\r\n{more}\r\n".encode() + text


PAGES = [record(f"https://example.org/{number}", response(f"<p>page {number} 第{number}页</p>".encode())) for number in range(5)]


def texts(data: bytes) -> list[str]:
    return [page.data.decode() if isinstance(page, Page) else f"! {page.what}" for page in pages_of(io.BytesIO(data), "a.warc.gz")]


ALL = [f"<p>page {number} 第{number}页</p>" for number in range(5)]


@pytest.mark.parametrize(
    "pack", [b"".join, lambda pages: b"".join(map(gzip.compress, pages)), lambda pages: gzip.compress(b"".join(pages))]
)
def test_pages_of_a_whole_archive(pack) -> None:  # type: ignore[no-untyped-def]
    assert texts(pack(PAGES)) == ALL


@pytest.mark.fault
@pytest.mark.parametrize("packed", [True, False])
def test_read_up_to_the_damage_wherever_it_is_cut(packed: bool) -> None:
    whole = b"".join(map(gzip.compress, PAGES)) if packed else b"".join(PAGES)
    ends = [len(b"".join(map(gzip.compress, PAGES[:n]) if packed else PAGES[:n])) for n in range(1, 6)]
    for at in range(len(whole) // 7, len(whole) - 5, 13):
        found = texts(whole[:at])
        complete = sum(end <= at + (0 if packed else 4) for end in ends)  # the blank lines after a plain record are not missed
        assert found[:complete] == ALL[:complete]
        assert found[complete:] in ([found[-1]], [ALL[complete % 5], found[-1]], []), at
        assert found[-1].startswith("! ") or at >= ends[-1], at


@pytest.mark.fault
def test_damage_is_counted_and_told() -> None:
    whole = b"".join(map(gzip.compress, PAGES))
    bad: Counter[str] = Counter()
    source = PathSource(path="x", name="crawl", on_bad_row="fail")
    documents = list(read(RawFile("a.warc.gz", whole[:-20]), source, bad))
    assert [document.id for document in documents] == [f"crawl/a.warc.gz#{number}" for number in range(1, 5)]
    assert documents[0].url == "https://example.org/0"
    assert documents[0].created == "2026-01-02T03:04:05Z"
    assert documents[0].form == "html"
    assert list(bad) == ["crawl/a.warc.gz: its compression breaks off"]


def test_only_pages_that_were_found_and_are_text() -> None:
    data = b"".join(
        [
            record("https://a/404", response(b"<p>gone</p>", status=404)),
            record("https://a/png", response(b"\x89PNG", kind="image/png")),
            record("https://a/txt", response("文本".encode(), kind="text/plain; charset=utf-8")),
            record("https://a/wet", "已提取".encode(), kind="conversion"),
            record("https://a/req", b"GET / HTTP/1.1\r\n\r\n", kind="request"),
        ]
    )
    assert texts(data) == ["文本", "已提取"]


def test_encodings_of_the_transfer_are_undone() -> None:
    packed = gzip.compress(b"<p>hello</p>")
    chunked = b"5\r\n<p>he\r\n7\r\nllo</p>\r\n0\r\n\r\n"
    data = record("https://a/1", response(packed, more="Content-Encoding: gzip\r\n"))
    data += record("https://a/2", response(chunked, more="Transfer-Encoding: chunked\r\n"))
    data += record("https://a/3", response(b"<p>hello</p>", more="Transfer-Encoding: chunked\r\n"))
    assert texts(data) == ["<p>hello</p>"] * 3


def test_what_is_no_warc() -> None:
    with pytest.raises(HeadwaterError, match=r"a.warc.gz: is no WARC file"):
        list(pages_of(io.BytesIO(b"hello"), "a.warc.gz"))
    assert texts(b"WARC/1.0\r\nrubbish") == ["! its last record is not whole"]


@pytest.mark.oracle
@pytest.mark.parametrize("packed", [True, False])
def test_fastwarc_reads_the_same(packed: bool) -> None:
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    pages = []
    for number in range(300):
        kind = ("response", "request", "metadata", "conversion")[number % 4]
        body = response(b"%d " % number * (number * 37 % 500 + 1), more="X-A: b\r\n" * (number % 3))
        if kind != "response":
            body = b"text %d" % number
        whole = record(f"https://example.org/{number}?q=字", body, kind)
        pages.append(whole if kind == "response" else whole.replace(b"application/http; msgtype=response", b"text/plain"))
    data = b"".join(map(gzip.compress, pages)) if packed else b"".join(pages)
    theirs = []
    for found in ArchiveIterator(io.BytesIO(data), WarcRecordType.response | WarcRecordType.conversion, parse_http=True):
        theirs.append((found.headers["WARC-Target-URI"], found.reader.read()))
    ours = [(page.url, page.data) for page in pages_of(io.BytesIO(data), "a") if isinstance(page, Page)]
    assert ours == theirs and len(ours) == 150
