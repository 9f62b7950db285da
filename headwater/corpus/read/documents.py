"""Which documents are in a file? In: a plain file as a stream, and its source. Out: documents with stable ids.

An id is `source/file`, with `#part` where there can be several, and `.piece` where one was too long. Rows are counted from 1, with the
bad ones; where the source divides or joins them, the parts or packs are. A text too large for one worker is read by sections:
`#section.part`. Every mistake is one sentence naming file and line.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, BinaryIO

from headwater.core.errors import HeadwaterError
from headwater.corpus.document import Document
from headwater.corpus.read.config import Reading, Source
from headwater.corpus.read.decode import mend_surrogates
from headwater.corpus.read.formats import FORMATS, format_of
from headwater.corpus.read.found import BadRow, Found, Input, Passed, Row
from headwater.corpus.read.lines import LONGEST_LINE, blocks
from headwater.corpus.read.source import RawFile

KNOWN = ("url", "language", "license", "created")
"""Fields of a row that mean the document's own."""


def read(file: RawFile, source: Source, bad_rows: Counter[str]) -> Iterator[Document]:
    """The documents of a file in memory."""
    return documents_in(Input(file.name, io.BytesIO(file.data), file.place, file.url), source, bad_rows)


def documents_in(given: Input, source: Source, bad_rows: Counter[str]) -> Iterator[Document]:
    """The documents of a file, in its order; bad rows that the source allows are counted in `bad_rows`.

    Raises HeadwaterError for an empty, binary or damaged file, a bad row, or a text field that is not there.
    """
    if given.piece is None and _is_empty(given.file):
        raise HeadwaterError("is empty", where=given.where, mend="delete it or leave it out of the source's pattern")
    name = format_of(given.name, source)
    if name == "text":
        for part, row in _texts(given, source):
            yield _document(given, source, part, row)
        return
    found = _counted(FORMATS[name].read(given, source), given, source, bad_rows)
    parts = _numbered(found, given, source) if FORMATS[name].rows else _alone(found, source)
    for part, row in parts:
        if row.form == "html":
            replace = source.replace
            yield _document(given, source, part, Row(replaced(row.text, replace), row.fields, row.form) if replace else row)
            continue
        pieces = cut(row.text, source.longest)
        for number, piece in enumerate(pieces, start=1):
            place = part if len(pieces) == 1 else f"{part}.{number}" if part else f"#{number}"
            yield _document(given, source, place, Row(piece, row.fields))


def _is_empty(file: BinaryIO) -> bool:
    if isinstance(file, io.BufferedReader):
        return not file.peek(1)
    empty = not file.read(1)
    file.seek(0)
    return empty


def _texts(given: Input, source: Reading) -> Iterator[tuple[str, Row]]:
    """`(#part, text)`: the file's text whole or in pieces, divided, or as packs of lines."""
    piece = given.piece
    texts = (replaced(text, source.replace) for text in blocks(given.file, given.where, None if piece is None else piece.encoding))
    if source.join is not None:
        rows = (Row(line) for text in texts for line in text.splitlines() if line.strip())
        yield from ((f"#{number}", row) for number, row in enumerate(_packed(rows, source.join), start=1))
    elif source.divide is not None:
        for number, part in enumerate(_divided(texts, source.divide), start=1):
            pieces = cut(part, source.longest)
            yield from ((f"#{number}" if len(pieces) == 1 else f"#{number}.{n}", Row(text)) for n, text in enumerate(pieces, start=1))
    else:
        pieces_in = cut_stream(texts, source.longest)
        first = list(islice(pieces_in, 2))
        if piece is not None:
            yield from ((f"#{piece.section}.{number}", Row(text)) for number, text in enumerate(chain(first, pieces_in), start=1))
        elif len(first) == 1:
            yield "", Row(first[0])
        else:
            yield from ((f"#{number}", Row(text)) for number, text in enumerate(chain(first, pieces_in), start=1))


def _counted(found: Iterable[Found], given: Input, source: Source, bad_rows: Counter[str]) -> Iterator[Row | None]:
    """The rows, and None in the place of a bad one; bad ones end the run or are counted."""
    name = f"{source.label}/{given.name}"
    for item in found:
        if isinstance(item, Row):
            yield item
        elif isinstance(item, BadRow):
            if source.on_bad_row == "fail":
                raise item.error
            bad_rows[name] += 1
            yield None
        else:
            _note(item, name, source, bad_rows)
            if item.row:
                yield None


def _note(passed: Passed, name: str, source: Source, bad_rows: Counter[str]) -> None:
    where = source.label if passed.file else name
    bad_rows[f"{where}: {passed.what}" if passed.what else where] += 1


