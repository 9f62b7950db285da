"""headwater/core/kept.py: a table is made once, read back equal, and made anew where its file is damaged or cannot be written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headwater.core.compiled import cache_of
from headwater.core.kept import kept
from headwater.corpus.quality import unicode

MADE: list[int] = []


def squares(count: int) -> tuple[np.ndarray, np.ndarray]:
    MADE.append(count)
    return np.arange(count, dtype=np.uint16) ** 2, np.arange(2)


squares.__module__ = "headwater.core.kept"  # a module whose code can be hashed


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEADWATER_CACHE", str(tmp_path))
    MADE.clear()
    return tmp_path


def test_made_once_and_read_back_equal(folder: Path) -> None:
    first, again = kept(squares)(5), kept(squares)(5)  # two, as if in two processes
    assert MADE == [5]
    for one, other in zip(first, again, strict=True):
        assert one.dtype == other.dtype and one.tolist() == other.tolist()
        assert not one.flags.writeable and not other.flags.writeable
    kept(squares)(6)
    assert MADE == [5, 6], "other arguments are another table"
    assert len(list(cache_of("headwater.core.kept", "tables").glob("*.npz"))) == 2


@pytest.mark.fault
@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 torn", None])
def test_a_damaged_file_is_made_anew(folder: Path, damage: bytes | None) -> None:
    kept(squares)(7)
    (file,) = cache_of("headwater.core.kept", "tables").glob("*.npz")
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[200] ^= 0xFF  # within the first array
    file.write_bytes(bytes(flipped) if damage is None else damage)
    found, _ = kept(squares)(7)
    assert MADE == [7, 7] and found.tolist() == [0, 1, 4, 9, 16, 25, 36]
    assert file.read_bytes() == whole


@pytest.mark.fault
def test_without_a_place_to_keep_it(folder: Path) -> None:
    (folder / "tables").write_text("a file where the folder should be")
    assert kept(squares)(3)[0].tolist() == [0, 1, 4]


def test_a_real_table_comes_back_as_it_was_made(folder: Path) -> None:
    made = unicode.classes.__wrapped__()  # type: ignore[attr-defined]
    kept(unicode.classes.__wrapped__)()  # type: ignore[attr-defined]
    read = kept(unicode.classes.__wrapped__)()  # type: ignore[attr-defined]
    assert read.dtype == made.dtype and np.array_equal(read, made)
