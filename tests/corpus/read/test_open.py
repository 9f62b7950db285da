"""headwater/corpus/open.py: compressed files are opened, damaged ones named, bombs survived."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile

import pytest
import zstandard

from headwater.core.errors import HeadwaterError
from headwater.corpus.read import open as opening
from headwater.corpus.read.open import opened

TEXT = "滚滚长江东逝水\n".encode() * 5000


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


PACKED = {
    "gz": gzip.compress(TEXT),
    "bz2": bz2.compress(TEXT),
    "xz": lzma.compress(TEXT),
    "zst": zstandard.ZstdCompressor(write_content_size=False).compress(TEXT),
}


@pytest.mark.parametrize("ending", PACKED)
def test_a_compressed_file_is_the_file(ending: str) -> None:
    assert list(opened(f"a.txt.{ending}", PACKED[ending], "w")) == [("a.txt", TEXT)]


@pytest.mark.fault
@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize("damage", ["cut", "short", "changed", "other"])
def test_damage_is_a_sentence_with_the_file(ending: str, damage: str) -> None:
    data = PACKED[ending]
    damaged = {"cut": data[: len(data) // 2], "short": data[:-2], "changed": b"\0" * 8 + data[8:], "other": b"plain text"}[damage]
    with pytest.raises(HeadwaterError, match=rf"here/a\.txt\.{ending}: the \.{ending} compression is broken"):
        list(opened(f"a.txt.{ending}", damaged, f"here/a.txt.{ending}"))


def test_frames_and_members_one_after_the_other_are_one_file() -> None:
    for ending in ("gz", "bz2", "xz", "zst"):
        assert list(opened(f"a.{ending}", PACKED[ending] * 2, "w")) == [("a", TEXT * 2)]


def test_an_archive_is_its_files_sorted_and_may_nest() -> None:
    inner = zipped({"z.txt.gz": gzip.compress(b"last"), "a.txt": b"first"})
    assert list(opened("x.zip", zipped({"b/inner.zip": inner}), "w")) == [
        ("x.zip/b/inner.zip/a.txt", b"first"),
        ("x.zip/b/inner.zip/z.txt", b"last"),
    ]


@pytest.mark.fault
def test_endless_nesting_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b"x"
    for _ in range(6):
        data = zipped({"a.zip": data})
    with pytest.raises(HeadwaterError, match="nested more than 4 deep"):
        list(opened("a.zip", data, "a.zip"))


@pytest.mark.fault
@pytest.mark.parametrize("ending", ["gz", "bz2", "xz", "zst", "zip"])
def test_a_bomb_ends_in_a_sentence(ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "LIMIT", 1 << 20)
    zeros = bytes(20 << 20)
    data = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstandard.ZstdCompressor().compress,
            "zip": lambda data: zipped({"zeros": data})}[ending](zeros)  # fmt: skip
    with pytest.raises(HeadwaterError, match="unpacks to more than 1 MB"):
        list(opened(f"bomb.{ending}", data, f"bomb.{ending}"))


@pytest.mark.fault
def test_a_broken_zip_is_a_sentence() -> None:
    whole = zipped({"a.txt": TEXT})
    with pytest.raises(HeadwaterError, match=r"a\.zip: is no whole zip archive"):
        list(opened("a.zip", whole[: len(whole) // 2], "a.zip"))
    changed = bytearray(whole)
    changed[60] ^= 0xFF
    with pytest.raises(HeadwaterError, match=r"a\.zip/a\.txt: cannot be read"):
        list(opened("a.zip", bytes(changed), "a.zip"))


@pytest.mark.fault
def test_a_member_whose_name_begins_with_nul_is_passed_over() -> None:
    """zipfile cuts names at NUL, and then has no last character to look at (found by the fuzzer)."""
    data = zipped({"a.txt": b"first", "xb.txt": b"second"}).replace(b"xb.txt", b"\0b.txt")
    assert list(opened("x.zip", data, "w")) == [("x.zip/a.txt", b"first")]
