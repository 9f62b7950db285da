"""Labelled rows of every shape, who is held out, and one sentence for each mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.alignment.examples import Gathered, gather
from headwater.alignment.examples_rows import Labelled, Question, Tagged
from headwater.alignment.finetune_config import Finetune
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter


def gathered(path: Path, task: dict[str, Any], rows: list[Any] | None = None, **more: Any) -> Gathered:
    if rows is not None:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    source = {"path": str(path), **more.pop("source", {})}
    return gather(Finetune.model_validate({"task": task, "sources": [source], "steps": 50, **more}), Reporter())


CLASSES = [{"text": f"text {number}", "label": "ab"[number % 2]} for number in range(200)]


def test_a_text_stands_on_one_side_and_every_seed_holds_out_the_same(tmp_path: Path) -> None:
    rows = [*CLASSES, *[{"text": row["text"], "label": "b"} for row in CLASSES], *CLASSES[:20]]
    found = gathered(tmp_path / "d.jsonl", {"kind": "classification"}, rows)
    assert (found.counts["examples"], found.counts["distinct"], found.counts["contradictory"]) == (420, 300, 100)
    assert found.counts["leaked"] == 0
    assert not {example.text for example in found.learned} & {example.text for example in found.held_out}
    assert 0.04 < len(found.held_out) / 300 < 0.18
    again = gathered(tmp_path / "d.jsonl", {"kind": "classification"}, list(reversed(rows)))
    assert {example.text for example in again.held_out} == {example.text for example in found.held_out}


def test_the_same_text_in_a_held_out_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*CLASSES[:3], {"text": "new", "label": "a"}]))
    held_out = {"sources": [{"path": str(tmp_path / "test.jsonl")}]}
    found = gathered(tmp_path / "d.jsonl", {"kind": "classification"}, CLASSES, heldout=held_out)
    assert (len(found.learned), len(found.held_out), found.counts["leaked"]) == (200, 4, 3)
    assert "3 of 4 held-out examples have a text that is learned too" in found.notes[0]


def test_a_rare_label_is_learned_rather_than_held_out(tmp_path: Path) -> None:
    """However the draws fall: each of 60 labels has two texts, and none may be held out whole."""
    rows = [{"text": f"{label} {number}", "label": str(label)} for label in range(60) for number in range(2)]
    found = gathered(tmp_path / "d.jsonl", {"kind": "classification"}, rows, heldout={"fraction": 0.5})
    assert found.labels == tuple(str(label) for label in range(60))  # by size, not 0, 1, 10, 11 …
    assert {example.label for example in found.learned} == set(found.labels)
    assert found.held_out


def test_labels_as_text_in_one_order(tmp_path: Path) -> None:
    rows = [{"text": f"{number}", "label": label} for number, label in enumerate([True, False, "z", 3, 2.5] * 9)]
    assert gathered(tmp_path / "d.jsonl", {"kind": "classification"}, rows).labels == ("2.5", "3", "false", "true", "z")
    given = {"kind": "classification", "labels": ["b", "a", "c"]}
    assert gathered(tmp_path / "d.jsonl", given, CLASSES).labels == ("b", "a", "c")
    numbered = [{"text": row["text"], "label": "ba".index(row["label"])} for row in CLASSES]
    assert gathered(tmp_path / "n.jsonl", given, numbered).learned == gathered(tmp_path / "d.jsonl", given, CLASSES).learned


def test_files_of_every_kind_hold_the_same(tmp_path: Path) -> None:
    lines = [f"{row['text']}{{}}{row['label']}" for row in CLASSES]
    (tmp_path / "d.csv").write_text("\ufefftext,label\n" + "\n".join(line.format(",") for line in lines))
    (tmp_path / "d.tsv").write_text("text\tlabel\n" + "\n".join(line.format("\t") for line in lines) + "\n\n")
    (tmp_path / "d.json").write_text(json.dumps(CLASSES))
    pq.write_table(pa.Table.from_pylist(CLASSES), tmp_path / "d.parquet")
    expected = gathered(tmp_path / "d.jsonl", {"kind": "classification"}, CLASSES)
    for name in ("d.csv", "d.tsv", "d.json", "d.parquet"):
        found = gathered(tmp_path / name, {"kind": "classification"})
        assert (found.learned, found.held_out) == (expected.learned, expected.held_out), name


def test_conll(tmp_path: Path) -> None:
    (tmp_path / "d.conll").write_text("-DOCSTART- -X- O\n\nAnna NNP B-PER\nsmiles VBZ O\n\nOslo NNP B-LOC\n")
    found = gathered(tmp_path / "d.conll", {"kind": "tagging"}, heldout={"sources": [{"path": str(tmp_path / "d.conll")}]})
    assert found.learned == [Tagged("", ("Anna", "smiles"), ("B-PER", "O")), Tagged("", ("Oslo",), ("B-LOC",))]
    assert found.labels == ("B-LOC", "B-PER", "O")


def test_squad_s_own_json(tmp_path: Path) -> None:
    answer = {"text": "Anna", "answer_start": 9}
    paragraphs = [{"context": "Anna and Anna.", "qas": [{"question": "who?", "answers": [answer]}, {"question": "why?", "answers": []}]}]
    (tmp_path / "d.json").write_text(json.dumps({"version": "2.0", "data": [{"title": "t", "paragraphs": paragraphs}]}))
    found = gathered(tmp_path / "d.json", {"kind": "span"}, heldout={"sources": [{"path": str(tmp_path / "d.json")}]})
    assert found.learned == [Question("", "who?", "Anna and Anna.", ((9, "Anna"),)), Question("", "why?", "Anna and Anna.", ())]
    flat = [
        {"context": "Anna and Anna.", "question": "who?", "answers": {"text": ["Anna"], "answer_start": [0]}},
        {"context": "b", "question": "?", "answers": "b"},
    ]
    assert {
        example.answers for side in (gathered(tmp_path / "d.jsonl", {"kind": "span"}, flat),) for example in [*side.learned, *side.held_out]
    } == {((0, "Anna"),), ((0, "b"),)}


def test_numbers_from_a_table(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("a,b,score\n" + "".join(f"x{n},y{n},{n / 4}\n" for n in range(40)))
    task = {"kind": "regression", "text_field": "a", "second_field": "b", "label_field": "score"}
    found = gathered(tmp_path / "d.csv", task)
    assert Labelled("", "x3", "y3", 0.75) in [*found.learned, *found.held_out]
    assert found.labels == ()


@pytest.mark.parametrize(
    ("task", "rows", "said"),
    [
        ({"kind": "classification"}, [{"txt": "a", "label": 1}], "d.jsonl:1: has no field 'text'; did you mean 'txt'?"),
        ({"kind": "classification"}, [{"text": " ", "label": 1}], "d.jsonl:1: the field 'text' holds no text"),
        ({"kind": "classification"}, [{"text": "a", "label": None}], "d.jsonl:1: the field 'label' holds no label"),
        ({"kind": "classification"}, [{"text": "a", "label": 1}, {"text": "b", "label": 1}], "all training examples have the label '1'"),
        (
            {"kind": "classification"},
            [{"text": "a", "label": 1}, {"text": "b", "label": 2}],
            "no example can be held out: each has a label",
        ),
        ({"kind": "classification"}, [{"text": "a", "label": 1}, {"text": "a", "label": 2}], "all examples have the same text"),
        ({"kind": "classification", "labels": ["a", "c"]}, CLASSES, "has the label 'b', which finetune.task.labels lacks"),
        ({"kind": "classification"}, [], "d.jsonl: is empty"),
        ({"kind": "classification"}, [3], "d.jsonl:1: is not an object with fields"),
        ({"kind": "regression"}, [{"text": "a", "label": "warm"}], "d.jsonl:1: the field 'label' holds no number (warm)"),
        ({"kind": "regression"}, [{"text": "a", "label": float("nan")}], "d.jsonl:1: the field 'label' holds no number (nan)"),
        ({"kind": "regression"}, [{"text": "a", "label": True}], "d.jsonl:1: the field 'label' holds no number (True)"),
        ({"kind": "tagging"}, [{"tokens": ["a", "b"], "tags": ["O"]}], "d.jsonl:1: has 2 words and 1 tags"),
        ({"kind": "tagging"}, [{"tokens": [], "tags": []}], "d.jsonl:1: the field 'tokens' holds no list of words"),
        ({"kind": "span"}, [{"context": "abc", "question": "?", "answers": ["d"]}], "the answer 'd' does not stand in its context"),
        (
            {"kind": "span"},
            [{"context": "abc", "question": "?", "answers": {"text": ["b"], "answer_start": [2]}}],
            "the answer 'b' does not stand at place 2 of its context",
        ),
        ({"kind": "span"}, [{"context": "abc", "question": "?", "answers": [3]}], "has answers that are no text with a place"),
        ({"kind": "seq2seq"}, [{"source": "a", "target": ""}], "d.jsonl:1: the field 'target' holds no text"),
    ],
)
def test_one_sentence_for_each_mistake(tmp_path: Path, task: dict[str, Any], rows: list[Any], said: str) -> None:
    with pytest.raises(HeadwaterError) as caught:
        gathered(tmp_path / "d.jsonl", task, rows)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_label_that_training_never_saw(tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_text('{"text": "x", "label": "c"}\n')
    with pytest.raises(HeadwaterError, match=r"test.jsonl#1: a held-out example has the label 'c', which no training example has"):
        gathered(tmp_path / "d.jsonl", {"kind": "classification"}, CLASSES, heldout={"sources": [{"path": str(tmp_path / "test.jsonl")}]})


def test_bad_rows_are_counted_where_they_may_be_passed_over(tmp_path: Path) -> None:
    rows = [*CLASSES, {"text": "no label"}, 7]
    with pytest.raises(HeadwaterError, match="has no field 'label'"):
        gathered(tmp_path / "d.jsonl", {"kind": "classification"}, rows)
    found = gathered(tmp_path / "d.jsonl", {"kind": "classification"}, rows, source={"on_bad_row": "skip"})
    assert (found.counts["bad_rows"], found.counts["examples"]) == (2, 200)
    assert "d.jsonl: 2 rows that are no example were passed over" in found.notes[0]


def test_damaged_files(tmp_path: Path) -> None:
    for name, data, said in (
        ("d.parquet", b"PAR1 no", "is damaged or no Parquet"),
        ("d.csv", b"text,label\na,b,c\n", "d.csv:2: has 3 fields where the header has 2"),
        ("d.txt", b"a", "is no file of labelled rows"),
        ("d.conll", b"alone\n", "d.conll:1: is not a word and its tag"),
        ("d.json", b'{"a": 1}', "is not a list of rows"),
        ("f.json", b"[]", "the sources have no labelled example"),
        ("e.jsonl", b'{"a": \n', "e.jsonl:1: is not valid JSON"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(HeadwaterError) as caught:
            gathered(tmp_path / name, {"kind": "classification"})
        assert said in str(caught.value)
