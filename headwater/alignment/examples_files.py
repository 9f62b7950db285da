"""Which rows does a file of labelled examples have? In: a raw file. Out: `(place, row)`, a row being a dict or the sentence about it.

    .jsonl .json .csv .tsv .parquet     rows by the names of their fields; SQuAD's nested JSON is taken apart into such rows
    .conll .bio .iob                    a word a line with its tag in the last column, sentences apart by a blank line

A file is in memory as a whole: labelled examples are few.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

from headwater.core.errors import HeadwaterError
from headwater.corpus.read.decode import decode
from headwater.corpus.read.open import AGAIN, reason
from headwater.corpus.read.rows import BAD_LINE, BAD_ROW, parse_json
from headwater.corpus.read.source import RawFile

Rows = Iterator[tuple[str, dict[str, Any] | HeadwaterError]]


def rows_of(file: RawFile, format: str | None = None) -> Rows:
    """The rows in order. Raises HeadwaterError for a file that is damaged, or of a format that has no rows with labels."""
    name = PurePosixPath(file.name.lower()).suffix.lstrip(".") if format is None else format
    if name not in READERS:
        kinds = ", ".join(dict.fromkeys(READERS))
        raise HeadwaterError("is no file of labelled rows", where=file.place, mend=f"these are read: {kinds}")
    yield from READERS[name](file.data, file.place)


def _jsonl(data: bytes, where: str) -> Rows:
    for number, line in enumerate(decode(data, where).split("\n"), start=1):
        if line.strip():
            place = f"{where}:{number}"
            try:
                yield place, _object(json.loads(line), place)
            except (ValueError, RecursionError) as error:
                yield place, HeadwaterError(f"is not valid JSON ({reason(error)})", where=place, mend=BAD_LINE)


def _json(data: bytes, where: str) -> Rows:
    value = parse_json(data, where)
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        value = list(_flat(value["data"]))
    if not isinstance(value, list):
        raise HeadwaterError("is not a list of rows", where=where, mend="wrap it in [ ]")
    for number, row in enumerate(value, start=1):
        place = f"{where}, row {number}"
        yield place, _object(row, place)


def _flat(entries: list[Any]) -> Iterator[Any]:
    """SQuAD's articles of paragraphs of questions, as rows; what is none of its stays as it is."""
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("paragraphs"), list):
            yield entry
            continue
        for paragraph in entry["paragraphs"]:
            questions = paragraph.get("qas") if isinstance(paragraph, dict) else None
            for question in questions if isinstance(questions, list) else [None]:
                yield {**question, "context": paragraph.get("context")} if isinstance(question, dict) else question


def _object(row: Any, place: str) -> dict[str, Any] | HeadwaterError:
    return row if isinstance(row, dict) else HeadwaterError("is not an object with fields", where=place, mend=BAD_ROW)


def _csv(data: bytes, where: str, delimiter: str = ",") -> Rows:
    csv.field_size_limit(1 << 30)
    reader = csv.reader(io.StringIO(decode(data, where), newline=""), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
        for values in reader:
            place = f"{where}:{reader.line_num}"
            if len(values) == len(header):
                yield place, dict(zip(header, values, strict=True))
            elif values:
                fault = f"has {len(values)} fields where the header has {len(header)}"
                yield place, HeadwaterError(fault, where=place, mend=BAD_LINE)
    except csv.Error as error:
        raise HeadwaterError(f"is not CSV ({reason(error)})", where=f"{where}:{reader.line_num}",
                             mend="mend it, or convert it to JSONL") from None  # fmt: skip


def _tsv(data: bytes, where: str) -> Rows:
    yield from _csv(data, where, "\t")


def _parquet(data: bytes, where: str) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(data)).to_pylist()
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise HeadwaterError(f"is damaged or no Parquet ({reason(error)})", where=where, mend=AGAIN) from None
    yield from ((f"{where}, row {number}", row) for number, row in enumerate(rows, start=1))


def _conll(data: bytes, where: str) -> Rows:
    words: list[str] = []
    tags: list[str] = []
    first = 1
    for number, line in enumerate([*decode(data, where).split("\n"), ""], start=1):
        parts = line.split()
        if parts and parts[0] != "-DOCSTART-":
            if len(parts) < 2:
                raise HeadwaterError("is not a word and its tag", where=f"{where}:{number}", mend="give both, or an empty line")
            first = first if words else number
            words.append(parts[0])
            tags.append(parts[-1])
        elif words:
            yield f"{where}:{first}", {"tokens": words, "tags": tags}
            words, tags = [], []


READERS: dict[str, Callable[[bytes, str], Rows]] = {
    "jsonl": _jsonl, "ndjson": _jsonl, "json": _json, "csv": _csv, "tsv": _tsv, "parquet": _parquet,
    "conll": _conll, "bio": _conll, "iob": _conll,
}  # fmt: skip
