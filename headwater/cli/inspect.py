"""`headwater inspect`: samples of what a corpus kept and removed, with the reason marked in the text, and SQL over it."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from headwater.cli.status import size
from headwater.core.errors import HeadwaterError, nearest
from headwater.core.storage import read_json
from headwater.corpus.document import Span
from headwater.corpus.statistics.reasons import differences, reasons
from headwater.corpus.statistics.views import Corpus, corpus

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
WIDE = 160  # characters of a line where nobody's window ends
SHOWN_ROWS = 100
SHOWN_CELL = 80  # characters of a table's cell
SHOWN_TEXT = 600  # characters of a sample
COMPARED = 4000  # characters of two texts that are compared
AROUND = 120  # characters before the first mark
HELP = "Ask in SQL about: {views}. DESCRIBE documents; tells the columns. A ; or an empty line asks, \\q (or Ctrl-D) ends."


@dataclass(frozen=True)
class Asked:
    """Which documents are to be seen."""

    rule: str | None = None
    source: str | None = None
    kept: bool = True
    removed: bool = True
    count: int = 3
    seed: int = 0
    id: str | None = None


def inspect(path: Path, asked: Asked, sql: str | None, as_json: bool) -> None:
    with corpus(path) as opened:
        if sql is not None:
            _prompt(opened) if sql == "-" else _answer(opened, sql, as_json)
            return
        found = list(_by_id(opened, asked.id)) if asked.id is not None else list(_sampled(opened, asked))
        if as_json:
            for document in found:
                print(_line({**document, "marks": _marks(document)}))
            return
        console = _console()
        if asked.id is None:
            _overview(opened, console)
        for document in found:
            _show(document, console, whole=asked.id is not None)


def _sampled(opened: Corpus, asked: Asked) -> Iterator[dict[str, Any]]:
    """A few removed documents of each rule, then a few kept ones; equal seeds give equal ones."""
    rules = _rules(opened)
    if asked.rule is not None and not any(asked.rule in (row["rule"], row["step"], f"{row['step']}.{row['rule']}") for row in rules):
        known = {row["rule"] for row in rules}
        raise HeadwaterError(
            f"no document was removed by '{asked.rule}'", where="--rule", mend=nearest(asked.rule, known) if known else None
        )
    _check_source(opened, asked.source)
    if asked.removed:
        for row in rules:
            if asked.rule in (None, row["rule"], row["step"], f"{row['step']}.{row['rule']}"):
                yield from _removed(opened, asked, row["step"], row["rule"])
    if asked.kept and asked.rule is None and "documents" in opened.found.views:
        yield from _kept(opened, asked)


def _rules(opened: Corpus) -> list[dict[str, Any]]:
    if "removed" not in opened.found.views:
        return []
    return opened.rows(
        "SELECT step, rule, count(*) AS documents, sum(bytes)::BIGINT AS bytes FROM removed GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"
    )


def _check_source(opened: Corpus, source: str | None) -> None:
    if source is None:
        return
    views = [view for view in ("documents", "removed") if "source" in opened.columns(view)]
    known = {row["source"] for view in views for row in opened.rows(f"SELECT DISTINCT source FROM {view}")}  # noqa: S608 (our own names)
    if source not in known:
        raise HeadwaterError(f"there is no source '{source}'", where="--source", mend=nearest(source, known) if known else None)


def _removed(opened: Corpus, asked: Asked, step: str, rule: str) -> Iterator[dict[str, Any]]:
    rows = opened.rows(
        "SELECT *, excerpt AS text FROM removed WHERE step = $1 AND rule = $2 AND ($3 IS NULL OR source = $3) "
        "ORDER BY md5(id || $4), id LIMIT $5",
        step, rule, asked.source, f"\x1f{asked.seed}", asked.count,
    )  # fmt: skip
    yield from _completed(opened, rows)


def _completed(opened: Corpus, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Removed documents with their whole text and spans, where the annotated ones are at hand, and the text that stays instead."""
    texts = _texts(opened, [row["id"] for row in rows])
    instead = _texts(opened, [row["kept"] for row in rows if row["kept"]])
    for row in rows:
        text, spans = texts.get(row["id"], (row["excerpt"], []))
        other = instead.get(row["kept"], ("", []))[0] if row["kept"] else None
        del row["excerpt"]
        yield {"state": "removed", **row, "text": text, "whole": row["id"] in texts, "spans": spans, "instead": other}


