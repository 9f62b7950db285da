"""headwater/corpus/package.py: an archive is fetched by pip, pinned, cached whole or not at all, and read as data."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from headwater.core.errors import HeadwaterError
from headwater.corpus.read.config import PackageSource
from headwater.corpus.read.package import cache_folder, fetch, members
from headwater.corpus.read.source import files_of


def make_wheel(folder: Path, tags: str = "py3-none-any", extra: bytes = b"") -> Path:
    path = folder / f"tale-1.0-{tags}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        inner = io.BytesIO()
        with zipfile.ZipFile(inner, "w") as nested:
            nested.writestr("said.txt", "狗咬吕洞宾\t不识好人心\n")
        archive.writestr("tale/__init__.py", "raise SystemExit('imported')")
        archive.writestr("tale/texts/b.txt", b"second" + extra)
        archive.writestr("tale/texts/a.txt", b"first")
        archive.writestr("tale/texts/deep/c.txt", b"third")
        archive.writestr("tale/sayings.zip", inner.getvalue())
        archive.writestr("tale-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tale\nVersion: 1.0\n")
        archive.writestr("tale-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: {tags}\n")
        archive.writestr("tale-1.0.dist-info/RECORD", "")
    return path


def source_of(wheel: Path, files: str | list[str] = "tale/texts/*.txt", **fields: str) -> PackageSource:
    import hashlib

    return PackageSource(package="tale", version="1.0", files=files, **{"sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(), **fields})


def test_files_come_from_the_archive_and_then_from_the_cache(local_index: Path) -> None:
    wheel = make_wheel(local_index)
    source = source_of(wheel)
    first = list(files_of(source))
    assert [(file.name, file.data) for file in first] == [("tale/texts/a.txt", b"first"), ("tale/texts/b.txt", b"second")]
    assert first[0].url == "pkg:pypi/tale@1.0#tale/texts/a.txt"
    wheel.unlink()
    assert list(files_of(source)) == first


def test_globs_and_nested_archives(local_index: Path) -> None:
    wheel = make_wheel(local_index)
    deep = list(files_of(source_of(wheel, "tale/**/*.txt")))
    assert [file.name for file in deep] == ["tale/texts/a.txt", "tale/texts/b.txt", "tale/texts/deep/c.txt"]
    (said,) = files_of(source_of(wheel, ["tale/sayings.zip"]))
    assert (said.name, said.data.decode()) == ("tale/sayings.zip/said.txt", "狗咬吕洞宾\t不识好人心\n")
    with pytest.raises(HeadwaterError, match=r"no file in the archive matches 'tale/text/\*\.txt'"):
        list(files_of(source_of(wheel, "tale/text/*.txt")))


def test_a_wheel_for_another_platform(local_index: Path) -> None:
    wheel = make_wheel(local_index, "cp39-cp39-win_amd64")
    assert len(list(files_of(source_of(wheel, wheel_tags="cp39-cp39-win_amd64")))) == 2


@pytest.mark.fault
def test_another_content_than_the_pinned_is_refused_and_not_kept(local_index: Path) -> None:
    source = source_of(make_wheel(local_index))
    make_wheel(local_index, extra=b" thoughts")
    with pytest.raises(HeadwaterError, match=r"package tale==1\.0: the index has no archive of it with the sha256"):
        fetch(source)
    assert list(cache_folder().rglob("*.whl")) == []


@pytest.mark.fault
def test_a_damaged_cache_is_fetched_again(local_index: Path) -> None:
    source = source_of(make_wheel(local_index))
    cached = fetch(source)
    whole = cached.read_bytes()
    cached.write_bytes(whole[:100])
    assert fetch(source).read_bytes() == whole


@pytest.mark.fault
def test_an_unknown_version_is_one_sentence(local_index: Path) -> None:
    with pytest.raises(HeadwaterError, match="cannot be fetched: pip says 'No matching distribution") as caught:
        fetch(PackageSource(package="no-such-tale", version="9", sha256="0" * 64, files="*"))
    assert "\n" not in str(caught.value)


@pytest.mark.fault
def test_no_network_is_one_sentence(local_index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(HeadwaterError, match="the package index cannot be reached"):
        fetch(PackageSource(package="tale", version="1.0", sha256="0" * 64, files="*"))


@pytest.mark.fault
def test_a_kill_in_the_middle_leaves_nothing_half(local_index: Path) -> None:
    source = source_of(make_wheel(local_index))
    code = "from headwater.corpus.read.package import fetch\nfrom headwater.corpus.read.config import PackageSource\n"
    code += f"fetch(PackageSource(**{source.model_dump()!r}))"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not list(cache_folder().glob(".fetching-*")):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert list(cache_folder().glob(f"{source.sha256}/*")) == []
    assert len(list(files_of(source))) == 2


def test_a_source_distribution_is_read_below_its_top_folder(tmp_path: Path) -> None:
    path = tmp_path / "tale-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("tale-1.0/texts/b.txt", "tale-1.0/texts/a.txt"):
            info = tarfile.TarInfo(name)
            info.size = 4
            archive.addfile(info, io.BytesIO(b"text"))
        link = tarfile.TarInfo("tale-1.0/texts/c.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert list(members(path, ["texts/*.txt"], "tale")) == [("texts/a.txt", b"text"), ("texts/b.txt", b"text")]
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(HeadwaterError, match="neither a whole zip nor a whole tar"):
        list(members(path, ["*"], "tale"))
