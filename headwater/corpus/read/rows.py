"""What rows are in a file that has rows? In: JSONL, JSON, YAML, CSV or Parquet as a stream. Out: rows, good and bad.

A row is a text and its other fields. In JSON and YAML a row may be a string, an object with the text field, a list of
strings (a dialogue: one line each), or an entry of one big object; an object whose text field holds a list is that list.
JSONL, CSV and Parquet are read in little memory, whatever their size; JSON and YAML are in memory as a whole.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from typing import Any, BinaryIO

from headwater.core.errors import HeadwaterError, nearest
from headwater.corpus.read.config import Reading, Thread
from headwater.corpus.read.decode import decode
from headwater.corpus.read.found import BadRow, Row
from headwater.corpus.read.lines import LONGEST_LINE, TooLong, blocks, lines, whole
from headwater.corpus.read.open import reason
from headwater.corpus.read.thread import thread_of

DEPTH = 100
"""Nesting of YAML: text has three or four."""
LARGEST_TREE = 256 << 20
"""Bytes of one JSON or YAML file, which is in memory several times over."""
NODES = 32 << 20
"""Values of one YAML file, with what its aliases stand for."""
BAD_ROW = "mend the row, or set `on_bad_row: skip`"
BAD_LINE = "mend the line, or set `on_bad_row: skip`"


def jsonl_rows(file: BinaryIO, where: str, source: Reading, encoding: str | None = None, first: int = 1) -> Iterator[Row | BadRow]:
    """`first`: number of the line that the stream begins with."""
    for number, line in lines(file, where, encoding, first):
        at = f"{where}:{number}"
        if isinstance(line, TooLong):
            yield BadRow(HeadwaterError(f"is a line of more than {LONGEST_LINE >> 20} million characters", where=at, mend=BAD_LINE))
            continue
        try:
            value = _json(line)
        except (ValueError, RecursionError) as error:
            yield BadRow(HeadwaterError(f"is not valid JSON ({reason(error)})", where=at, mend=BAD_LINE))
            continue
        yield row_of(value, at, source)


def json_rows(file: BinaryIO, where: str, source: Reading) -> Iterator[Row | BadRow]:
    yield from _tree_rows(parse_json(whole(file, where, LARGEST_TREE), where), where, source)


def yaml_rows(file: BinaryIO, where: str, source: Reading) -> Iterator[Row | BadRow]:
    yield from _tree_rows(parse_yaml(whole(file, where, LARGEST_TREE), where), where, source)


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
    """The library builds trees by recursion in C, where depth ends in a crash; its events come one by one. An alias stands for all
    that its anchor holds, so a few lines of them can stand for more than any memory has (the "billion laughs").
    """
    counts = [0]
    anchors: list[str | None] = [None]
    sizes: dict[str, int] = {}
    for event in events:
        name = type(event).__name__
        counts[-1] += sizes.get(event.anchor, 1) if name == "AliasEvent" else 1
        if name.endswith("StartEvent"):
            counts.append(0)
            anchors.append(getattr(event, "anchor", None))
        elif name.endswith("EndEvent"):
            inside, anchor = counts.pop(), anchors.pop()
            counts[-1] += inside
            if anchor:
                sizes[anchor] = inside
        if len(counts) > DEPTH:
            raise ValueError(f"it is nested more than {DEPTH} deep")
        if counts[-1] > NODES:
            raise ValueError(f"its aliases stand for more than {NODES >> 20} million values")


def csv_rows(file: BinaryIO, where: str, source: Reading, delimiter: str = ",") -> Iterator[Row | BadRow]:
    csv.field_size_limit(LONGEST_LINE)
    texts = (line for block in blocks(file, where, nul=True) for line in io.StringIO(block, newline=""))
    reader = csv.reader(texts, delimiter=delimiter)
    try:
        header = next(reader, [])
        if field_of(source) not in header:
            raise no_field(field_of(source), header, where)
        while (values := _next_csv(reader, where)) is not None:
            at = f"{where}:{reader.line_num}"
            if isinstance(values, BadRow):
                yield values
            elif len(values) != len(header):
                yield BadRow(HeadwaterError(f"has {len(values)} fields where the header has {len(header)}", where=at, mend=BAD_LINE))
            else:
                yield row_of(dict(zip(header, values, strict=True)), at, source)
    except csv.Error as error:
        raise HeadwaterError(f"is not CSV ({reason(error)})", where=where, mend="mend it, or convert it to JSONL") from None


def tsv_rows(file: BinaryIO, where: str, source: Reading) -> Iterator[Row | BadRow]:
    yield from csv_rows(file, where, source, "\t")


def _next_csv(reader: Any, where: str) -> list[str] | BadRow | None:
    """The next row that is not blank; None at the end."""
    try:
        return next((values for values in reader if values), None)
    except csv.Error as error:
        return BadRow(HeadwaterError(f"is not CSV that can be read ({reason(error)})", where=f"{where}:{reader.line_num}", mend=BAD_LINE))


def _json(text: str) -> Any:
    return json.loads(text, parse_constant=lambda name: None)


def _tree_rows(value: Any, where: str, source: Reading) -> Iterator[Row | BadRow]:
    text_field = field_of(source)
    if isinstance(value, dict) and isinstance(value.get(text_field), list) and source.thread is None:
        value = value[text_field]
    elif isinstance(value, dict) and value and text_field not in value:
        if not all(isinstance(inner, str | list) for inner in value.values()):
            raise no_field(text_field, value, where)
        for key, inner in value.items():
            row = row_of(inner, f"{where}, entry '{short(key)}'", source)
            yield Row(row.text, {**row.fields, "key": key}) if isinstance(row, Row) else row
        return
    for number, inner in enumerate(value if isinstance(value, list) else [value], start=1):
        yield row_of(inner, f"{where}, entry {number}", source)


def field_of(source: Reading) -> str:
    """The field that a row must have."""
    return source.text_field if source.thread is None else source.thread.posts


def row_of(value: Any, at: str, source: Reading) -> Row | BadRow:
    text_field = field_of(source)
    if source.thread is not None and isinstance(value, dict) and text_field in value:
        return _thread_row(value, at, source.thread)
    if isinstance(value, str):
        return Row(value)
    if isinstance(value, dict) and isinstance(value.get(text_field), str):
        return Row(value[text_field], {key: plain(inner) for key, inner in value.items() if key != text_field})
    if isinstance(value, list) and value and all(line_of(inner) is not None for inner in value):
        return Row("\n".join(line_of(inner) or "" for inner in value))
    if isinstance(value, dict) and text_field not in value:
        return BadRow(no_field(text_field, value, at))
    if isinstance(value, dict):
        return BadRow(HeadwaterError(f"the field '{text_field}' holds no text", where=at, mend=BAD_ROW))
    kind = "is an empty list" if value == [] else f"is no text ({type(value).__name__})"
    return BadRow(HeadwaterError(kind, where=at, mend=BAD_ROW))


def _thread_row(value: dict[Any, Any], at: str, thread: Thread) -> Row | BadRow:
    text = thread_of(value, thread)
    if text is None:
        return BadRow(HeadwaterError(f"the field '{thread.posts}' holds no list of posts with a '{thread.text}'", where=at, mend=BAD_ROW))
    return Row(text, {key: plain(inner) for key, inner in value.items() if key not in (thread.posts, thread.title)})


def short(name: Any) -> str:
    """A name out of the data, fit for a sentence."""
    return " ".join(str(name)[:200].split())[:60]


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


def no_field(text_field: str, known: Any, at: str) -> HeadwaterError:
    names = [short(name) for name in known][:20]
    mend = f"{nearest(text_field, names)}".replace("did you mean", "set `text_field:`; did you mean") if names else "it has no fields"
    return HeadwaterError(f"has no field '{text_field}'", where=at, mend=mend)
