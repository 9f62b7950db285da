"""How is a page of the web asked for without doing harm? In: a link. Out: the page, or why there is none.

Off unless a source says `fetch: true`. Then: what robots.txt forbids is not asked for (RFC 9309; where robots.txt cannot be had because
the host fails, nothing is), hosts get time between requests, we say who we are, pages are limited in size and time, and hosts of this
machine or of private networks are not asked, whatever a list of links or a redirect says. Pages are kept in the cache for good.
"""

from __future__ import annotations

import datetime
import hashlib
import http.client
import ipaddress
import json
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
import urllib.robotparser
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path

from headwater.core.storage import write_atomically
from headwater.corpus.read.config import LinkSource
from headwater.corpus.read.package import cache_folder

LARGEST = 8 << 20
SECONDS = 20.0
"""For an answer to begin, and between its parts; a page may take three times as long."""
REDIRECTS = 5
LONGEST_WAIT = 60.0
"""Seconds: a host that asks for more between requests is not asked at all."""
TYPES = ("text/html", "application/xhtml+xml", "text/plain")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A page's bytes, what its server calls them, and when it was fetched (ISO 8601)."""

    data: bytes
    media: str
    created: str


class NoPageError(Exception):
    """Why there is no page, in words that many pages share."""


def kept_page(url: str) -> Fetched | None:
    """The page as the cache has it."""
    try:
        head, _, data = _place(url).read_bytes().partition(b"\n")
        about = json.loads(head)
        return Fetched(data, about["media"], about["created"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def keep(url: str, page: Fetched) -> None:
    place = _place(url)
    place.parent.mkdir(parents=True, exist_ok=True)
    about = json.dumps({"url": url, "media": page.media, "created": page.created})
    write_atomically(place, about.encode() + b"\n" + page.data)


def _place(url: str) -> Path:
    name = hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()
    return cache_folder().parent / "pages" / name[:2] / name


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Each step of a redirect is a request of its own, with its own robots.txt and its own wait."""
        return


@dataclass
class Fetcher:
    """One for a list of links; it remembers hosts' rules and when it asked them last."""

    source: LinkSource
    sleep: Callable[[float], None] = time.sleep
    rules: dict[str, urllib.robotparser.RobotFileParser] = field(default_factory=dict)
    asked: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.opener = urllib.request.build_opener(_NoRedirect)
        self.opener.addheaders = [("User-Agent", self.source.agent)]

    def page(self, url: str) -> Fetched:
        """Raises NoPageError."""
        for _ in range(REDIRECTS):
            host = self._host(url)
            rules = self._rules(host)
            if not rules.can_fetch(self.source.agent, url):
                raise NoPageError("links that robots.txt forbids")
            self._wait(host, rules)
            status, headers, data = self._ask(url, TYPES)
            if status in (301, 302, 303, 307, 308) and headers.get("Location"):
                url = urllib.parse.urljoin(url, headers["Location"])
                continue
            if status != 200:
                raise NoPageError(f"links answered with status {status}")
            media = headers.get_content_type()
            return Fetched(data, media, datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))
        raise NoPageError("links that lead in a circle")

    def _host(self, url: str) -> str:
        """`scheme://host:port` of a link that may be asked for."""
        try:
            parts = urllib.parse.urlsplit(url)
            port = parts.port
        except ValueError:
            raise NoPageError("links that are no addresses") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or any(ord(sign) <= 32 or ord(sign) > 126 for sign in url):
            raise NoPageError("links that are no addresses")
        if not self.source.private and not self._is_public(parts.hostname, port or 443):
            raise NoPageError("links to private networks, or to hosts that do not exist")
        return f"{parts.scheme}://{parts.netloc}"

    def _is_public(self, host: str, port: int) -> bool:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return False
        return all(ipaddress.ip_address(str(address[4][0]).partition("%")[0]).is_global for address in found)

    def _rules(self, host: str) -> urllib.robotparser.RobotFileParser:
        """RFC 9309, section 2.3.1: no robots.txt allows all, a failing host forbids all."""
        if host not in self.rules:
            rules = urllib.robotparser.RobotFileParser()
            self._wait(host, None)
            try:
                status, _, data = self._ask(f"{host}/robots.txt", None)
            except NoPageError:
                status, data = 599, b""
            if status >= 500 or status == 429:
                rules.parse(["User-agent: *", "Disallow: /"])
            else:
                rules.parse(data.decode("utf-8", "replace").splitlines() if status == 200 else [])
            self.rules[host] = rules
        return self.rules[host]

    def _wait(self, host: str, rules: urllib.robotparser.RobotFileParser | None) -> None:
        asked_for = rules.crawl_delay(self.source.agent) if rules else None
        delay = max(self.source.delay, float(asked_for or 0))
        if delay > LONGEST_WAIT:
            raise NoPageError("links of hosts that ask for very long waits")
        left = self.asked.get(host, -delay) + delay - time.monotonic()
        if host in self.asked and left > 0:
            self.sleep(left)
        self.asked[host] = time.monotonic()

    def _ask(self, url: str, types: tuple[str, ...] | None) -> tuple[int, Message, bytes]:
        """Status, headers and content; content only of status 200 and of the types asked for."""
        ends = time.monotonic() + 3 * SECONDS
        try:
            with self.opener.open(url, timeout=SECONDS) as answer:  # http and https only: _host
                if types is not None and answer.headers.get_content_type() not in types:
                    raise NoPageError("links to what is no page")
                parts: list[bytes] = []
                while part := answer.read1(1 << 16):
                    parts.append(part)
                    if sum(map(len, parts)) > LARGEST:
                        raise NoPageError(f"links to pages of more than {LARGEST >> 20} MB")
                    if time.monotonic() > ends:
                        raise NoPageError("links whose hosts do not answer")
                return answer.status, answer.headers, b"".join(parts)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, b""
        except (OSError, http.client.HTTPException, ValueError):
            raise NoPageError("links whose hosts do not answer") from None
