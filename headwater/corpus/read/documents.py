"""Which documents are in a file? In: a raw file and its source. Out: documents with stable ids.

By the ending: .html .htm (a page), .warc .wet (pages of a crawl, .gz or plain), .jsonl .json .yaml .csv .tsv .parquet (rows), and
whatever else is text (one text).
An id is `source/file`, with `#part` (counted from 1: row, part of a divided text, pack of joined rows) where there can be
several, and `.piece` where one was too long. Every mistake is one sentence naming file and line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from headwater.core.errors import HeadwaterError
from headwater.corpus.document import Document
from headwater.corpus.read.config import PackageSource, PathSource
from headwater.corpus.read.decode import decode, mend_surrogates
from headwater.corpus.read.rows import BadRow, Row, csv_rows, json_rows, jsonl_rows, parquet_rows, yaml_rows
from headwater.corpus.read.source import RawFile
from headwater.corpus.read.warc import Damage, pages_of

Rows = Callable[[bytes, str, str], Iterator[Row | BadRow]]
ROWS: dict[str, Rows] = {
    "jsonl": jsonl_rows, "ndjson": jsonl_rows, "json": json_rows, "yaml": yaml_rows, "yml": yaml_rows, "csv": csv_rows,
    "tsv": csv_rows, "parquet": parquet_rows,
}  # fmt: skip
ARCHIVES = (".warc", ".warc.gz", ".wet", ".wet.gz")
PAGES = ("html", "htm", "xhtml")
KNOWN = ("url", "language", "license", "created")
"""Fields of a row that mean the document's own."""


def read(file: RawFile, source: PathSource | PackageSource, bad_rows: Counter[str]) -> Iterator[Document]:
    """The documents of a file, in its order; bad rows that the source allows are counted in `bad_rows`.

    Raises HeadwaterError for an empty, binary or damaged file, a bad row, or a text field that is not there.
    """
    if not file.data:
        raise HeadwaterError("is empty", where=file.place, mend="delete it or leave it out of the source's pattern")
    if file.name.lower().endswith(ARCHIVES):
        yield from _archived(file, source, bad_rows)
        return
    ending = PurePosixPath(file.name).suffix.lower().lstrip(".")
    if ending in PAGES:
        yield _document(file, source, "", Row(decode(file.data, file.place, html=True)), form="html")
        return
    for part, row in _parts(file, source, ROWS.get(ending), bad_rows):
        pieces = cut(row.text, source.longest)
        for number, piece in enumerate(pieces, start=1):
            place = part if len(pieces) == 1 else f"{part}.{number}" if part else f"#{number}"
            yield _document(file, source, place, Row(piece, row.fields))


def _archived(file: RawFile, source: PathSource | PackageSource, bad_rows: Counter[str]) -> Iterator[Document]:
    """The pages of a web archive; a page that is empty or no text, and the place where the archive breaks off, are bad rows."""
    for number, page in enumerate(pages_of(file.data, file.place), start=1):
        if isinstance(page, Damage):
            bad_rows[f"{source.label}/{file.name}: {page.what}"] += 1
            return
        try:
            text = decode(page.data, f"{file.place}, page {number}", html=page.html)
        except HeadwaterError:
            bad_rows[f"{source.label}/{file.name}"] += 1
            continue
        row = Row(text, {"url": page.url, "created": page.created})
        yield _document(file, source, f"#{number}", row, form="html" if page.html else "text")


def _parts(file: RawFile, source: PathSource | PackageSource, rows_in: Rows | None, bad_rows: Counter[str]) -> Iterator[tuple[str, Row]]:
    """`(#part, row)`: rows of the file, or its text whole, divided, or as packs of lines."""
    if rows_in is not None:
        rows = _good(rows_in(file.data, file.place, source.text_field), file, source, bad_rows)
    else:
        text = replaced(decode(file.data, file.place), source.replace)
        if source.divide is None and source.join is None:
            yield "", Row(text)
            return
        texts = divided(text, source.divide) if source.divide else (line for line in text.splitlines() if line.strip())
        rows = (Row(text) for text in texts)
    for number, row in enumerate(_joined(rows, source.join), start=1):
        yield f"#{number}", row


def _good(rows: Iterator[Row | BadRow], file: RawFile, source: PathSource | PackageSource, bad_rows: Counter[str]) -> Iterator[Row]:
    for row in rows:
        if isinstance(row, Row):
            for text in divided(replaced(mend_surrogates(row.text), source.replace), source.divide):
                yield Row(text, row.fields)
        elif source.on_bad_row == "fail":
            raise row.error
        else:
            bad_rows[f"{source.label}/{file.name}"] += 1


def _joined(rows: Iterator[Row], count: int | None) -> Iterator[Row]:
    """Packs of `count` rows; a blank line between them where a row has several lines itself."""
    if count is None:
        yield from rows
        return
    while pack := list(islice(rows, count)):
        texts = [row.text.strip("\n") for row in pack]
        yield Row(("\n\n" if any("\n" in text for text in texts) else "\n").join(texts))


def _document(file: RawFile, source: PathSource | PackageSource, part: str, row: Row, form: str = "text") -> Document:
    known = {name: _word(row.fields.get(name)) for name in KNOWN}
    return Document(
        id=mend_surrogates(f"{source.label}/{file.name}{part}"),
        text=replaced(row.text, source.replace) if form == "html" else row.text,
        source=source.label,
        url=known["url"] or file.url,
        language=source.language or known["language"],
        license=known["license"] or source.license,
        created=known["created"],
        meta={mend_surrogates(key): _clean(value) for key, value in row.fields.items() if known.get(key) is None},
        form=form,
    )


def replaced(text: str, replace: dict[str, str]) -> str:
    for pattern, replacement in replace.items():
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text


def divided(text: str, pattern: str | None) -> list[str]:
    """The text cut before each line that the pattern is found in; headings on each other's heels stay together."""
    if pattern is None:
        return [text]
    heading = re.compile(pattern)
    parts: list[list[str]] = [[]]
    only_headings = True
    for line in text.splitlines(keepends=True):
        is_heading = heading.search(line.rstrip("\r\n")) is not None
        if is_heading and not only_headings:
            parts.append([])
            only_headings = True
        only_headings = only_headings and (is_heading or not line.strip())
        parts[-1].append(line)
    return [part for lines in parts if (part := "".join(lines)).strip()]


def cut(text: str, longest: int) -> list[str]:
    """Pieces of at most `longest` characters, cut at the last paragraph, line, sentence or space in the second half."""
    pieces: list[str] = []
    start = 0
    while len(text) - start > longest:
        end = start + longest
        for sign in ("\n\n", "\n", "。", ". ", " "):
            found = text.rfind(sign, start + longest // 2, end)
            if found >= 0:
                end = found + len(sign)
                break
        pieces.append(text[start:end])
        start = end
    return [*pieces, text[start:]]


def _word(value: Any) -> str | None:
    return mend_surrogates(value) if isinstance(value, str) and value else None


def _clean(value: Any) -> Any:
    """A JSON value without lone surrogates."""
    if isinstance(value, str):
        return mend_surrogates(value)
    if isinstance(value, dict):
        return {mend_surrogates(key): _clean(inner) for key, inner in value.items()}
    return [_clean(inner) for inner in value] if isinstance(value, list) else value
