"""DuckDB, on a short lead: a memory limit, spilling into a folder of ours, no network, no extension loaded by itself.

with opened(folder) as database:
    database.execute("CREATE VIEW documents AS SELECT * FROM " + parquet(paths))
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from headwater.core.hardware import cores

MEMORY = "768MB"
SPILL = "duckdb"


@contextmanager
def opened(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that spills into `folder`/duckdb, which goes with it."""
    spill = folder / SPILL
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY,
        "threads": cores(),
        "temp_directory": str(spill),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
    }
    database = duckdb.connect(":memory:", config=settings)
    try:
        database.execute("SET enable_progress_bar = false")
        yield database
    finally:
        database.close()
        shutil.rmtree(spill, ignore_errors=True)


def parquet(paths: Sequence[Path], more: str = "") -> str:
    """`read_parquet([…])` over files, for a FROM clause."""
    return f"read_parquet([{', '.join(quoted(str(path)) for path in paths)}]{more})"


def quoted(text: str) -> str:
    """A string of SQL."""
    return "'" + text.replace("'", "''") + "'"
