"""Which page, and whose site, is an address? In: a URL as it was written. Out: the page's name, the registered domain, or None.

    page_of("http://www.Example.co.uk/a/?utm_source=x#top")     "example.co.uk/a"
    domain_of("https://news.bbc.co.uk/1/hi/")                   "bbc.co.uk"

The registered domain is found by rule, not by the Public Suffix List (which is outdated as soon as it ships): two labels, or three
where a country's second level is a kind of registrant (`co.uk`, `com.cn`), or where a host gives its users names of their own
(`someone.github.io`). Of the list's two-label suffixes that any country has for com, org, net, edu and gov this finds all;
regional ones (`city.kyoto.jp`) are taken for the registrant's own.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


ANYWHERE = _set("com co org net edu gov ac mil gob gouv nom sch asso")
"""Second levels that are registries in whatever country has them."""
SOME = {
    "or": _set("at jp kr th id ug tz ke cr mu bi it"),
    "ne": _set("jp kr ke tz ug"),
    "go": _set("jp kr th id ke tz ug cr"),
    "gr": _set("jp"),
    "ad": _set("jp"),
    "ed": _set("jp cr"),
    "lg": _set("jp"),
    "re": _set("kr"),
    "pe": _set("kr"),
    "in": _set("th"),
    "mi": _set("th"),
    "web": _set("id za tr ve"),
    "idv": _set("tw hk"),
    "gv": _set("at"),
    "me": _set("uk ke tz"),
    "ltd": _set("uk lk"),
    "plc": _set("uk ly"),
    "nhs": _set("uk"),
    "police": _set("uk"),
    "govt": _set("nz"),
    "school": _set("nz za"),
    "id": _set("au ir lv ly"),
    "asn": _set("au lv"),
    "gen": _set("tr in nz"),
    "firm": _set("in"),
    "ind": _set("in br"),
    "nic": _set("in"),
    "res": _set("in"),
    "art": _set("br do dz ht sn"),
    "blog": _set("br"),
    "info": _set("tr pl hu ve"),
    "biz": _set("tr pl id"),
    "waw": _set("pl"),
    "law": _set("za"),
}
"""And those that are in some countries."""
PROVINCES = _set("ah bj cq fj gd gs gx gz ha hb he hi hk hl hn jl js jx ln mo nm nx qh sc sd sh sn sx tj tw xj xz yn zj")
"""Of China, as second level: `bj.cn`."""
HOSTS = _set(
    "blogspot.com wordpress.com tumblr.com github.io gitlab.io pages.dev netlify.app vercel.app herokuapp.com appspot.com web.app "
    "firebaseapp.com readthedocs.io readthedocs.org weebly.com wixsite.com livejournal.com blog.jp cocolog-nifty.com cloudfront.net "
    "azurewebsites.net onrender.com fly.dev gitee.io substack.com typepad.com hatenablog.com"
)
"""Whose users have names of their own."""
TRACKING = re.compile(r"^(utm_\w+|gclid|fbclid|msclkid|mc_[ce]id|ref|ref_src|spm|from|share_\w+|igshid|_ga|yclid)$", re.IGNORECASE)
INDEX = re.compile(r"/(index|default|home)\.(html?|php|aspx?|jsp|shtml)$", re.IGNORECASE)
ADDRESS = re.compile(r"^\d{1,3}(\.\d{1,3}){3}$")


def domain_of(url: str | None) -> str | None:
    """The registered domain, lower case; an IP address is its own; None for what has no host (`pkg:pypi/x`, a path)."""
    host = host_of(url)
    if host is None or ADDRESS.match(host) or ":" in host:
        return host
    labels = host.split(".")
    if len(labels) < 2:
        return host
    keep = 2
    last, second = labels[-1], labels[-2]
    registry = second in ANYWHERE or last in SOME.get(second, ()) or (last == "cn" and second in PROVINCES)
    if ".".join(labels[-2:]) in HOSTS or (len(last) == 2 and registry):
        keep = 3
    return ".".join(labels[-keep:])


def page_of(url: str | None) -> str | None:
    """A name that two addresses of one page share: no scheme, `www.`, fragment, tracking parameters, closing slash or index file."""
    host = host_of(url)
    if host is None or url is None:
        return None
    parts = urlsplit(_whole(url))
    path = INDEX.sub("", _decoded(parts.path)).rstrip("/")
    query = "&".join(sorted(pair for pair in parts.query.split("&") if pair and not TRACKING.match(pair.partition("=")[0])))
    return host.removeprefix("www.") + path + ("?" + query if query else "")


def host_of(url: str | None) -> str | None:
    """The host of a web address, lower case, without port, user or closing dot."""
    if not url:
        return None
    try:
        parts = urlsplit(_whole(url))
        host = parts.hostname if parts.scheme.lower() in ("http", "https", "ftp", "") else None
    except ValueError:  # brackets that hold no IPv6 address
        return None
    host = (host or "").strip(".").lower()
    return host if "." in host or ":" in host else None


def _whole(url: str) -> str:
    """`example.com/a` and `//example.com/a` are meant as addresses as well."""
    url = url.strip()
    if "://" in url.split("?")[0] or url.startswith("//"):
        return url
    first = url.split("/")[0]
    return "//" + url if re.fullmatch(r"[\w.-]+\.[a-zA-Z]{2,}(:\d+)?", first) else url


def _decoded(path: str) -> str:
    """`%7E` and `~` are one; a percent sign that is no escape stays."""
    return unquote(path, errors="surrogateescape").encode("utf-8", "replace").decode()
