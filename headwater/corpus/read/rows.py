"""What rows are in a file that has rows? In: the bytes of JSONL, JSON, YAML, CSV or Parquet. Out: rows, good and bad.

A row is a text and its other fields. In JSON and YAML a row may be a string, an object with the text field, a list of
strings (a dialogue: one line each), or an entry of one big object; an object whose text field holds a list is that list.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from headwater.core.errors import HeadwaterError, nearest
from headwater.corpus.read.decode import decode
from headwater.corpus.read.open import AGAIN, reason

DEPTH = 100
"""Nesting of YAML: text has three or four."""


@dataclass(frozen=True, slots=True)
class Row:
    text: str
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read, and the sentence about it."""

    error: HeadwaterError


def jsonl_rows(data: bytes, where: str, text_field: str) -> Iterator[Row | BadRow]:
    for number, line in enumerate(decode(data, where).split("\n"), start=1):
        if not line.strip():
            continue
        at = f"{where}:{number}"
        try:
            value = _json(line)
        except (ValueError, RecursionError) as error:
            yield BadRow(HeadwaterError(f"is not valid JSON ({reason(error)})", where=at, mend="mend the line, or set `on_bad_row: skip`"))
            continue
        yield _row(value, at, text_field)


def json_rows(data: bytes, where: str, text_field: str) -> Iterator[Row | BadRow]:
    yield from _tree_rows(parse_json(data, where), where, text_field)


def yaml_rows(data: bytes, where: str, text_field: str) -> Iterator[Row | BadRow]:
    yield from _tree_rows(parse_yaml(data, where), where, text_field)


def parse_json(data: bytes, where: str) -> Any:
    """The value of a JSON file. Raises HeadwaterError with the line for anything that is none."""
    text = decode(data, where)
    try:
        return _json(text)
    except json.JSONDecodeError as error:
        mend = "it looks like JSONL: name it .jsonl" if error.msg == "Extra data" else "mend it, or fetch it again"
        raise HeadwaterError(f"is not valid JSON ({error.msg})", where=f"{where}:{error.lineno}", mend=mend) from None
    except (ValueError, RecursionError) as error:
        raise HeadwaterError(f"is not JSON that can be read ({reason(error)})", where=where, mend="mend it, or fetch it again") from None


def parse_yaml(data: bytes, where: str) -> Any:
    """The value of a YAML file, with every scalar as the text that stands there: `- Yes` is an answer, not a truth value.

    Raises HeadwaterError with the line for anything that is none.
    """
    import yaml

    text = decode(data, where)
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        _refuse_deep_yaml(yaml.parse(text, loader))
        return yaml.load(text, loader)  # noqa: S506 (makes only strings)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = where if mark is None else f"{where}:{mark.line + 1}"
        raise HeadwaterError(f"is not valid YAML ({getattr(error, 'problem', None) or reason(error)})", where=at, mend="mend it") from None
    except (RecursionError, ValueError) as error:
        raise HeadwaterError(f"is not YAML that can be read ({reason(error)})", where=where, mend="mend it, or fetch it again") from None


def _refuse_deep_yaml(events: Iterator[Any]) -> None:
    """The library builds trees by recursion in C, where depth ends in a crash; its events come one by one."""
    depth = 0
    for event in events:
        name = type(event).__name__
        depth += name.endswith("StartEvent") - name.endswith("EndEvent")
        if depth > DEPTH:
            raise ValueError(f"it is nested more than {DEPTH} deep")


