"""Are these the tokens that were written? A file of ids whose every slice is proven when it is read.

    checks = Checks(); checks.add(data); …; checks.whole().tofile("train.checks")      xxh3-64 of each 64 KiB, as uint64
    tokens = Proven(path, dtype, checks)
    tokens[start:stop]                     ids, in memory of their own; HeadwaterError when the bytes are not those that were written

Each time and not only the first: what lies in a file can change on the disk or in the memory that caches it at any moment. It costs
little: a row's 64 KiB are read and hashed in 20 µs.
"""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from headwater.core.errors import HeadwaterError

REGION = 1 << 16  # bytes that are proven at once
Ids = np.ndarray[Any, Any]


class Checks:
    """Checksums of what passes by, region by region."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.left = bytearray()

    def add(self, data: bytes) -> None:
        self.left += data
        while len(self.left) >= REGION:
            self.done.append(xxhash.xxh3_64_intdigest(self.left[:REGION]))
            del self.left[:REGION]

    def whole(self) -> Ids:
        return np.array([*self.done, *([xxhash.xxh3_64_intdigest(self.left)] if self.left else [])], "<u8")


def checks_of(path: Path) -> Ids:
    """Of a file as it is now."""
    checks = Checks()
    with open(path, "rb") as file:
        while data := file.read(REGION):
            checks.add(data)
    return checks.whole()


class Proven:
    """A file of ids of which only slices can be had. It stays open, so that one which takes its place later is not read."""

    def __init__(self, path: Path, dtype: np.dtype[Any], checks: Ids) -> None:
        """`checks` are of the whole file. Raises HeadwaterError when they cannot be."""
        self.path, self.dtype, self.checks = path, dtype, checks
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        self.bytes = os.fstat(self._file).st_size
        if len(checks) != -(-self.bytes // REGION):
            raise HeadwaterError("has not as many checksums as it needs", where=path, mend="delete its folder and run again")

    def __len__(self) -> int:
        return self.bytes // self.dtype.itemsize

    def __getitem__(self, wanted: slice) -> Ids:
        start, stop, step = wanted.indices(len(self))
        assert step == 1, "slices without gaps alone are proven"
        if start >= stop:
            return np.zeros(0, self.dtype)
        width = self.dtype.itemsize
        first, last = start * width // REGION, -(-stop * width // REGION)
        begin = first * REGION
        # What is proven is the copy that is used, so that nothing can change in between.
        data = self._read(begin, min(last * REGION, self.bytes))
        for region in range(first, last):
            place = region * REGION - begin
            if xxhash.xxh3_64_intdigest(data.data[place : place + REGION]) != self.checks[region]:
                raise self._wrong(region * REGION, min((region + 1) * REGION, self.bytes), "are not those that were written")
        ids: Ids = data.view(self.dtype)[start - begin // width : stop - begin // width]
        return ids

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Ids:
        """All ids, proven."""
        return self[0 : len(self)].astype(dtype or self.dtype, copy=False)

    def _read(self, begin: int, end: int) -> Ids:
        """Bytes of the file. (Through a memory map, a disk's error or a file that was cut short would be a signal that kills.)"""
        data = np.empty(end - begin, np.uint8)
        done = 0
        while done < len(data):
            try:
                count = os.preadv(self._file, [data.data[done:]], begin + done)
            except OSError as error:
                raise self._wrong(begin, end, f"cannot be read ({os.strerror(error.errno or 0)})") from error
            if not count:
                raise self._wrong(begin, end, "are not all there: the file was cut short")
            done += count
        return data

    def _wrong(self, begin: int, end: int, what: str) -> HeadwaterError:
        mend = "delete its folder and run again: training goes on from its last checkpoint"
        return HeadwaterError(f"bytes {begin:,} to {end - 1:,} {what}", where=self.path, mend=mend)
