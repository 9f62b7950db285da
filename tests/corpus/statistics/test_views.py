"""The views show what the files hold; nothing can be written, and nothing else can be read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.core.errors import HeadwaterError
from headwater.core.storage import write_json
from headwater.corpus.statistics.views import corpus, find


@pytest.fixture
def artifact(write: Callable[..., Path], tmp_path: Path) -> Path:
    """A corpus with the artifacts that it was made from beside it."""
    ids = [f"d{n}" for n in range(3000)]
    folders = {stage: tmp_path / "artifacts" / f"{stage}-{'ab' * 8}" for stage in ("annotate", "relate", "corpus")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    for part in range(3):
        table = pa.table({"id": ids[part * 1000 : (part + 1) * 1000], "text": [f"text {n}" for n in range(part * 1000, (part + 1) * 1000)],
                          "band.00": list(range(1000))})  # fmt: skip
        pq.write_table(table, folders["annotate"] / f"part-{part:05d}.parquet", row_group_size=100)
    groups = {"place": [5, 1500, 2999], "group": [5, 5, 5], "kind": ["near"] * 3, "similarity": [0.9, 0.9, 0.8]}
    pq.write_table(pa.table(groups), folders["relate"] / "groups.parquet")
    documents = write([{"id": id, "text": "kept"} for id in ids[:10]])
    (folders["corpus"] / "documents").mkdir()
    documents.rename(folders["corpus"] / "documents" / "train-00000.parquet")
    pq.write_table(pa.table({"id": ["d77"], "rule": ["length"]}), folders["corpus"] / "removed.parquet")
    given = {stage: {"fingerprint": "ab" * 16, "content": "x"} for stage in ("annotate", "relate")}
    write_json(folders["corpus"] / "manifest.json", {"inputs": given})
    (tmp_path / "corpus").symlink_to(folders["corpus"])
    return folders["corpus"]


def answer(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with corpus(path) as opened:
        _, rows = opened.ask(sql)
        return list(rows)


def test_all_views_of_a_workspace_and_of_an_artifact(artifact: Path, tmp_path: Path) -> None:
    for place in (tmp_path, artifact):
        assert answer(place, "SHOW TABLES") == [("annotated",), ("documents",), ("groups",), ("removed",)]
        assert answer(place, "SELECT id, split FROM documents ORDER BY 1 LIMIT 1") == [("d0", "train")]
    assert answer(artifact, "SELECT id, place FROM groups") == [("d5", 5), ("d1500", 1500), ("d2999", 2999)]
    assert [name for name, *_ in answer(artifact, "DESCRIBE annotated")] == ["id", "text"]
    assert answer(artifact, "SELECT text FROM annotated WHERE id = 'd1234'") == [("text 1234",)]


def test_a_corpus_without_its_inputs(artifact: Path) -> None:
    (artifact / "manifest.json").unlink()
    assert sorted(find(artifact).views) == ["documents", "removed"]


def test_any_folder_of_parquet_and_any_file(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    pq.write_table(pa.table({"words": ["a"]}), tmp_path / "deep" / "x-1.parquet")
    pq.write_table(pa.table({"words": ["b"], "n": [1]}), tmp_path / "y.parquet")
    assert answer(tmp_path, "SELECT words, n, split FROM documents ORDER BY 1") == [("a", None, "x"), ("b", 1, "y")]
    assert answer(tmp_path / "y.parquet", "SELECT words FROM documents") == [("b",)]


@pytest.mark.parametrize(
    "sql",
    [
        "COPY documents TO '{out}'",
        "COPY (SELECT 1) TO '{own}'",
        "EXPLAIN ANALYZE COPY documents TO '{out}'",
        "CREATE TABLE t AS SELECT 1",
        "DROP VIEW documents",
        "ATTACH '{out}'",
        "SET enable_external_access = true",
        "SET allowed_paths = []",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA database_list",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM '{secret}'",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM read_parquet('https://example.invalid/x')",
        "SELECT * FROM query('COPY documents TO ''{out}''')",
        "WITH x AS (INSERT INTO documents SELECT * FROM documents) SELECT 1",
        "SELECT 1; COPY documents TO '{out}'",
        "EXPORT DATABASE '{out}'",
        "CALL duckdb_settings()",
        "SELECT * FROM duckdb_secrets()",
    ],
)
def test_nothing_is_written_and_nothing_else_read(artifact: Path, tmp_path: Path, sql: str) -> None:
    own = artifact / "documents" / "train-00000.parquet"
    pq.write_table(pa.table({"a": [1]}), tmp_path / "secret.parquet")
    before = own.read_bytes()
    with pytest.raises(HeadwaterError):
        answer(artifact, sql.format(out=tmp_path / "out", own=own, secret=tmp_path / "secret.parquet"))
    assert own.read_bytes() == before
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELEC 1", 'SQL, line 1, column 1: syntax error at or near "SELEC"'),
        ("SELECT *\nFROM\n  documnts", 'SQL, line 3, column 3: Table with name documnts does not exist; Did you mean "documents"?'),
        ("SELECT length(text), " + "1, " * 60 + "langage FROM documents", "SQL, line 1, column 202: Referenced column"),
        ("", "SQL: 0 statements are given; ask one at a time"),
        ("SELECT 'a'::INT FROM documents", "Could not convert string 'a' to INT32"),
    ],
)
def test_mistakes_have_their_place(artifact: Path, sql: str, said: str) -> None:
    with pytest.raises(HeadwaterError) as caught:
        answer(artifact, sql)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_corpus_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(HeadwaterError, match="no such folder"):
        find(tmp_path / "nothing")
    with pytest.raises(HeadwaterError, match="has no Parquet file"):
        find(tmp_path / "empty")
    with pytest.raises(HeadwaterError, match="cannot be read"), corpus(tmp_path):
        pass
