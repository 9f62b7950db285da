"""Which files are in a package's archive? In: a wheel (zip), source distribution or npm tarball (tar). Out: members by name, as streams.

Read as data: nothing is installed, imported or written out. Links, and names that lead out of the archive, are not there.
"""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from headwater.core.errors import HeadwaterError, nearest
from headwater.corpus.read.open import AGAIN, DAMAGE, chunks_of, collect, guarded, is_inside, member_stream, reason


class Archive:
    """The files of an archive, sorted by name; a tar's one top folder is left out of the names. Use as a context manager."""

    def __init__(self, path: Path, where: str) -> None:
        self.where = where
        try:
            if zipfile.is_zipfile(path):
                self.zip: zipfile.ZipFile | None = zipfile.ZipFile(path)
                self.members = {member.filename: member for member in self.zip.infolist() if member.filename and not member.is_dir()}
                self.sizes = {name: member.compress_size for name, member in self.members.items() if is_inside(name)}
            else:
                self.zip = None
                self.tar = tarfile.open(path)  # noqa: SIM115 (closed by __exit__)
                self.inside = {_below_top(member.name): member for member in self.tar.getmembers() if member.isfile()}
                self.sizes = {name: member.size for name, member in self.inside.items() if is_inside(name)}
        except (*DAMAGE, tarfile.TarError) as error:
            raise HeadwaterError(f"is neither a whole zip nor a whole tar archive ({reason(error)})", where=where, mend=AGAIN) from None

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *trouble: object) -> None:
        (self.zip or self.tar).close()

    def matching(self, patterns: list[str]) -> list[str]:
        """Names that a glob matches. Raises HeadwaterError when a glob matches none."""
        names = sorted(self.sizes)
        globs = [_glob(pattern) for pattern in patterns]
        for pattern, glob in zip(patterns, globs, strict=True):
            if not any(map(glob.fullmatch, names)):
                raise HeadwaterError(f"no file in the archive matches '{pattern}'", where=self.where, mend=nearest(pattern, names[:20]))
        return [name for name in names if any(glob.fullmatch(name) for glob in globs)]

    def stream(self, name: str) -> BinaryIO:
        """A member; damage comes as a HeadwaterError while it is read."""
        where = f"{self.where}: {name}"
        if self.zip is not None:
            return member_stream(self.zip, self.members[name], where)
        try:
            file = self.tar.extractfile(self.inside[name])
        except (*DAMAGE, tarfile.TarError) as error:
            raise HeadwaterError(f"cannot be read from its tar archive ({reason(error)})", where=where, mend=AGAIN) from None
        assert file is not None, "only regular files are listed"
        return guarded(chunks_of(file), self.inside[name].size, "cannot be read from its tar archive", where)


def members(path: Path, patterns: list[str], where: str) -> Iterator[tuple[str, bytes]]:
    """`(name, bytes)` of the members that a glob matches, sorted by name; for small files."""
    with Archive(path, where) as archive:
        for name in archive.matching(patterns):
            yield name, collect(chunks_of(archive.stream(name)), f"{where}: {name}")


def _below_top(name: str) -> str:
    """A source distribution has one top folder `name-version/` (npm's is `package/`), which nobody wants to write in a glob."""
    return name.partition("/")[2] or name


def _glob(pattern: str) -> re.Pattern[str]:
    """`*` and `?` stay within a folder, `**/` is any folders or none."""
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    return re.compile("".join(parts.get(piece, re.escape(piece)) for piece in pieces))
