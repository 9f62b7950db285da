"""What is inside a compressed file or an archive? In: a file as a stream. Out: the plain files in it, as streams.

    plays.jsonl.gz -> plays.jsonl        sayings.zip -> sayings.zip/a.txt, sayings.zip/b.txt        papers.tar.gz -> papers.tar.gz/a.tex

Nothing is held whole in memory but by `opened`. Whatever unpacks to far more than real text does is taken for a bomb and ends in a
sentence; what has to be put aside (an archive inside an archive) goes to a nameless temporary file and never under its own name.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, BinaryIO, cast

from headwater.core.errors import HeadwaterError

LIMIT = 2 << 30
"""Bytes that one file may have when it is unpacked into memory, or as a part of an archive inside an archive."""
SUSPECT = 256 << 20
RATIO = 200
"""A stream of more than SUSPECT bytes, and so many times its packed size, is a bomb: text packs 3 to 30 times."""
DEPTH = 4
"""Archives within archives that are opened."""
CHUNK = 1 << 20
IN_MEMORY = 32 << 20
"""An archive inside an archive is put aside in memory up to this size, then on the disk."""
KEPT_PACKED = (".warc.gz", ".wet.gz", ".epub")
"""Their readers unpack them themselves: web archives are read past places where they are damaged, a book is one document."""
TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
BITE = 4096
"""Bytes of zstandard input at a time: its ratio can pass 10,000, so a bigger bite could overrun the limit."""
AGAIN = "fetch or pack it again"
DAMAGE = (
    OSError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    ValueError,
    zipfile.BadZipFile,
    RuntimeError,
    NotImplementedError,
    tarfile.TarError,
)
Inner = Iterator[tuple[str, BinaryIO, str]]
"""`(name, stream, place in words)`; a stream is good until the next one is asked for."""


def entries(name: str, file: BinaryIO, where: str, kept: tuple[str, ...] = KEPT_PACKED, depth: int = DEPTH) -> Inner:
    """The plain files in a file: itself, or what its compression or archive holds: of a zip in the order of names, of a tar in its own.

    What ends with one of `kept` is not opened. Raises HeadwaterError for a damaged, encrypted or oversized one, also later, while a
    stream is read.
    """
    lower = name.lower()
    if lower.endswith(kept):
        yield name, file, where
        return
    stem, dot, ending = name.rpartition(".")
    packing = ending.lower() if dot else ""
    if packing not in (*UNPACKERS, "zip", "tar", "tgz"):
        yield name, file, where
    elif depth == 0:
        raise HeadwaterError(f"has archives nested more than {DEPTH} deep", where=where, mend="unpack it yourself first")
    elif packing == "zip":
        for member, inner, place in zip_members(file, where):
            yield from entries(f"{name}/{member}", inner, place, kept, depth - 1)
    elif lower.endswith(TARS):
        plain = file if packing == "tar" else unpacking(file, "gz" if packing == "tgz" else packing, where)
        for member, inner, place in tar_members(plain, where):
            yield from entries(f"{name}/{member}", inner, place, kept, depth - 1)
    else:
        yield from entries(stem, unpacking(file, packing, where), where, kept, depth - 1)


def opened(name: str, data: bytes, where: str) -> Iterator[tuple[str, bytes]]:
    """The same with everything in memory; for small files."""
    for inner, file, place in entries(name, io.BytesIO(data), where):
        yield inner, collect(chunks_of(file), place)


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


class _Counted(io.RawIOBase):
    """A stream that knows how many bytes were read from it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.count = file, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.file.read(len(buffer))
        buffer[: len(data)] = data
        self.count += len(data)
        return len(data)


class _Unpacked(io.RawIOBase):
    """Chunks as a stream, with trouble as sentences; `packed` tells how many bytes went in."""

    def __init__(self, chunks: Iterator[bytes], packed: Callable[[], int], broken: str, where: str) -> None:
        self.chunks, self.packed, self.broken, self.where = chunks, packed, broken, where
        self.chunk, self.size = memoryview(b""), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self.chunk:
            try:
                self.chunk = memoryview(next(self.chunks, b""))
            except DAMAGE as error:
                raise HeadwaterError(f"{self.broken} ({reason(error)})", where=self.where, mend=AGAIN) from None
            self.size += len(self.chunk)
            if self.size > SUSPECT and self.size > RATIO * self.packed():
                raise bomb(self.where)
        count = min(len(buffer), len(self.chunk))
        buffer[:count] = self.chunk[:count]
        self.chunk = self.chunk[count:]
        return count


def bomb(where: str) -> HeadwaterError:
    return HeadwaterError(f"unpacks to more than {SUSPECT >> 20:,} MB, over {RATIO} times its size, as no text does", where=where,
                          mend="leave it out, or unpack it yourself if you trust it")  # fmt: skip