def _texts(opened: Corpus, ids: list[str]) -> dict[str, tuple[str, list[Span]]]:
    """`{id: text, spans}` as the rules saw them, or as the corpus has them."""
    view = next((view for view in ("annotated", "documents") if {"id", "text"} <= set(opened.columns(view))), None)
    if view is None or not ids:
        return {}
    spans = "spans" if "spans" in opened.columns(view) else "NULL AS spans"
    rows = opened.rows(f"SELECT id, text, {spans} FROM {view} WHERE id IN (SELECT unnest($1))", ids)  # noqa: S608
    return {row["id"]: (row["text"], [(span["start"], span["end"], span["kind"]) for span in row["spans"] or []]) for row in rows}


def _kept(opened: Corpus, asked: Asked) -> Iterator[dict[str, Any]]:
    columns = opened.columns("documents")
    if "text" not in columns:
        raise HeadwaterError("has no column 'text'", where=opened.found.root, mend='look at its columns with --sql "DESCRIBE documents"')
    if "id" not in columns:
        yield from map(
            _kept_row, opened.rows("SELECT * FROM documents ORDER BY md5(text || $1), text LIMIT $2", f"\x1f{asked.seed}", asked.count)
        )
        return
    where = "WHERE $1 IS NULL OR source = $1" if "source" in columns else "WHERE $1 IS NULL"
    chosen = f"SELECT id FROM documents {where} ORDER BY md5(id || $2), id LIMIT $3"  # noqa: S608
    ids = [row["id"] for row in opened.rows(chosen, asked.source, f"\x1f{asked.seed}", asked.count)]  # ids first: texts are large
    rows = {row["id"]: row for row in opened.rows("SELECT * FROM documents WHERE id IN (SELECT unnest($1))", ids)} if ids else {}
    yield from (_kept_row(rows[id]) for id in ids)


def _kept_row(row: dict[str, Any]) -> dict[str, Any]:
    return {"state": "kept", **{name: value for name, value in row.items() if value is not None}, "text": row["text"] or ""}


def _by_id(opened: Corpus, id: str) -> Iterator[dict[str, Any]]:
    found = False
    if {"id", "text"} <= set(opened.columns("documents")):
        for row in opened.rows("SELECT * FROM documents WHERE id = $1", id):
            found = True
            yield _kept_row(row)
    if "removed" in opened.found.views:
        for row in _completed(opened, opened.rows("SELECT * FROM removed WHERE id = $1", id)):
            found = True
            yield row
    if not found:
        raise HeadwaterError(f"no document is called '{id}'", where="--id",
                             mend="""find it with --sql "SELECT id FROM documents WHERE id LIKE '%…%'\"""")  # fmt: skip


def _marks(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"start": start, "end": end, "kind": kind} for start, end, kind in _spans(document)]


def _spans(document: dict[str, Any]) -> list[Span]:
    """What of the text is to be marked: its recorded spans, what its rule counted, what its twin has not."""
    if document["state"] != "removed":
        return []
    if document["instead"]:
        return differences(document["text"][:COMPARED], document["instead"][:COMPARED])
    return sorted([*document["spans"], *reasons(document["text"], document["rule"])])


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(width=WIDE, highlight=False)


