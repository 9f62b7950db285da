"""The database asks no network, minds quotes in names, and leaves nothing behind."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.corpus.statistics.database import opened, parquet


def test_extensions_are_neither_fetched_nor_loaded(tmp_path: Path) -> None:
    with opened(tmp_path) as database:
        for name in ("autoinstall_known_extensions", "autoload_known_extensions", "allow_community_extensions"):
            assert database.execute(f"SELECT current_setting('{name}')").fetchone() == (False,)
        with pytest.raises(duckdb.Error):
            database.execute("SELECT * FROM read_parquet('https://example.invalid/x.parquet')")


def test_it_spills_where_it_is_told_and_tidies_up(tmp_path: Path) -> None:
    with opened(tmp_path) as database:
        database.execute("SET memory_limit = '40MB'; SET threads = 1")
        database.execute("CREATE TABLE wide AS SELECT hash(range) AS a, hash(range + 1) AS b, md5(range::VARCHAR) AS c FROM range(1500000)")
        assert list((tmp_path / "duckdb").iterdir())
        assert database.execute("SELECT count(*) FROM wide").fetchone() == (1_500_000,)
    assert list(tmp_path.iterdir()) == []


def test_a_name_with_a_quote(tmp_path: Path) -> None:
    path = tmp_path / "it's.parquet"
    pq.write_table(pa.table({"a": [1, 2]}), path)
    with opened(tmp_path) as database:
        assert database.execute(f"SELECT sum(a) FROM {parquet([path])}").fetchone() == (3,)