def unpacking(file: BinaryIO, packing: str, where: str) -> BinaryIO:
    """The plain bytes of a compressed stream, all members and frames."""
    counted = _Counted(file)
    packed = cast(BinaryIO, io.BufferedReader(counted, CHUNK // 16))
    stream = _Unpacked(UNPACKERS[packing](packed), lambda: counted.count, f"the .{packing} compression is broken", where)
    return io.BufferedReader(stream, CHUNK)


def guarded(chunks: Iterator[bytes], packed: int, broken: str, where: str) -> BinaryIO:
    """Chunks of a member of `packed` bytes as a stream; damage comes as a sentence: `broken`."""
    return io.BufferedReader(_Unpacked(chunks, lambda: max(1, packed), broken, where), CHUNK)


def zip_members(file: BinaryIO, where: str, names: frozenset[str] | None = None) -> Inner:
    """The files of a zip archive in the order of their names (of `names` only). Links and names that lead out of it are passed over."""
    archive, members = zip_listing(file if file.seekable() else put_aside(file, where), where)
    with archive:
        for member in members:
            if names is None or member.filename in names:
                place = f"{where}/{member.filename}"
                with member_stream(archive, member, place) as stream:
                    yield member.filename, stream, place


def zip_listing(file: BinaryIO, where: str) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]:
    """An archive and its plain files in the order of their names; of two of the same name the later counts, as in `unzip`."""
    try:
        archive = zipfile.ZipFile(file)
        members = {member.filename: member for member in archive.infolist() if _is_plain(member) and is_inside(member.filename)}
    except DAMAGE as error:
        raise HeadwaterError(f"is no whole zip archive ({reason(error)})", where=where, mend=AGAIN) from None
    size, packed = sum(member.file_size for member in members.values()), sum(member.compress_size for member in members.values())
    if size > SUSPECT and size > RATIO * packed:
        raise bomb(where)
    return archive, [members[name] for name in sorted(members)]


def _is_plain(member: zipfile.ZipInfo) -> bool:
    if not member.filename:  # a name that begins with NUL: zipfile cuts it there, and then stumbles over it
        return False
    return not member.is_dir() and not stat.S_ISLNK(member.external_attr >> 16)


def is_inside(name: str) -> bool:
    """Whether a member's name is a plain place below its archive, on one line."""
    return not name.startswith(("/", "\\")) and not {"\n", "\r"}.intersection(name) and ".." not in name.replace("\\", "/").split("/")


def member_stream(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> BinaryIO:
    broken = "cannot be read from its zip archive"
    try:
        plain = archive.open(member)
    except DAMAGE as error:
        raise HeadwaterError(f"{broken} ({reason(error)})", where=where, mend=AGAIN) from None
    return guarded(chunks_of(plain), member.compress_size, broken, where)


def tar_members(file: BinaryIO, where: str) -> Inner:
    """The files of a tar archive in its order, as it streams by. Links, devices and names that lead out of it are passed over."""
    broken = "is no whole tar archive"
    try:
        with tarfile.open(fileobj=file, mode="r|", errorlevel=0) as archive:
            for member in archive:
                if not member.isfile() or not is_inside(member.name):
                    continue
                plain = archive.extractfile(member)
                assert plain is not None, "only regular files come here"
                place = f"{where}/{member.name}"
                yield member.name, guarded(_whole(plain, member.size), member.size, broken, place), place
    except DAMAGE as error:
        raise HeadwaterError(f"{broken} ({reason(error)})", where=where, mend=AGAIN) from None


def _whole(plain: IO[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks_of(plain):
        size -= len(chunk)
        yield chunk
    if size > 0:
        raise EOFError("it breaks off")


def put_aside(file: BinaryIO, where: str) -> BinaryIO:
    """A stream that can be read from any place, with the same bytes."""
    aside = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 (lives as long as its archive)
    size = 0
    for chunk in chunks_of(file):
        size += len(chunk)
        if size > LIMIT:
            raise HeadwaterError(f"unpacks to more than {LIMIT >> 20:,} MB", where=where, mend="split it, or unpack it yourself")
        aside.write(chunk)
    aside.seek(0)
    return cast(BinaryIO, aside)


def _zstandard(file: BinaryIO) -> Iterator[bytes]:
    """All frames, in small bites; a frame without its end is an error, which the library's own reader lets pass."""
    import zstandard

    frame = None
    rest = b""
    try:
        while rest := rest or file.read(BITE):
            frame = frame or zstandard.ZstdDecompressor().decompressobj()
            if plain := frame.decompress(rest):
                yield plain
            rest = frame.unused_data if frame.eof else b""
            frame = None if frame.eof else frame
    except zstandard.ZstdError as error:
        raise EOFError(str(error)) from None
    if frame is not None:
        raise EOFError("it ends in the middle")


UNPACKERS: dict[str, Callable[[BinaryIO], Iterator[bytes]]] = {
    "gz": lambda file: chunks_of(cast(IO[bytes], gzip.GzipFile(fileobj=file))),
    "bz2": lambda file: chunks_of(bz2.BZ2File(file)),
    "xz": lambda file: chunks_of(lzma.LZMAFile(file)),  # noqa: SIM115 (lives as long as its stream)
    "zst": _zstandard,
}


def reason(error: BaseException) -> str:
    """The first line of what a library says, short enough for a sentence."""
    return str(error).splitlines()[0].rstrip(".")[:120] if str(error).strip() else type(error).__name__
