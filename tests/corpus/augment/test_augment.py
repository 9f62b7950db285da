"""headwater/corpus/augment/augment.py"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from headwater.corpus.augment.augment import augmenter
from headwater.corpus.augment.config import Augment, BackTranslate, Noise, Paraphrase, Synonyms
from headwater.corpus.document import Document, batch_of, scores_of, spans_of, texts_of, with_score, with_spans

TEXT = "The river was wide and slow, and we crossed it before the evening came down on us."
FAKE = """
import json, sys
for line in sys.stdin:
    row = json.loads(line)
    print(json.dumps({"id": row["id"], "text": f"{row['text']} [{row.get('from', row.get('language'))}>{row.get('to', '')}]"}))
"""


def documents(count: int) -> pa.RecordBatch:
    rows = [
        Document(f"s/{n}", f"{n} {TEXT}", "web" if n % 2 else "books", language="en", license="CC0", meta={"n": n}) for n in range(count)
    ]
    return with_spans(with_score(batch_of(rows), "quality", range(count)), [[(0, 1, "x")]] * count)


def test_copies_are_additional_documents() -> None:
    batch = documents(3)
    found = augmenter(Augment(ways=[Noise(share=0.2)], copies=2), seed=1)(batch)
    assert found.schema == batch.schema
    assert found.column("id").to_pylist() == [f"s/{n}~aug{copy}" for copy in (1, 2) for n in range(3)]
    assert len({*texts_of(found), *texts_of(batch)}) == 9
    assert json.loads(found.column("meta")[1].as_py()) == {"n": 1, "augmented": {"from": "s/1", "by": ["noise"]}}
    assert found.column("license").to_pylist() == ["CC0"] * 6 and scores_of(found, "quality").tolist() == [0, 1, 2] * 2
    assert spans_of(found) == [[]] * 6


def test_company_does_not_matter_and_the_seed_does() -> None:
    batch, config = documents(40), Augment(ways=[Noise(share=0.2)], share=0.5)
    whole = augmenter(config, 1)(batch)
    parts = pa.Table.from_batches([augmenter(config, 1)(batch.slice(start, 8)) for start in range(0, 40, 8)])
    assert parts.to_pylist() == whole.to_pylist() and 10 < whole.num_rows < 30
    assert texts_of(augmenter(config, 2)(batch)) != texts_of(whole)


def test_only_the_sources_that_are_named() -> None:
    found = augmenter(Augment(ways=[Noise(share=0.2)], sources=["web"]), 1)(documents(6))
    assert found.column("source").to_pylist() == ["web"] * 3


def test_what_does_not_change_is_no_new_document(tmp_path: Path) -> None:
    (tmp_path / "s.tsv").write_text("river\tstream\n", encoding="utf-8")
    batch = batch_of([Document("a", "a river", "s"), Document("b", "a stone", "s")])
    found = augmenter(Augment(ways=[Synonyms(dictionary=str(tmp_path / "s.tsv"), share=1.0)], copies=3), 1)(batch)
    assert found.column("id").to_pylist() == ["a~aug1"] and texts_of(found) == ["a stream"]
    none = augmenter(Augment(ways=[Noise()]), 1)(batch.slice(0, 0))
    assert none.num_rows == 0 and none.schema == batch.schema


def test_programs_translate_there_and_back_and_ways_follow_each_other(tmp_path: Path) -> None:
    (tmp_path / "fake.py").write_text(FAKE)
    command = [sys.executable, str(tmp_path / "fake.py")]
    batch = batch_of([Document("a", "river", "s", language="en"), Document("b", "fleuve", "s", language="fr"), Document("c", "x", "s")])
    ways = [BackTranslate(command=command), Paraphrase(command=command)]
    assert texts_of(augmenter(Augment(ways=ways), 1)(batch)) == [
        "river [en>fr] [fr>en] [en>]",
        "fleuve [fr>en] [en>fr] [fr>]",
        "x [und>fr] [fr>und] [und>]",
    ]


def test_the_dictionary_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "s.tsv").write_text("river\tstream\n", encoding="utf-8")
    config = Augment(ways=[Synonyms(dictionary=str(tmp_path / "s.tsv"))])
    before = config.contents()
    (tmp_path / "s.tsv").write_text("river\tbrook\n", encoding="utf-8")
    assert list(before) == [str(tmp_path / "s.tsv")] and config.contents() != before


def test_augmentation_asks_for_a_way() -> None:
    with pytest.raises(ValueError, match="at least 1 item"):
        Augment(ways=[])
