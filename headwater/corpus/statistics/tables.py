"""How long are the documents, whence, in which language and from when? In: Parquet files of documents. Out: rows of counts.

One scan of the texts makes a table of facts (a few numbers a document, which DuckDB spills to disk where it must); the rest are
groups over it. Histograms are log-spaced, ten bins a decade: bin i holds [10^(i/10), 10^((i+1)/10)) characters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from headwater.corpus.mixture.address import domain_of
from headwater.corpus.statistics.database import parquet

PER_DECADE = 10
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LANGUAGES = 8
"""Languages with a histogram of their own: the largest."""
DOMAINS = 100
"""Domains that are named: the largest."""
AT_ONCE = 10_000
HOST = r"^(?:https?:|ftp:)?//(?:[^/@?#]*@)?([^/?#]+)"
YEAR = r"^\s*([12][0-9]{3})(?:[-/.年]|T|\s|$)"
COPY = r"~[0-9]+$"
"""What the mixture adds to the ids of further copies of a document."""
MONTH = r"^\s*[12][0-9]{3}[-/.年]\s*(0?[1-9]|1[0-2])(?:[-/.月]|T|\s|$)"


def gather(database: duckdb.DuckDBPyConnection, documents: Sequence[Path]) -> None:
    """The table `facts`: one row a document, without its text."""
    database.execute(f"""
        CREATE TABLE facts AS SELECT
            hash(regexp_replace(id, '{COPY}', '')) AS id, source, coalesce(language, 'und') AS language, created,
            strlen(text)::BIGINT AS bytes,
            length(text)::BIGINT AS characters, lower(regexp_extract(url, '{HOST}', 1)) AS host,
            regexp_extract(filename, '([^/\\\\]*?)(-[0-9]+)?\\.parquet$', 1) AS split
        FROM {parquet(documents, ", filename = true")}""")  # noqa: S608 (our own constants and file names)


def sums(database: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Of all documents; `repeated` are copies of a document that is there already (a mixture writes some several times)."""
    row = database.execute(
        "SELECT count(*), coalesce(sum(bytes), 0), coalesce(sum(characters), 0), count(DISTINCT id) FROM facts"
    ).fetchone()
    assert row is not None
    return {"documents": row[0], "bytes": int(row[1]), "characters": int(row[2]), "repeated": row[0] - row[3]}


def by(database: duckdb.DuckDBPyConnection, column: str) -> dict[str, dict[str, int]]:
    """Documents, bytes and characters of each source, language or split."""
    rows = database.execute(f"SELECT {column}, count(*), sum(bytes), sum(characters) FROM facts GROUP BY 1 ORDER BY 1").fetchall()  # noqa: S608
    return {name: {"documents": count, "bytes": int(size), "characters": int(length)} for name, count, size, length in rows}


def lengths(database: duckdb.DuckDBPyConnection, languages: dict[str, dict[str, int]]) -> dict[str, Any]:
    """Characters a document: histogram and quantiles of all, and of the largest languages."""
    largest = sorted(languages, key=lambda name: (-languages[name]["documents"], name))[:LANGUAGES]
    query = "SELECT characters, count(*)::BIGINT AS n FROM facts WHERE $1 IS NULL OR language = $1 GROUP BY 1 ORDER BY 1"
    found = {}
    for name in (None, *sorted(largest)):
        table = database.execute(query, [name]).fetchnumpy()
        found[name or "all"] = _distribution(np.asarray(table["characters"]), np.asarray(table["n"]))
    return {"unit": "characters", "bins_per_decade": PER_DECADE, "all": found.pop("all"), "by_language": found}


def _distribution(values: np.ndarray, counts: np.ndarray) -> dict[str, Any]:
    """Of sorted different values with their counts."""
    total = int(counts.sum())
    if total == 0:
        return {"mean": None, "quantiles": {}, "longest": 0, "first_bin": 0, "histogram": []}
    reached = np.cumsum(counts)
    places = np.searchsorted(reached, [math.ceil(share * total) for share in QUANTILES])
    bins = np.floor(np.log10(np.maximum(values, 1)) * PER_DECADE + 1e-9).astype(np.int64)
    histogram = np.bincount(bins - bins[0], counts)
    return {
        "mean": float((values * counts).sum() / total),
        "quantiles": {f"{share:g}": int(values[place]) for share, place in zip(QUANTILES, places, strict=True)},
        "longest": int(values[-1]),
        "first_bin": int(bins[0]),
        "histogram": [int(count) for count in histogram],
    }


def times(database: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """When the documents were made, as far as they say."""
    year, month = (f"regexp_extract(created, '{pattern}', 1)" for pattern in (YEAR, MONTH))
    query = f"SELECT {year} AS year, {month} AS month, count(*), sum(bytes) FROM facts WHERE {year} <> '' GROUP BY 1, 2 ORDER BY 1, 2"  # noqa: S608
    years: dict[str, dict[str, int]] = {}
    months: dict[str, dict[str, int]] = {}
    for of_year, of_month, count, size in database.execute(query).fetchall():
        places = [(years, of_year)] + ([(months, f"{of_year}-{int(of_month):02d}")] if of_month else [])
        for table, name in places:
            row = table.setdefault(name, {"documents": 0, "bytes": 0})
            row["documents"] += count
            row["bytes"] += int(size)
    dated = sum(row["documents"] for row in years.values())
    total = database.execute("SELECT count(*) FROM facts").fetchone()
    assert total is not None
    return {"dated": dated, "undated": total[0] - dated, "by_year": years, "by_month": dict(sorted(months.items()))}


def domains(database: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Registered domains: how many, how much the ten and the hundred largest hold, and these by name."""
    database.execute(
        "CREATE TABLE hosts AS SELECT host, count(*)::BIGINT AS n, sum(bytes)::BIGINT AS size FROM facts WHERE host <> '' GROUP BY 1"
    )
    database.execute("CREATE TABLE domains (domain VARCHAR, n BIGINT, size BIGINT)")
    reader = database.cursor().execute("SELECT host, n, size FROM hosts ORDER BY host")
    while rows := reader.fetchmany(AT_ONCE):
        hosts, counts, sizes = zip(*rows, strict=True)
        named = pa.table({"domain": pa.array([domain_of(f"http://{host}") for host in hosts], pa.string()), "n": counts, "size": sizes})
        database.register("named", named)
        database.execute("INSERT INTO domains SELECT domain, n, size FROM named WHERE domain IS NOT NULL")
        database.unregister("named")
    reader.close()
    query = "SELECT domain, sum(n)::BIGINT, sum(size)::BIGINT FROM domains GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $1"
    largest = database.execute(query, [DOMAINS]).fetchall()
    row = database.execute("SELECT count(DISTINCT domain), coalesce(sum(n), 0)::BIGINT FROM domains").fetchone()
    assert row is not None
    different, documents = row
    held = [count for _, count, _ in largest]
    return {
        "documents": documents,
        "different": different,
        "share_of_top_10": sum(held[:10]) / documents if documents else 0.0,
        "share_of_top_100": sum(held) / documents if documents else 0.0,
        "largest": [{"domain": name, "documents": count, "bytes": size} for name, count, size in largest],
    }
