"""headwater/corpus/package.py: an archive is fetched by pip, pinned, cached whole or not at all, and read as data."""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from headwater.core.errors import HeadwaterError
from headwater.corpus.read.archive import members
from headwater.corpus.read.config import PackageSource
from headwater.corpus.read.package import cache_folder, fetch
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


@pytest.fixture
def npm_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, bytes]]:
    """A registry of this machine with one package, `@old/tale` 1.0.0: its address, and the tarball."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        files = {"package.json": '{"name": "@old/tale", "version": "1.0.0", "scripts": {"prepack": "touch ran"}}', "data/a.txt": "话说"}
        for name, text in files.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    tarball = buffer.getvalue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.endswith(".tgz"):
                data = tarball
            elif self.path.lower() in ("/@old%2ftale", "/@old/tale"):
                dist = {"tarball": f"{url}/tale.tgz", "integrity": f"sha512-{base64.b64encode(hashlib.sha512(tarball).digest()).decode()}"}
                version = {"name": "@old/tale", "version": "1.0.0", "dist": dist}
                data = json.dumps({"name": "@old/tale", "versions": {"1.0.0": version}, "dist-tags": {"latest": "1.0.0"}}).encode()
            else:
                self.send_error(404)
                return
            self.send_response(200)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, value in {"registry": url, "cache": str(tmp_path / "npm"), "userconfig": os.devnull, "noproxy": "127.0.0.1"}.items():
        monkeypatch.setenv(f"npm_config_{name}", value)
    monkeypatch.setenv("HEADWATER_CACHE", str(tmp_path / "cache"))
    yield url, tarball
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_a_package_of_npm(npm_registry: tuple[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"package": "@old/tale", "registry": "npm", "version": "1.0.0", "files": "data/*.txt"}
    source = PackageSource(**fields, sha256=hashlib.sha256(npm_registry[1]).hexdigest())
    (file,) = files_of(source)
    assert (file.name, file.data.decode(), file.url) == ("data/a.txt", "话说", "pkg:npm/%40old/tale@1.0.0#data/a.txt")
    with pytest.raises(HeadwaterError, match=r"package @old/tale@1\.0\.0: the index has no archive of it with the sha256"):
        fetch(PackageSource(**fields, sha256="0" * 64))
    with pytest.raises(HeadwaterError, match="npm's registry has no such package or version"):
        fetch(PackageSource(**{**fields, "version": "9.0.0"}, sha256="0" * 64))
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_fetch_retry_mintimeout", "10")
    monkeypatch.setenv("npm_config_fetch_retry_maxtimeout", "10")
    assert len(list(files_of(source))) == 1
    with pytest.raises(HeadwaterError, match="the npm registry cannot be reached"):
        fetch(PackageSource(**{**fields, "package": "other"}, sha256="0" * 64))


def test_names_of_npm_are_told_apart() -> None:
    pinned = {"version": "1", "sha256": "0" * 64, "files": "*"}
    with pytest.raises(ValidationError, match="add 'registry: npm'"):
        PackageSource(package="@old/tale", **pinned)
    for name in ("--help", "a b", "../x", "@old/../x"):
        with pytest.raises(ValidationError):
            PackageSource(package=name, registry="npm", **pinned)
