"""headwater/corpus/contamination/index.py: read from task files, saved, loaded, refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.corpus.contamination.config import Contamination
from headwater.corpus.contamination.examples import examples_of
from headwater.corpus.contamination.index import build, load
from headwater.corpus.contamination.match import recheck

QUESTION = "Which of these four rivers flows through the largest number of countries before it reaches the sea?"
ROWS = [
    {"id": "q1", "question": QUESTION, "answer": "the Danube", "choices": ["Rhine", "Danube"], "meta": {"why": "ten countries"}},
    {
        "id": "q2",
        "question": "长江流经我国多少个省、自治区和直辖市，最后注入哪一个海？",
        "answer": "十一个，东海",
        "choices": [],
        "meta": {"why": ""},
    },
]


def config(**fields: object) -> Contamination:
    return validate(Contamination, {"sets": [{"name": "exam", "fields": ["question", "answer"], **fields}]})


def test_examples_come_from_any_task_file(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS), encoding="utf-8")
    (tmp_path / "b.json").write_text(json.dumps(ROWS), encoding="utf-8")
    (tmp_path / "c.csv").write_text("id,question,answer\n" + f'q1,"{QUESTION}",the Danube\n', encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "d.parquet")
    for name, count in (("a.jsonl", 2), ("b.json", 2), ("c.csv", 1), ("d.parquet", 2)):
        examples = list(examples_of(config(path=str(tmp_path / name))))
        assert [example.id for example in examples] == ["q1", "q2"][:count]
        assert examples[0].texts == (QUESTION, "the Danube")


def test_fields_can_be_lists_and_lie_deeper(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in ROWS), encoding="utf-8")
    (first, _) = examples_of(config(path=str(tmp_path / "a.jsonl"), fields=["question", "choices", "meta.why"], id_field="none"))
    assert first.texts == (QUESTION, "Rhine Danube", "ten countries") and first.id == "a.jsonl#1"


def test_a_set_without_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"question": " "}', encoding="utf-8")
    with pytest.raises(HeadwaterError, match=r"contamination set 'exam': no row .* name its keys"):
        build(config(path=str(tmp_path / "a.jsonl")))
    with pytest.raises(HeadwaterError, match="no such file"):
        build(config(path=str(tmp_path / "missing.jsonl")))


def test_what_was_saved_is_loaded_and_finds_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS), encoding="utf-8")
    index = build(config(path=str(tmp_path / "a.jsonl")))
    index.save(tmp_path / "index.npz")
    index.save(tmp_path / "again.npz")
    assert (tmp_path / "index.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
    again = load(tmp_path / "index.npz")
    texts = [f"x {QUESTION} y", ROWS[1]["question"], "neither"]
    assert recheck(again, texts).tolist() == recheck(index, texts).tolist() == [5, 6, 0]
    assert (again.sets, again.ids, again.shape) == (["exam"], ["q1", "q2"], (13, 20, 8, 12))


def test_a_pickle_is_not_loaded(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.npz", "w") as archive, archive.open("header.npy", "w") as file:
        np.lib.format.write_array(file, np.array([{"a": 1}], object), allow_pickle=True)
    for path in (tmp_path / "evil.npz", tmp_path / "text.npz"):
        if not path.exists():
            path.write_text("no zip")
        with pytest.raises(HeadwaterError, match="is no index of evaluation sets"):
            load(path)


def test_two_sets_of_one_name_are_refused() -> None:
    with pytest.raises(HeadwaterError, match="two sets are called 'exam'"):
        validate(Contamination, {"sets": [{"name": "exam", "path": "a"}, {"name": "exam", "path": "b"}]})
    with pytest.raises(HeadwaterError, match="no greater"):
        validate(Contamination, {"sets": [{"path": "a"}], "words": 5})
    with pytest.raises(HeadwaterError, match="either 'path:'"):
        validate(Contamination, {"sets": [{"name": "exam"}]})