def _overview(opened: Corpus, console: Console) -> None:
    """What was kept, and what each rule took."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, side in (("step", "left"), ("rule", "left"), ("documents", "right"), ("text", "right")):
        table.add_column(name, justify=side)  # type: ignore[arg-type]
    for row in _rules(opened):
        table.add_row(Text(row["step"]), Text(row["rule"]), f"{row['documents']:,}", size(row["bytes"]))
    (kept,) = opened.rows("SELECT count(*) AS documents FROM documents") if "documents" in opened.found.views else ({"documents": 0},)
    funnel = opened.found.root / "funnel.json"
    splits = read_json(funnel).get("splits", {}) if funnel.is_file() else {}
    bytes_kept = size(sum(split["bytes"] for split in splits.values())) if splits else ""
    table.add_row("kept", "", f"{kept['documents']:,}", bytes_kept, style="green")
    console.print(table)


def _show(document: dict[str, Any], console: Console, whole: bool) -> None:
    console.print()
    name = Text(shown(str(document.get("id", ""))), style="bold")
    about = [str(document[key]) for key in ("source", "language", "split", "created", "url") if document.get(key)]
    console.print(name, Text("  " + " · ".join(shown(part) for part in about), style="dim"), soft_wrap=True)
    if document["state"] == "removed":
        console.print(_reason(document), soft_wrap=True)
    plain = console.color_system is None
    console.print(_marked(document["text"], _spans(document), whole, plain), soft_wrap=True)
    if document.get("instead"):
        console.print(Text(f"kept instead: {shown(str(document['kept']))}", style="green"), soft_wrap=True)
        # Of an excerpt the rest is unknown, not different.
        missing = differences(document["instead"][:COMPARED], document["text"][:COMPARED]) if document["whole"] else []
        console.print(_marked(document["instead"], missing, whole, plain), soft_wrap=True)
    if whole and document.get("scores"):
        _print_scores(document["scores"], console)


def _reason(document: dict[str, Any]) -> Text:
    """`quality.top_ngram  0.192, above 0.18`"""
    value, threshold = document["value"], document["threshold"]
    side = "above" if value > threshold else "below" if value < threshold else "at"
    figures = f"{value:.4g}, {side} {threshold:.4g}" if value == value else ""
    return Text(f"removed by {document['step']}.{document['rule']}  {figures}", style="red")


def _marked(text: str, spans: list[Span], whole: bool, plain: bool) -> Text:
    """The text with its spans marked, by colour or (`plain`) by brackets; of a long one the part around the first mark."""
    start = 0 if whole or not spans else max(0, spans[0][0] - AROUND)
    end = len(text) if whole else min(len(text), start + SHOWN_TEXT)
    marked = Text("…" if start else "")
    place = start
    for first, last, kind in spans:
        first, last = max(first, place), min(last, end)
        if first >= last:
            continue
        marked.append(shown(text[place:first]))
        said = shown(text[first:last])
        marked.append(f"⟦{said}⟧" if plain else said, style="black on yellow")
        if kind not in ("repeated", "only here"):
            marked.append(f"[{kind}]", style="dim")
        place = last
    marked.append(shown(text[place:end]))
    return marked.append("…" if end < len(text) else "")


def _print_scores(scores: Any, console: Console) -> None:
    pairs = scores.items() if isinstance(scores, dict) else scores
    console.print(Text("  ".join(f"{name} {value:.4g}" for name, value in sorted(pairs)), style="dim"), soft_wrap=True)


def _answer(opened: Corpus, sql: str, as_json: bool) -> None:
    """One statement: its rows as a table, or one JSON object a line."""
    names, rows = opened.ask(sql)
    if as_json:
        for row in rows:
            print(_line(dict(zip(names, row, strict=True))))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    few = [row for row, _ in zip(rows, range(SHOWN_ROWS + 1), strict=False)]
    for place, name in enumerate(names):
        right = all(isinstance(row[place], int | float) for row in few)
        table.add_column(escape(name), justify="right" if right else "left", overflow="ellipsis", no_wrap=True)
    for row in few[:SHOWN_ROWS]:
        table.add_row(*(Text(_cell(value)) for value in row))
    console = _console()
    console.print(table)
    if len(few) > SHOWN_ROWS:
        console.print(f"… the first {SHOWN_ROWS} rows; --json gives all", style="dim")


def shown(text: str) -> str:
    """Text without the control characters that would move a terminal's cursor or change its colours."""
    return CONTROL.sub("", text)


def _cell(value: Any) -> str:
    """A value in one line."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    text = " ".join(shown(str(value)).split())
    return text if len(text) <= SHOWN_CELL else text[: SHOWN_CELL - 1] + "…"


def _line(row: dict[str, Any]) -> str:
    return json.dumps(_plain(row), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    """A value in JSON's own words; what is no number is null."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    return value.isoformat() if isinstance(value, date | datetime) else value.hex() if isinstance(value, bytes) else str(value)


def _prompt(opened: Corpus) -> None:
    """Statements from standard input, one after the other, until it ends; a mistake is said and asks for the next."""
    on_terminal = sys.stdin is not None and sys.stdin.isatty()
    if on_terminal:
        with suppress(ImportError):
            import readline  # noqa: F401 (history and arrow keys for input())
        print(HELP.format(views=", ".join(opened.found.views)), file=sys.stderr)
    mistakes = 0
    while (said := _statement(on_terminal)) is not None:
        try:
            _answer(opened, said, as_json=False)
        except KeyboardInterrupt:
            print("…", file=sys.stderr)
        except HeadwaterError as error:
            mistakes += 1
            print(f"headwater: {' '.join(str(error).split())}", file=sys.stderr)
    if mistakes and not on_terminal:
        raise HeadwaterError(f"{mistakes} of the statements could not be answered", where="standard input")


def _statement(on_terminal: bool) -> str | None:
    """The next statement: lines up to a semicolon or an empty line; None when there is none."""
    lines: list[str] = []
    while True:
        try:
            line = input(("sql> " if not lines else "...> ") if on_terminal else "")
        except (EOFError, RuntimeError):  # RuntimeError: standard input is closed
            return "\n".join(lines) if "".join(lines).strip() else None
        except UnicodeDecodeError:
            raise HeadwaterError("is not UTF-8 text", where="standard input", mend="convert it with `iconv -t UTF-8`") from None
        if not lines and line.strip() in ("\\q", "/quit", "quit", "exit"):
            return None
        if not line.strip() and lines:
            return "\n".join(lines)
        if line.strip():
            lines.append(line)
        if line.rstrip().endswith(";"):
            return "\n".join(lines)
