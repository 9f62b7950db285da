"""May a document come from where it comes from? In: its url and the recipe's lists. Out: 1 if it may not, else 0."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from headwater.core.errors import HeadwaterError
from headwater.core.storage import read_bytes
from headwater.corpus.quality.config import Domains


def denier(config: Domains) -> Callable[[str | None], bool]:
    """Tells of a url whether its site is denied. Raises HeadwaterError for a list that cannot be read or names no domain."""
    allowed = frozenset(_domain(name, "corpus.quality.domains.allow") for name in config.allow)
    denied = {_domain(name, "corpus.quality.domains.deny") for name in config.deny}
    if config.file is not None:
        for number, line in enumerate(_text(config.file).splitlines(), 1):
            name = line.partition("#")[0].strip()
            if name:
                denied.add(_domain(name, f"{config.file}:{number}"))

    def denies(url: str | None) -> bool:
        names = _names(url)
        return bool(names) and (not denied.isdisjoint(names) or (bool(allowed) and allowed.isdisjoint(names)))

    return denies


def _names(url: str | None) -> list[str]:
    """The host of a url and all domains that it belongs to; none where there is no host."""
    try:
        host = urlsplit(url or "").hostname or ""
    except ValueError:  # a bracket that is no IPv6 address: no site to be judged by
        host = ""
    parts = [part for part in host.lower().split(".") if part]
    return [".".join(parts[start:]) for start in range(len(parts))]


def _domain(name: str, where: str) -> str:
    """`https://www.Example.com/` or `example.com` as `example.com`."""
    host = urlsplit(name if "//" in name else f"//{name}").hostname
    if not host or any(character.isspace() for character in host):
        raise HeadwaterError(f"'{name}' is no domain", where=where, mend="write it like example.com")
    return host.removeprefix("www.").rstrip(".")


def _text(file: str) -> str:
    try:
        return read_bytes(file).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise HeadwaterError("is not UTF-8 text", where=file, mend="a list of domains is a text file, one domain a line") from None
