"""What is inside a compressed file or zip archive? In: name and bytes. Out: `(name, bytes)` of the plain files in it.

    plays.jsonl.gz -> plays.jsonl        sayings.zip -> sayings.zip/a.txt, sayings.zip/b.txt

Sizes are limited while unpacking, so that a bomb ends in a sentence instead of the memory; nothing is written to disk.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import IO, cast

from headwater.core.errors import HeadwaterError

LIMIT = 2 << 30
"""Bytes that one file may have when unpacked."""
DEPTH = 4
"""Archives within archives that are opened."""
CHUNK = 1 << 20
KEPT_PACKED = (".warc.gz", ".wet.gz")
"""Web archives are read up to where they are damaged, so their reader unpacks them itself."""
BITE = 4096
"""Bytes of zstandard input at a time: its ratio can pass 10,000, so a bigger bite could overrun the limit."""
AGAIN = "fetch or pack it again"
DAMAGE = (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError, zipfile.BadZipFile, RuntimeError, NotImplementedError)


def opened(name: str, data: bytes, where: str, depth: int = DEPTH) -> Iterator[tuple[str, bytes]]:
    """The plain files in a file: itself, or what its compression or archive holds, in the order of their names.

    Raises HeadwaterError for a damaged, encrypted or oversized one.
    """
    if name.lower().endswith(KEPT_PACKED):
        yield name, data
        return
    stem, dot, ending = name.rpartition(".")
    unpack = DECOMPRESSORS.get(ending.lower()) if dot else None
    if unpack is None and not (dot and ending.lower() == "zip"):
        yield name, data
    elif depth == 0:
        raise HeadwaterError(f"has archives nested more than {DEPTH} deep", where=where, mend="unpack it yourself first")
    elif unpack is not None:
        yield from opened(stem, _decompress(unpack, data, ending.lower(), where), where, depth - 1)
    else:
        for member, inner in _unzip(data, where):
            yield from opened(f"{name}/{member}", inner, f"{where}/{member}", depth - 1)


def collect(chunks: Iterable[bytes], where: str) -> bytes:
    """All chunks as one, or a HeadwaterError when that is more than the limit."""
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > LIMIT:
            raise HeadwaterError(f"unpacks to more than {LIMIT >> 20:,} MB", where=where, mend="split it, or unpack it yourself")
        parts.append(chunk)
    return b"".join(parts)


def chunks_of(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> bytes:
    try:
        with archive.open(member) as file:
            return collect(chunks_of(file), where)
    except DAMAGE as error:
        raise HeadwaterError(f"cannot be read from its zip archive ({reason(error)})", where=where, mend=AGAIN) from None


def _unzip(data: bytes, where: str) -> Iterator[tuple[str, bytes]]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = sorted(archive.infolist(), key=lambda member: member.filename)
    except DAMAGE as error:
        raise HeadwaterError(f"is no whole zip archive ({reason(error)})", where=where, mend=AGAIN) from None
    for member in members:
        if not member.is_dir():
            yield member.filename, read_member(archive, member, f"{where}/{member.filename}")


def _decompress(unpack: Callable[[bytes], Iterator[bytes]], data: bytes, ending: str, where: str) -> bytes:
    try:
        return collect(unpack(data), where)
    except DAMAGE as error:
        raise HeadwaterError(f"the .{ending} compression is broken ({reason(error)})", where=where, mend=AGAIN) from None


def _zstandard(data: bytes) -> Iterator[bytes]:
    """All frames, in small bites; a frame without its end is an error, which the library's own reader lets pass."""
    import zstandard

    frame = None
    rest = memoryview(data)
    try:
        while len(rest):
            frame = frame or zstandard.ZstdDecompressor().decompressobj()
            bite, rest = rest[:BITE], rest[BITE:]
            yield frame.decompress(bite)
            if frame.eof:
                rest = memoryview(data)[len(data) - len(rest) - len(frame.unused_data) :]
                frame = None
    except zstandard.ZstdError as error:
        raise EOFError(str(error)) from None
    if frame is not None:
        raise EOFError("it ends in the middle")


DECOMPRESSORS: dict[str, Callable[[bytes], Iterator[bytes]]] = {
    "gz": lambda data: chunks_of(cast(IO[bytes], gzip.GzipFile(fileobj=io.BytesIO(data)))),
    "bz2": lambda data: chunks_of(bz2.BZ2File(io.BytesIO(data))),
    "xz": lambda data: chunks_of(lzma.LZMAFile(io.BytesIO(data))),  # noqa: SIM115 (lives as long as its stream)
    "zst": _zstandard,
}


def reason(error: BaseException) -> str:
    """The first line of what a library says, short enough for a sentence."""
    return str(error).splitlines()[0].rstrip(".")[:120] if str(error).strip() else type(error).__name__
