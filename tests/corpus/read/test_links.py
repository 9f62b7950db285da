"""headwater/corpus/read/links.py and fetcher.py: votes decide, robots.txt is kept to, nothing is asked unless told; a server of our own."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.corpus.config import Corpus
from headwater.corpus.document import Document
from headwater.corpus.read.config import LinkSource
from headwater.corpus.read.source import files_of
from headwater.corpus.read.units import documents_of, units_of

ROBOTS = "User-agent: *\nDisallow: /private\n\nUser-agent: badbot\nDisallow: /\n"
PAGES = {
    "/robots.txt": (200, "text/plain", ROBOTS.encode()),
    "/a": (200, "text/html; charset=utf-8", "<p>page 字</p>".encode()),
    "/b.txt": (200, "text/plain", b"plain"),
    "/private/c": (200, "text/html", b"<p>secret"),
    "/image": (200, "image/png", b"\x89PNG"),
    "/binary": (200, "text/html", b"\x00\x01" * 99),
    "/huge": (200, "text/html", b"x" * (9 << 20)),
    "/moved": (301, "/a", b""),
    "/trap": (302, "/private/c", b""),
    "/loop": (302, "/loop", b""),
    "/inner": (302, "http://169.254.169.254/latest", b""),
}


class Server:
    """Pages of a host, and what was asked of it when, by whom."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, str, str]] = []
        self.pages = dict(PAGES)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((time.monotonic(), self.path, self.headers["User-Agent"]))
                status, kind, data = outer.pages.get(self.path, (404, "text/html", b"gone"))
                self.send_response(status)
                self.send_header("Location" if 300 < status < 400 else "Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def paths(self) -> list[str]:
        return [path for _, path, _ in self.asked]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("HEADWATER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


def listed(folder: Path, server: Server, *links: str | tuple[str, Any]) -> Path:
    path = folder / "votes.jsonl"
    pairs = [(link, 3) if isinstance(link, str) else link for link in links]
    path.write_text("".join(json.dumps({"url": url if "://" in url else server.url + url, "score": score}) + "\n" for url, score in pairs))
    return path


def read(path: Path, bad: Counter[str] | None = None, **fields: Any) -> list[Document]:
    source = LinkSource(**{"links": str(path), "name": "w", "private": True, "delay": 0.0, "fetch": True, **fields})
    units = units_of([source], Reporter())
    assert len(units) == 1
    return list(documents_of(units[0], [source], Counter() if bad is None else bad))


def test_pages_with_enough_votes(server: Server, tmp_path: Path) -> None:
    bad: Counter[str] = Counter()
    path = listed(tmp_path, server, "/a", ("/b.txt", 5), ("/huge", 2), ("/image", None), "/a", "/moved", "/a#part")
    page, plain, moved = read(path, bad)
    assert (page.id, page.url, page.form, page.text, page.meta) == (
        f"w/{server.url}/a",
        f"{server.url}/a",
        "html",
        "<p>page 字</p>",
        {"score": 3.0},
    )
    assert (plain.form, plain.text) == ("text", "plain")
    assert moved.text == page.text and page.created is not None
    assert bad == {"w: links with fewer than 3 votes": 1, "w: links without votes": 1, "w: links that were there before": 2}
    assert {agent for _, _, agent in server.asked} == {"headwater"}


def test_nothing_is_asked_unless_told(server: Server, tmp_path: Path) -> None:
    bad: Counter[str] = Counter()
    path = listed(tmp_path, server, "/a")
    assert read(path, bad, fetch=False) == [] and server.asked == []
    assert bad == {"w: links not in the cache (nothing is fetched without `fetch: true`)": 1}
    assert LinkSource(links="x").fetch is False
    first = read(path)
    asked = len(server.asked)
    assert read(path) == first == read(path, fetch=False)
    assert len(server.asked) == asked


def test_robots_txt_is_kept_to_also_after_a_redirect(server: Server, tmp_path: Path) -> None:
    bad: Counter[str] = Counter()
    path = listed(tmp_path, server, "/private/c", "/trap", "/a")
    assert len(read(path, bad)) == 1
    assert bad == {"w: links that robots.txt forbids": 2}
    assert "/private/c" not in server.paths() and server.paths()[0] == "/robots.txt" and server.paths().count("/robots.txt") == 1
    assert read(path, agent="badbot") != [] and read(listed(tmp_path, server, "/b.txt"), agent="badbot") == []


@pytest.mark.parametrize(("status", "count"), [(404, 1), (500, 0), (429, 0)])
def test_a_host_without_or_with_a_failing_robots_txt(server: Server, tmp_path: Path, status: int, count: int) -> None:
    server.pages["/robots.txt"] = (status, "text/plain", b"")
    assert len(read(listed(tmp_path, server, "/a"))) == count


def test_hosts_get_time(server: Server, tmp_path: Path) -> None:
    server.pages["/robots.txt"] = (200, "text/plain", b"User-agent: *\nCrawl-delay: 1\n")
    read(listed(tmp_path, server, "/a", "/b.txt"), delay=0.1)
    times = [when for when, _, _ in server.asked]
    assert len(times) == 3 and times[1] - times[0] > 0.09 and times[2] - times[1] > 0.95
    server.pages["/robots.txt"] = (200, "text/plain", b"User-agent: *\nCrawl-delay: 3600\n")
    assert read(listed(tmp_path, server, "/moved")) == []


@pytest.mark.fault
def test_what_is_no_page_is_counted_by_its_reason(server: Server, tmp_path: Path) -> None:
    bad: Counter[str] = Counter()
    links = [
        "/image",
        "/binary",
        "/huge",
        "/none",
        "/loop",
        "file:///etc/passwd",
        "ftp://a/b",
        "http://[::1",
        "http://a b/",
        "http://127.0.0.1:9/x",
    ]
    assert read(listed(tmp_path, server, *links), bad) == []
    assert bad == {
        "w: links to what is no page": 1,
        "w: links to what is no text": 1,
        "w: links to pages of more than 8 MB": 1,
        "w: links answered with status 404": 1,
        "w: links that lead in a circle": 1,
        "w: links that are no addresses": 4,
        "w: links that robots.txt forbids": 1,
    }


@pytest.mark.fault
def test_a_list_from_outside_cannot_reach_inside(server: Server, tmp_path: Path) -> None:
    bad: Counter[str] = Counter()
    path = listed(
        tmp_path, server, "/a", "http://localhost:1/", "http://10.0.0.1/", "http://[::1]/", "http://169.254.169.254/", "http://0x7f000001/"
    )
    assert read(path, bad, private=False) == [] and server.asked == []
    assert list(bad) == ["w: links to private networks, or to hosts that do not exist"]


def test_lists_in_other_forms(server: Server, tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text(f"link,karma\n{server.url}/a,4\n{server.url}/b.txt,1\n")
    assert len(read(tmp_path / "l.csv", url_field="link", score_field="karma")) == 1
    (tmp_path / "l.txt").write_text(f"{server.url}/a\n\n{server.url}/b.txt\n")
    assert len(read(tmp_path / "l.txt", least_score=None)) == 2
    assert read(tmp_path / "l.txt") == []
    (tmp_path / "bad.jsonl").write_text('{"url": 5}\n')
    with pytest.raises(HeadwaterError, match=r"bad\.jsonl:1: the field 'url' holds no text"):
        read(tmp_path / "bad.jsonl")


def test_in_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "votes.jsonl").write_text("{}")
    corpus = validate(Corpus, {"sources": [{"links": f"{tmp_path}/votes.jsonl"}]})
    assert corpus.sources[0].label == "votes" and list(corpus.contents()) == ["votes/votes.jsonl"]
    with pytest.raises(HeadwaterError, match="a list of links is a source of a corpus only"):
        list(files_of(corpus.sources[0]))