def _alone(found: Iterable[Row | None], source: Reading) -> Iterator[tuple[str, Row]]:
    """The one document of a file, or what it is divided into."""
    for row in found:
        if row is None:
            continue
        if row.form == "html":
            yield "", row
            continue
        texts = divided(replaced(mend_surrogates(row.text), source.replace), source.divide)
        yield from ((f"#{number}" if source.divide else "", Row(text, row.fields)) for number, text in enumerate(texts, start=1))


def _numbered(found: Iterable[Row | None], given: Input, source: Reading) -> Iterator[tuple[str, Row]]:
    """Rows with their numbers; divided or packed ones with their own."""
    before, section = (0, 0) if given.piece is None else (given.piece.rows, given.piece.section)
    sign = f"#{section}." if section else "#"
    if source.divide is None and source.join is None:
        for number, row in enumerate(found, start=before + 1):
            if row is not None:
                yield f"{sign}{number}", _mended(row, source)
        return
    rows = (Row(text, row.fields, row.form) for row in found if row is not None for text in _divisions(row, source))
    for number, row in enumerate(_packed(rows, source.join) if source.join else rows, start=1):
        yield f"{sign}{number}", row


def _mended(row: Row, source: Reading) -> Row:
    return row if row.form == "html" else Row(replaced(mend_surrogates(row.text), source.replace), row.fields)


def _divisions(row: Row, source: Reading) -> list[str]:
    return [row.text] if row.form == "html" else divided(_mended(row, source).text, source.divide)


def _packed(rows: Iterator[Row], count: int) -> Iterator[Row]:
    """Packs of `count` rows; a blank line between them where a row has several lines itself."""
    while pack := list(islice(rows, count)):
        texts = [row.text.strip("\n") for row in pack]
        yield Row(("\n\n" if any("\n" in text for text in texts) else "\n").join(texts), form=pack[0].form)


def _document(given: Input, source: Source, part: str, row: Row) -> Document:
    known = {name: _word(row.fields.get(name)) for name in KNOWN}
    return Document(
        id=mend_surrogates(f"{source.label}/{given.name}{part}"),
        text=row.text,
        source=source.label,
        url=known["url"] or given.url,
        language=source.language or known["language"],
        license=known["license"] or source.license,
        created=known["created"],
        meta={mend_surrogates(key): _clean(value) for key, value in row.fields.items() if known.get(key) is None},
        form=row.form,
        utf8=row.utf8,
    )


def replaced(text: str, replace: dict[str, str]) -> str:
    for pattern, replacement in replace.items():
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text


def divided(text: str, pattern: str | None) -> list[str]:
    """The text cut before each line that the pattern is found in; headings on each other's heels stay together."""
    return [text] if pattern is None else list(_divided([text], pattern))


def _divided(texts: Iterable[str], pattern: str) -> Iterator[str]:
    heading = re.compile(pattern)
    part: list[str] = []
    size = 0
    only_headings = True
    for line in chain.from_iterable(text.splitlines(keepends=True) for text in texts):
        is_heading = heading.search(line.rstrip("\r\n")) is not None
        if (is_heading and not only_headings) or size > LONGEST_LINE:
            if (whole := "".join(part)).strip():
                yield whole
            part, size = [], 0
            only_headings = True
        only_headings = only_headings and (is_heading or not line.strip())
        part.append(line)
        size += len(line)
    if (whole := "".join(part)).strip():
        yield whole


def cut(text: str, longest: int) -> list[str]:
    """Pieces of at most `longest` characters, cut at the last paragraph, line, sentence or space in the second half."""
    return list(cut_stream([text], longest))


def cut_stream(texts: Iterable[str], longest: int) -> Iterator[str]:
    """The same of a text that comes in blocks."""
    rest = ""
    for text in texts:
        rest = rest + text if rest else text
        start = 0
        while len(rest) - start > longest:
            end = start + longest
            for sign in ("\n\n", "\n", "。", ". ", " "):
                found = rest.rfind(sign, start + longest // 2, end)
                if found >= 0:
                    end = found + len(sign)
                    break
            yield rest[start:end]
            start = end
        rest = rest[start:]
    yield rest


def _word(value: Any) -> str | None:
    return mend_surrogates(value) if isinstance(value, str) and value else None


def _clean(value: Any) -> Any:
    """A JSON value without lone surrogates."""
    if isinstance(value, str):
        return mend_surrogates(value)
    if isinstance(value, dict):
        return {mend_surrogates(key): _clean(inner) for key, inner in value.items()}
    return [_clean(inner) for inner in value] if isinstance(value, list) else value
