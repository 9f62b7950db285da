"""What tables does a corpus have? In: a workspace, a corpus artifact, or any folder of Parquet. Out: a database of views to ask.

    documents    kept documents, with their split
    removed      the ledger: what went, by which step and rule
    annotated    every document that was read, with all attributes (where the annotate artifact is at hand)
    groups       who is in which group of duplicates: id, place, group, kind, similarity (where both that and relate's are)

One may only read, and only these files: once the views are made, DuckDB opens no other, and no statement but SELECT is let through.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from headwater.core.artifact import MANIFEST
from headwater.core.errors import HeadwaterError
from headwater.core.storage import read_json
from headwater.corpus.statistics.database import opened, parquet, quoted

AT_ONCE = 1000
SPLIT = ", regexp_extract(filename, '([^/\\\\]*?)(-[0-9]+)?\\.parquet$', 1) AS split"


@dataclass(frozen=True)
class Found:
    """Files of a corpus by view; those that are not there have none."""

    root: Path
    documents: list[Path]
    removed: list[Path]
    annotated: list[Path]
    groups: list[Path]

    @property
    def views(self) -> dict[str, list[Path]]:
        views = {"documents": self.documents, "removed": self.removed, "annotated": self.annotated, "groups": self.groups}
        return {name: paths for name, paths in views.items() if paths}


def find(path: Path) -> Found:
    """Raises HeadwaterError when there is no Parquet file."""
    if not path.exists():
        raise HeadwaterError("no such folder", where=path, mend="name a workspace (runs/demo), its corpus, or a folder of Parquet files")
    if path.is_file():
        return Found(path, [path.resolve()], [], [], [])
    root = path / "corpus" if (path / "corpus" / "documents").is_dir() else path
    documents = _parquet(root / "documents")
    removed = [file for file in (root / "removed.parquet",) if file.is_file()]
    if documents or removed:
        annotate, relate = _input(root, "annotate"), _input(root, "relate")
        return Found(
            root,
            documents,
            [file.resolve() for file in removed],
            _parquet(annotate, "part-*.parquet") if annotate else [],
            _parquet(relate, "groups.parquet") if annotate and relate else [],
        )
    documents = [file for file in _parquet(path, "**/*.parquet") if not any(part.startswith(".") for part in file.parts)]
    if not documents:
        raise HeadwaterError(
            "has no Parquet file", where=path, mend="name a workspace (runs/demo), its corpus, or a folder of Parquet files"
        )
    return Found(path, documents, [], [], [])


def _parquet(folder: Path, pattern: str = "*.parquet") -> list[Path]:
    return sorted(file.resolve() for file in folder.glob(pattern) if file.is_file())


def _input(root: Path, stage: str) -> Path | None:
    """The artifact that a corpus was made from, if it still stands beside it."""
    manifest = root / MANIFEST
    if not manifest.is_file():
        return None
    given = read_json(manifest).get("inputs", {}).get(stage)
    if given is None:
        return None
    beside = root.resolve().parent / f"{stage}-{given['fingerprint'][:16]}"
    return beside if beside.is_dir() else None


@contextmanager
def corpus(path: Path) -> Iterator[Corpus]:
    """The corpus at a path, to be asked."""
    found = find(path)
    with tempfile.TemporaryDirectory(prefix="headwater-inspect-") as folder, opened(Path(folder)) as database:
        for name, paths in found.views.items():
            try:
                database.execute(f"CREATE VIEW {name} AS {_select(name, paths)}")
            except duckdb.Error as error:
                raise HeadwaterError(
                    f"cannot be read ({_first(error)})", where=paths[0].parent, mend="look which file is damaged"
                ) from None
        allowed = ", ".join(quoted(str(file)) for paths in found.views.values() for file in paths)
        database.execute(f"SET allowed_paths = [{allowed}]")
        database.execute("SET enable_external_access = false")
        database.execute("SET lock_configuration = true")
        yield Corpus(found, database)


def _select(name: str, paths: Sequence[Path]) -> str:
    if name == "documents":
        return f"SELECT * EXCLUDE (filename){SPLIT} FROM {parquet(paths, ', filename = true, union_by_name = true')}"  # noqa: S608
    if name == "annotated":  # without the fingerprints of duplicates, which say nothing to people
        return f"SELECT COLUMNS(lambda name: NOT starts_with(name, 'band.')) FROM {parquet(paths)}"  # noqa: S608
    if name == "groups":  # a document's place is its row number over all parts
        places = "SELECT id, row_number() OVER () - 1 AS place FROM annotated"
        return f"SELECT id, groups.* FROM {parquet(paths)} AS groups JOIN ({places}) USING (place) ORDER BY groups.place"  # noqa: S608
    return f"SELECT * FROM {parquet(paths)}"  # noqa: S608


@dataclass(frozen=True)
class Corpus:
    found: Found
    database: duckdb.DuckDBPyConnection

    def columns(self, view: str) -> list[str]:
        """Names of a view's columns; none where there is no such view."""
        if view not in self.found.views:
            return []
        return [row[0] for row in self.database.execute(f"DESCRIBE {view}").fetchall()]

    def ask(self, sql: str) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        """The user's statement: names of its columns, and its rows as they come. Raises HeadwaterError with the place of the mistake."""
        try:
            statements = self.database.extract_statements(sql)
        except duckdb.Error as error:
            raise _sentence(error, sql) from None
        if len(statements) != 1:
            raise HeadwaterError(f"{len(statements)} statements are given", where="SQL", mend="ask one at a time")
        if statements[0].type != duckdb.StatementType.SELECT:
            raise HeadwaterError("only reads are answered", where="SQL", mend="begin with SELECT, FROM, DESCRIBE or SUMMARIZE")
        try:
            cursor = self.database.execute(statements[0])
        except duckdb.Error as error:
            raise _sentence(error, sql) from None
        return [column[0] for column in cursor.description], _rows(cursor, sql)

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """Rows of a statement of ours."""
        cursor = self.database.execute(sql, list(values))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _rows(cursor: duckdb.DuckDBPyConnection, sql: str) -> Iterator[tuple[Any, ...]]:
    try:
        while rows := cursor.fetchmany(AT_ONCE):
            yield from rows
    except duckdb.Error as error:
        raise _sentence(error, sql) from None


def _sentence(error: duckdb.Error, sql: str) -> HeadwaterError:
    """DuckDB's message as one sentence, with line and column of the mistake."""
    said = str(error)
    where = "SQL"
    if match := re.search(r"^LINE (\d+): (.*)\n( *)\^", said, re.MULTILINE):
        line = sql.splitlines()[int(match[1]) - 1] if sql.splitlines() else sql
        shown, indent = match[2].removeprefix("..."), len(match[3]) - len(f"LINE {match[1]}: ") - (3 if match[2].startswith("...") else 0)
        start = max(0, line.find(shown.removesuffix("...")))
        where = f"SQL, line {match[1]}, column {start + max(0, indent) + 1}"
    mend = re.search(r"^(Did you mean .*|Candidate bindings: .*)$", said, re.MULTILINE)
    return HeadwaterError(_first(error), where=where, mend=mend[1].strip() if mend else None)


def _first(error: duckdb.Error) -> str:
    """The message's first line, without the kind of error."""
    return re.sub(r"^[A-Z][\w ]*Error: ", "", str(error).split("\n")[0]).rstrip("!. ")
