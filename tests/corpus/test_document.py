"""headwater/corpus/document.py and write.py: the contract's schema, and the same bytes however the rows arrive."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from headwater.corpus.document import (
    BATCH_DOCUMENTS,
    DOCUMENT,
    WORKING,
    Document,
    batch_of,
    batches,
    finished,
    joined,
    scores_of,
    with_score,
)
from headwater.corpus.write import ROW_GROUP, Shards, Table


def test_batches_are_bounded_and_lose_nothing() -> None:
    documents = [Document(f"s/{n}", "x" * (3_000_000 if n == 5 else 3), "s") for n in range(1200)]
    found = list(batches(documents))
    assert all(batch.schema == WORKING and 0 < batch.num_rows <= BATCH_DOCUMENTS for batch in found)
    assert [id for batch in found for id in batch.column("id").to_pylist()] == [document.id for document in documents]
    big = list(batches([Document(str(n), "x" * 3_000_000, "s") for n in range(4)]))
    assert [batch.num_rows for batch in big] == [2, 2]


def test_a_finished_batch_is_the_contract() -> None:
    batch = batch_of(
        [Document("a", "天", "s", meta={"b": 1, "a": "好"}), Document("b", "", "s", url="u", language="zh", license="l", created="2020")]
    )
    batch = with_score(with_score(batch, "z", [1, 2]), "a", [0.5, 0.25])
    assert scores_of(batch, "z").tolist() == [1, 2]
    done = finished(batch)
    assert done.schema == DOCUMENT
    assert done.to_pylist()[0] == {"id": "a", "text": "天", "source": "s", "url": None, "language": None, "license": None, "created": None,
                                   "meta": '{"a": "好", "b": 1}', "scores": [("a", 0.5), ("z", 1.0)]}  # fmt: skip
    assert finished(batch_of([Document("a", "x", "s")])).to_pylist()[0]["scores"] == []


def test_files_do_not_depend_on_how_rows_arrive(tmp_path: Path) -> None:
    schema = pa.schema([pa.field("n", pa.int64()), pa.field("t", pa.string())])
    whole = pa.RecordBatch.from_pydict({"n": list(range(3000)), "t": [f"text {n}" for n in range(3000)]}, schema=schema)
    for name, size in (("a", 7), ("b", 1500), ("c", 3000)):
        table = Table(tmp_path / name, schema)
        for start in range(0, 3000, size):
            table.write(whole.slice(start, size))
        table.close()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()
    file = pq.ParquetFile(tmp_path / "a")
    assert [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)] == [ROW_GROUP, ROW_GROUP, 3000 - 2 * ROW_GROUP]
    assert pq.read_table(tmp_path / "a").to_batches(max_chunksize=4000)[0].slice(0, 5).to_pylist() == whole.slice(0, 5).to_pylist()


def test_an_empty_table_can_be_read(tmp_path: Path) -> None:
    Table(tmp_path / "none", DOCUMENT).close()
    assert pq.read_table(tmp_path / "none").num_rows == 0


def test_shards_start_anew_when_full(tmp_path: Path, monkeypatch: object) -> None:
    import headwater.corpus.write as write

    batch = finished(batch_of([Document(str(n), "x" * 1000, "s") for n in range(10)]))
    monkeypatch.setattr(write, "SHARD_BYTES", 15_000)  # type: ignore[attr-defined]
    shards = Shards(tmp_path, "train", DOCUMENT)
    for _ in range(4):
        shards.write(batch)
    shards.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["train-00000.parquet", "train-00001.parquet"]
    assert sum(pq.read_table(tmp_path / name).num_rows for name in names) == 40


def test_bytes_at_hand_are_the_text() -> None:
    text = "<p>Grüße, 世界 😀</p>"
    documents = [Document("a", text, "s", form="html", utf8=text.encode()), Document("b", text, "s"), Document("c", "", "s")]
    assert batch_of(documents).column("text").to_pylist() == [text, text, ""]
    batch_of(documents).validate(full=True)


def test_joined_batches_are_the_same_rows_within_the_limits() -> None:
    sizes = [10] * 600 + [3_000_000, 3_000_000, 10] + [10] * 20
    documents = [Document(f"{n}", "x" * size, "s") for n, size in enumerate(sizes)]
    small = [batch_of(documents[start : start + 7]) for start in range(0, len(documents), 7)]
    found = list(joined(small))
    assert pa.Table.from_batches(found).to_pylist() == pa.Table.from_batches(small).to_pylist()
    assert 2 < len(found) < 10 < len(small)
    assert all(batch.num_rows <= BATCH_DOCUMENTS for batch in found)
    assert list(joined([])) == []
