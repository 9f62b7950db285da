"""Is this an e-mail address or an internet address of somebody's? In: a text and a place in it. Out: spans.

Sources: RFC 5321 (lengths), RFC 2606 and 6761 (names that belong to nobody), the registries of special addresses behind
Python's `ipaddress`. A dotted number is a version sooner than an address when all its parts are small or a word says so.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from headwater.corpus.document import Span

LOCAL = re.compile(r"[A-Za-z0-9_À-ɏ](?:[A-Za-z0-9._%+'À-ɏ-]{0,62}[A-Za-z0-9_+À-ɏ-])?$")
"""Latin letters only: before an address in Chinese there is no space."""
DOMAIN = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,18}(?![A-Za-z0-9_])", re.ASCII)
NO_DOMAIN = re.compile(
    r"\.(?:png|jpe?g|gif|svg|webp|js|mjs|ts|tsx|jsx|css|scss|html?|py|pyc|json|md|txt|xml|ya?ml|zip|gz|exe|dll|mp[34]|pdf)$", re.IGNORECASE
)
"""Endings of files (`logo@2x.png`), not of domains; `zip` and `md` are both, and rarer so."""
NOBODY = re.compile(r"(?:^|\.)(?:example\.(?:com|org|net|edu)|example|test|invalid|localhost|local)$", re.IGNORECASE)
IN_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/@]*$")
OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
IPV4 = re.compile(rf"(?<![\w.+-])(?:{OCTET}\.){{3}}{OCTET}(?![\w-]|\.\d|\+\d)", re.ASCII)
VERSION = re.compile(
    r"(?:\bv(?:er(?:sions?|\.)?)?|releases?|build|firmware|driver|chrome/|section|sect?\.|chapter|clause|rule|table|oid|版本|版|§|第)"
    r"[\s:：=\"'(号]{0,3}$", re.IGNORECASE
)  # fmt: skip
ADDRESS = re.compile(r"\b(?:ip|ipv4|address|addr|host|server|dns|ping|gateway|client|peer)\b|地址|服务器|主机|网关", re.IGNORECASE)
SMALL = 32
"""Of random public addresses one in 4,000 has all four parts below this; of versions nearly all."""


def emails(text: str, at: int, reserved: bool) -> Iterator[Span]:
    """The address around an `@`. A password in a URL (`https://name:password@host`) is a secret instead."""
    before = IN_URL.search(text, max(0, at - 200), at)
    if before is not None:
        yield from _credentials(text, before, at, reserved)
        return
    local, domain = LOCAL.search(text, max(0, at - 64), at), DOMAIN.match(text, at + 1, min(len(text), at + 256))
    if local is None or domain is None or NO_DOMAIN.search(domain.group()) or ".." in local.group():
        return
    start, end = local.start(), domain.end()
    if start and text[start - 1] in "@/":
        return  # @name@server of the fediverse, package@version in a path
    if local.group() == "git" and text[end : end + 1] in (":", "/"):
        return  # git@host:owner/repository
    if reserved or not NOBODY.search(domain.group()):
        yield start, end, "email"


def _credentials(text: str, before: re.Match[str], at: int, reserved: bool) -> Iterator[Span]:
    start = text.index("://", before.start()) + 3
    name, colon, password = text[start:at].partition(":")
    fixed = not password or password[0] in "$<{[%" or len(set(password)) < 3 or password.lower() in DUMMIES or password == name
    host = DOMAIN.match(text, at + 1)
    dummy = "EXAMPLE" in password or (host is not None and NOBODY.search(host.group()) is not None)
    if colon and not fixed and (reserved or not dummy):
        yield start, at, "secret"


DUMMIES = frozenset(["password", "passwd", "pass", "pwd", "secret", "token", "changeme", "user", "username", "xxx", "example"])


def ipv4s(text: str, start: int, end: int, reserved: bool) -> Iterator[Span]:
    for found in IPV4.finditer(text, max(0, start - 1), min(len(text), end + 4)):
        if found.start() < start:
            continue
        parts = [int(part) for part in found.group().split(".")]
        context = text[max(0, found.start() - 32) : found.start()]
        if VERSION.search(context) or (max(parts) < SMALL and not ADDRESS.search(context) and not context.endswith("://")):
            continue
        if reserved or _is_somebodys(ipaddress.IPv4Address(found.group())):
            yield found.start(), found.end(), "ip"


def ipv6s(text: str, start: int, reserved: bool) -> Iterator[Span]:
    """From the first group on, which has four digits in every address that is somebody's (2000::/3, fc00::/7, fe80::/10)."""
    found = re.compile(r"[0-9A-Fa-f:]+(?:\.\d+){0,3}", re.ASCII).match(text, start, start + 48)
    if found is None or re.match(r"[A-Za-z0-9:.]", text[start - 1 : start]):
        return
    form = found.group().rstrip(":") if not found.group().endswith("::") else found.group()
    groups = [group for group in form.split(":") if group]
    if len(groups) < 2 and "::" not in form:
        return
    try:
        address = ipaddress.IPv6Address(form)
    except ValueError:
        return
    if not re.match(r"[A-Za-z0-9]", text[start + len(form) : start + len(form) + 1]) and (reserved or _is_somebodys(address)):
        yield start, start + len(form), "ip"


def _is_somebodys(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        return address.is_global and int(address) >> 125 == 1  # 2000::/3, all that was ever given away
    return address.is_global and not address.is_multicast and not address.is_reserved
