"""A slice of a file of ids is what was written, or an error; whatever bit changed, and whenever."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from headwater.core.errors import HeadwaterError
from headwater.tokens.proven import REGION, Checks, Proven, checks_of


def written(path: Path, dtype: str, count: int, piece: int = 1000) -> tuple[np.ndarray, Proven]:
    ids = np.random.default_rng(count).integers(0, 60_000, count).astype(dtype)
    checks, data = Checks(), ids.tobytes()
    for start in range(0, len(data), piece):
        checks.add(data[start : start + piece])
    path.write_bytes(data)
    return ids, Proven(path, np.dtype(dtype), checks.whole())


def flip(path: Path, bit: int) -> None:
    """In place, as a failing disk would: the mapping of those who have the file open changes as well."""
    with open(path, "r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


@settings(max_examples=60, deadline=None)
@given(some.sampled_from(["<u2", "<u4"]), some.integers(0, 120_000), some.data())
def test_slices_are_those_of_numpy(tmp_path_factory: pytest.TempPathFactory, dtype: str, count: int, draw: some.DataObject) -> None:
    ids, tokens = written(tmp_path_factory.mktemp("ids") / "a.bin", dtype, count, piece=draw.draw(some.sampled_from([7, 1000, REGION])))
    start, stop = (draw.draw(some.integers(0, count + 5)) for _ in range(2))
    assert np.array_equal(tokens[start:stop], ids[start:stop])
    assert np.array_equal(np.asarray(tokens), ids)
    assert tokens[start:stop].dtype == ids.dtype
    assert len(tokens) == count


@pytest.mark.fault
@pytest.mark.parametrize("bit", [0, 8 * REGION - 1, 8 * REGION, 8 * 100_000 + 3, 8 * 200_000 - 1])
def test_any_bit_is_missed_by_none_that_reads_its_region(tmp_path: Path, bit: int) -> None:
    path = tmp_path / "a.bin"
    ids, tokens = written(path, "<u2", 100_000)
    assert np.array_equal(tokens[0:100_000], ids)  # that it was right once proves nothing about later
    flip(path, bit)
    region = bit // 8 // REGION
    with pytest.raises(HeadwaterError, match=f"a.bin: bytes {region * REGION:,} to .* are not those that were written"):
        tokens[bit // 16 : bit // 16 + 1]
    other = 0 if region else REGION
    assert np.array_equal(tokens[other // 2 : other // 2 + 9], ids[other // 2 : other // 2 + 9])
    flip(path, bit)
    assert np.array_equal(np.asarray(tokens), ids)


@pytest.mark.fault
def test_a_file_that_was_cut_short_or_cannot_be_read_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no signal that kills the process, as it would be through a memory map."""
    path = tmp_path / "a.bin"
    ids, tokens = written(path, "<u2", 100_000)
    os.truncate(path, 150_000)
    assert np.array_equal(tokens[:9], ids[:9])
    with pytest.raises(HeadwaterError, match="bytes 131,072 to 196,607 are not all there: the file was cut short"):
        tokens[90_000:90_001]

    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "preadv", broken)
    with pytest.raises(HeadwaterError, match=r"bytes 0 to 65,535 cannot be read \(Input/output error\)"):
        tokens[:9]


def test_a_file_that_takes_its_place_is_not_read(tmp_path: Path) -> None:
    ids, tokens = written(tmp_path / "a.bin", "<u2", 500)
    written(tmp_path / "b.bin", "<u2", 501)
    os.replace(tmp_path / "b.bin", tmp_path / "a.bin")
    assert np.array_equal(tokens[:], ids)


def test_what_was_read_stays(tmp_path: Path) -> None:
    ids, tokens = written(tmp_path / "a.bin", "<u2", 500)
    read = tokens[10:20]
    flip(tmp_path / "a.bin", 8 * 20)
    assert np.array_equal(read, ids[10:20])


def test_checksums_of_another_file_are_refused(tmp_path: Path) -> None:
    written(tmp_path / "long.bin", "<u2", 100_000)
    written(tmp_path / "short.bin", "<u2", 100)
    with pytest.raises(HeadwaterError, match="not as many checksums"):
        Proven(tmp_path / "short.bin", np.dtype("<u2"), checks_of(tmp_path / "long.bin"))