def csv_rows(data: bytes, where: str, text_field: str) -> Iterator[Row | BadRow]:
    text = decode(data, where)
    csv.field_size_limit(1 << 30)
    delimiter = "\t" if where.lower().endswith(".tsv") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = next(reader, [])
        if text_field not in header:
            raise _no_field(text_field, header, where)
        while (values := _next_csv(reader, where)) is not None:
            at = f"{where}:{reader.line_num}"
            if isinstance(values, BadRow):
                yield values
            elif len(values) != len(header):
                yield BadRow(HeadwaterError(f"has {len(values)} fields where the header has {len(header)}", where=at,
                                            mend="mend the line, or set `on_bad_row: skip`"))  # fmt: skip
            else:
                yield _row(dict(zip(header, values, strict=True)), at, text_field)
    except csv.Error as error:
        raise HeadwaterError(f"is not CSV ({reason(error)})", where=where, mend="mend it, or convert it to JSONL") from None


def _next_csv(reader: Any, where: str) -> list[str] | BadRow | None:
    """The next row that is not blank; None at the end."""
    try:
        return next((values for values in reader if values), None)
    except csv.Error as error:
        return BadRow(HeadwaterError(f"is not CSV that can be read ({reason(error)})", where=f"{where}:{reader.line_num}",
                                     mend="mend the line, or set `on_bad_row: skip`"))  # fmt: skip


def parquet_rows(data: bytes, where: str, text_field: str) -> Iterator[Row | BadRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        if text_field not in file.schema_arrow.names:
            raise _no_field(text_field, file.schema_arrow.names, where)
        for batch in file.iter_batches(batch_size=256):
            for value in batch.to_pylist():
                number += 1
                yield _row(value, f"{where}, row {number}", text_field)
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        at = f"{where}, row {number + 1}" if number else where
        raise HeadwaterError(f"is damaged or no Parquet ({reason(error)})", where=at, mend=AGAIN) from None


def _json(text: str) -> Any:
    return json.loads(text, parse_constant=lambda name: None)


def _tree_rows(value: Any, where: str, text_field: str) -> Iterator[Row | BadRow]:
    if isinstance(value, dict) and isinstance(value.get(text_field), list):
        value = value[text_field]
    elif isinstance(value, dict) and value and text_field not in value:
        if not all(isinstance(inner, str | list) for inner in value.values()):
            raise _no_field(text_field, value, where)
        for key, inner in value.items():
            row = _row(inner, f"{where}, entry '{key}'", text_field)
            yield Row(row.text, {**row.fields, "key": key}) if isinstance(row, Row) else row
        return
    for number, inner in enumerate(value if isinstance(value, list) else [value], start=1):
        yield _row(inner, f"{where}, entry {number}", text_field)


def _row(value: Any, at: str, text_field: str) -> Row | BadRow:
    if isinstance(value, str):
        return Row(value)
    if isinstance(value, dict) and isinstance(value.get(text_field), str):
        return Row(value[text_field], {key: plain(inner) for key, inner in value.items() if key != text_field})
    if isinstance(value, list) and value and all(line_of(inner) is not None for inner in value):
        return Row("\n".join(line_of(inner) or "" for inner in value))
    if isinstance(value, dict) and text_field not in value:
        return BadRow(_no_field(text_field, value, at))
    if isinstance(value, dict):
        return BadRow(HeadwaterError(f"the field '{text_field}' holds no text", where=at, mend="mend the row, or set `on_bad_row: skip`"))
    kind = "is an empty list" if value == [] else f"is no text ({type(value).__name__})"
    return BadRow(HeadwaterError(kind, where=at, mend="mend the row, or set `on_bad_row: skip`"))


def line_of(value: Any) -> str | None:
    """A line of a dialogue; YAML makes `{Alan Turing: a pioneer}` of `- Alan Turing: a pioneer`."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and len(value) == 1:
        key, inner = next(iter(value.items()))
        return f"{key}: {inner}" if isinstance(inner, str) else None
    return None


def plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return None
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def _no_field(text_field: str, known: Any, at: str) -> HeadwaterError:
    names = [str(name) for name in known][:20]
    mend = f"{nearest(text_field, names)}".replace("did you mean", "set `text_field:`; did you mean") if names else "it has no fields"
    return HeadwaterError(f"has no field '{text_field}'", where=at, mend=mend)
