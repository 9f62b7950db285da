"""What text does a stream hold? In: a stream of bytes. Out: its text in blocks that end with a line, or its lines, in little memory.

A stream that fits into one block is decoded by decode.py as a whole. Of a longer one the first block decides the encoding, and a
damaged byte is one `\N{REPLACEMENT CHARACTER}`.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from headwater.core.errors import HeadwaterError
from headwater.corpus.read.charset import detected
from headwater.corpus.read.decode import CONTROL_SHARE, MARKS, decode

BLOCK = 16 << 20
"""Bytes read at a time."""
LONGEST_LINE = 32 << 20
"""Characters; a longer line in a file of rows is a bad row."""
CANDIDATES = ("iso2022_jp", "gb18030", "big5hkscs", "cp932", "euc_jp", "cp949", "koi8_r", "cp1251", "cp1252", "latin_1")
"""Tried when charset.py tells none."""
BLANK = " \t\n\r\v\f"
"""What a line without a row is made of: the same whether it is looked at as bytes or as text."""


@dataclass(frozen=True, slots=True)
class TooLong:
    """In place of a line that is longer than LONGEST_LINE."""

    line: int


def blocks(file: BinaryIO, where: str, encoding: str | None = None, nul: bool = False) -> Iterator[str]:
    """The text in blocks of at most BLOCK bytes; each but the last ends with a line, unless the line is longer than a block.

    `encoding`: known beforehand. `nul`: NUL bytes among text are let through (they make bad rows). Raises HeadwaterError for
    what is empty or no text.
    """
    head = file.read(BLOCK)
    more = file.read(1) if len(head) == BLOCK else b""
    if encoding is None and not more:
        yield _whole(head, where, nul)
        return
    if encoding is None:
        encoding = encoding_of(head, where, nul)
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    chunk, rest = head + more, ""
    while chunk:
        if not nul and b"\0" in chunk and not encoding.startswith("utf-16") and not encoding.startswith("utf-32"):
            raise HeadwaterError("is binary, not text", where=where, mend="leave it out of the source's pattern")
        text = decoder.decode(chunk)
        cut = text.rfind("\n") + 1
        if cut or len(rest) > BLOCK:
            yield rest + text[:cut]
            rest = text[cut:]
        else:
            rest += text
        chunk = file.read(BLOCK)
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest


def lines(file: BinaryIO, where: str, encoding: str | None = None, first: int = 1) -> Iterator[tuple[int, str | TooLong]]:
    """`(number, line without its end)` of each line that is not blank; `first` is the number of the first line."""
    number, begun = first, ""
    dropped = False
    for block in blocks(file, where, encoding, nul=True):
        *whole, last = block.split("\n")
        for line in whole:
            if dropped or len(begun) + len(line) > LONGEST_LINE:
                yield number, TooLong(number)
            elif (text := begun + line).strip(BLANK):
                yield number, text
            begun, dropped = "", False
            number += 1
        begun, dropped = ("", True) if dropped or len(begun) + len(last) > LONGEST_LINE else (begun + last, False)
    if dropped:
        yield number, TooLong(number)
    elif begun.strip(BLANK):
        yield number, begun


def encoding_of(head: bytes, where: str, nul: bool = False) -> str:
    """The codec that decode.py would decode this beginning of a file with. Raises HeadwaterError for what is no text."""
    for mark, encoding in MARKS:
        if head.startswith(mark):
            return encoding
    head = head[: head.rfind(b"\n") + 1] or head
    text = _whole(head, where, nul)
    for name in ("utf-8", detected(head), *CANDIDATES):
        if name is not None and head.decode(name, errors="replace") == text:
            return name
    return "utf-8"


def _whole(data: bytes, where: str, nul: bool) -> str:
    """decode.py's answer; with `nul`, a few NUL bytes stay where they are."""
    if nul and b"\0" in data and not data.startswith(tuple(mark for mark, _ in MARKS)) and data.count(0) <= CONTROL_SHARE * len(data):
        decode(data.replace(b"\0", b" "), where)
        return data.decode("utf-8", errors="replace")
    return decode(data, where)


def whole(file: BinaryIO, where: str, limit: int) -> bytes:
    """All bytes of a file that has to be in memory at once. Raises HeadwaterError when there are more than `limit`."""
    parts, size = [], 0
    while chunk := file.read(1 << 20):
        size += len(chunk)
        if size > limit:
            raise HeadwaterError(f"is more than {limit >> 20:,} MB", where=where, mend="split it, or convert it to JSONL")
        parts.append(chunk)
    return b"".join(parts)
