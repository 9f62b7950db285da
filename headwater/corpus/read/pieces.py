"""Where can one large file be cut, so that workers read it side by side? In: a file. Out: pieces that read the same however it is cut.

    JSONL            at line ends; each piece knows how many lines and rows stand before it, so ids and line numbers are the file's
    Parquet          at row groups; each piece knows how many rows stand before it
    text             at line ends; a piece is a section of its own, and ids say which (`#2.17`: section 2, part 17)
    .warc.gz .wet.gz at gzip members: the ones that begin within a stretch of bytes; sections as well

Where the cuts are depends on the file alone. CSV (a quoted field may hold a line end) and compressed streams cannot be cut.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from headwater.corpus.read.lines import BLANK, encoding_of
from headwater.corpus.read.table import row_groups

SPLIT = 64 << 20
"""Bytes of a piece; a file of at most so many, and half as many again, is one piece."""
CHUNK = 8 << 20
BLANK_LINE = re.compile(rb"(?<=\n)[" + BLANK.replace("\n", "").encode() + rb"]*\n")
Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes [start, stop) of a file, or its row groups [start, stop); what stands before them; sections are counted from 1."""

    start: int
    stop: int
    rows: int = 0
    lines: int = 0
    encoding: str | None = None
    section: int = 0
    bytes: int = 0


def pieces_of(file: BinaryIO, size: int, cut: str, where: str, split: int, advance: Advance) -> list[Piece]:
    """The pieces of a file of `size` bytes; none when it is to be read as one. `advance` is told of bytes looked through."""
    if size <= split + split // 2:
        return []
    if cut == "groups":
        return _groups(file, where, split)
    if cut == "members":
        return _members(file, size, split)
    encoding = encoding_of(file.read(CHUNK), where, nul=cut == "rows")
    file.seek(0)
    if encoding.startswith(("utf-16", "utf-32")):
        return []
    # A byte order mark stands at the beginning only.
    rest = "utf-8" if encoding == "utf-8-sig" else encoding
    if cut == "text":
        return _sections(file, size, split, encoding, rest)
    return _lines(file, split, encoding, rest, advance)


def _lines(file: BinaryIO, split: int, encoding: str, rest: str, advance: Advance) -> list[Piece]:
    """One pass that counts line ends and rows (lines that are not blank)."""
    pieces: list[Piece] = []
    start, place, lines, rows = 0, 0, 0, 0
    first_line, first_row, blank_so_far = 0, 0, True
    while chunk := file.read(CHUNK):
        advance(len(chunk))
        begin = 3 if place == 0 and encoding == "utf-8-sig" else 0
        while begin < len(chunk):
            due = max(begin, start + split - place)
            found = chunk.find(b"\n", due) + 1 if due < len(chunk) else 0
            counted = chunk[begin : found or len(chunk)]
            ends = counted.count(b"\n")
            blank, blank_so_far = _blank(counted, blank_so_far)
            lines += ends
            rows += ends - blank
            if found:
                stop = place + found
                pieces.append(Piece(start, stop, first_row, first_line, rest if start else encoding, bytes=stop - start))
                start, first_line, first_row = stop, lines, rows
            begin += len(counted)
        place += len(chunk)
    if place > start:
        pieces.append(Piece(start, place, first_row, first_line, rest if start else encoding, bytes=place - start))
    return pieces


def _blank(data: bytes, begun_blank: bool) -> tuple[int, bool]:
    """How many lines that end in these bytes are blank, and whether the one that they leave open is so far."""
    first = data.find(b"\n")
    if first < 0:
        return 0, begun_blank and not data.strip()
    blank = int(begun_blank and not data[:first].strip())
    if data.count(b"\n{") + data.endswith(b"\n") < data.count(b"\n"):  # in most files every line begins with a brace
        blank += len(BLANK_LINE.findall(data, first))
    return blank, not data[data.rfind(b"\n") :].strip()


def _sections(file: BinaryIO, size: int, split: int, encoding: str, rest: str) -> list[Piece]:
    pieces: list[Piece] = []
    start = 0
    while start < size:
        stop = _line_end(file, start + split, size)
        pieces.append(Piece(start, stop, encoding=rest if start else encoding, section=len(pieces) + 1, bytes=stop - start))
        start = stop
    return pieces


def _line_end(file: BinaryIO, place: int, size: int) -> int:
    """Behind the first line end at or after `place`."""
    if place >= size:
        return size
    file.seek(place)
    while chunk := file.read(CHUNK // 8):
        found = chunk.find(b"\n")
        if found >= 0:
            return place + found + 1
        place += len(chunk)
    return size


def _members(file: BinaryIO, size: int, split: int) -> list[Piece]:
    if file.read(2) != b"\x1f\x8b":
        return []
    starts = range(0, size, split)
    return [
        Piece(start, min(size, start + split), section=number, bytes=min(split, size - start)) for number, start in enumerate(starts, 1)
    ]


def _groups(file: BinaryIO, where: str, split: int) -> list[Piece]:
    pieces: list[Piece] = []
    start = rows = first_row = taken = 0
    groups = row_groups(file, where)
    for index, (count, size) in enumerate(groups):
        rows += count
        taken += size
        if taken >= split or index == len(groups) - 1:
            pieces.append(Piece(start, index + 1, first_row, bytes=taken))
            start, first_row, taken = index + 1, rows, 0
    return pieces if len(pieces) > 1 else []


class Stretch(io.RawIOBase):
    """Bytes [start, stop) of a file as a stream."""

    def __init__(self, file: BinaryIO, start: int, stop: int) -> None:
        self.file, self.left = file, stop - start
        file.seek(start)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.file.read(min(len(buffer), self.left))
        buffer[: len(data)] = data
        self.left -= len(data)
        return len(data)


def stretch(file: BinaryIO, piece: Piece) -> BinaryIO:
    return io.BufferedReader(Stretch(file, piece.start, piece.stop), 1 << 20)
