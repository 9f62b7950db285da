"""`headwater inspect`: equal seeds show equal documents, the reason is marked, mistakes are one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.cli.inspect import Asked, _marked, inspect
from headwater.core.errors import HeadwaterError
from headwater.corpus.document import DOCUMENT
from headwater.corpus.funnel import LEDGER

REPEATED = "The same line.\nAnother.\nThe same line.\nThe same line."


def document(id: str, text: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "text": text, "source": "web", "url": None, "language": "en", "license": None, "created": None, "meta": "{}",
            "scores": [("length", 3.0)], **more}  # fmt: skip


def gone(id: str, step: str, rule: str, excerpt: str, value: float, threshold: float, **more: Any) -> dict[str, Any]:
    return {"id": id, "source": "web", "url": None, "step": step, "rule": rule, "value": value, "threshold": threshold,
            "bytes": len(excerpt), "excerpt": excerpt, "kept": None, **more}  # fmt: skip


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    (folder / "documents").mkdir(parents=True)
    rows = [document(f"k{n}", f"Kept number {n}. 留下的第{n}篇。", source="web" if n % 2 else "wiki") for n in range(20)]
    rows.append(document("twin", "the old river runs to the wide sea"))
    pq.write_table(pa.Table.from_pylist(rows, schema=DOCUMENT), folder / "documents" / "train-00000.parquet")
    removed = [gone(f"s{n}", "quality", "length", f"short {n} \x1b[31mred", 2, 20) for n in range(9)]
    removed += [
        gone("lines", "quality", "duplicate_lines", REPEATED, 0.5, 0.3),
        gone("near", "duplicates", "near", "the old river runs to the blue sea", 0.85, 0.8, kept="twin"),
    ]
    pq.write_table(pa.Table.from_pylist(removed, schema=LEDGER), folder / "removed.parquet")
    return folder


def asked(path: Path, capsys: pytest.CaptureFixture[str], **how: Any) -> list[dict[str, Any]]:
    inspect(path, Asked(**how), None, True)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_some_of_each_rule_and_some_kept(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = asked(finished, capsys, count=2)
    assert [row.get("rule", "kept") for row in found] == ["length", "length", "near", "duplicate_lines", "kept", "kept"]
    assert found == asked(finished, capsys, count=2)
    others = [asked(finished, capsys, count=2, seed=seed, removed=False) for seed in range(5)]
    assert len({json.dumps(rows) for rows in others}) > 1
    assert all(row["state"] == "kept" for rows in others for row in rows)


def test_by_rule_step_and_source(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("near", "duplicates", "duplicates.near"):
        assert [row["id"] for row in asked(finished, capsys, rule=name)] == ["near"]
    assert {row["source"] for row in asked(finished, capsys, source="wiki", count=50)} == {"wiki"}
    assert len(asked(finished, capsys, source="wiki", count=50)) == 10


def test_the_reason_is_marked(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, near = (asked(finished, capsys, rule=rule)[0] for rule in ("duplicate_lines", "near"))
    assert [REPEATED[mark["start"] : mark["end"]] for mark in lines["marks"]] == ["The same line."] * 2
    assert [near["text"][mark["start"] : mark["end"]] for mark in near["marks"]] == ["blue"]
    assert near["instead"] == "the old river runs to the wide sea"
    inspect(finished, Asked(), None, False)
    said = capsys.readouterr().out
    assert "⟦The same line.⟧" in said and "⟦blue⟧" in said
    assert "removed by quality.length  2, below 20" in said and "removed by duplicates.near  0.85, above 0.8" in said
    assert "\x1b" not in said, "a document may not colour the terminal"


def test_recorded_spans_are_marked_with_their_kind() -> None:
    marked = _marked("write to a@b.org now", [(9, 16, "email")], whole=True, plain=True)
    assert marked.plain == "write to ⟦a@b.org⟧[email] now"
    long = _marked("x" * 5000 + "HERE", [(5000, 5004, "repeated")], whole=False, plain=True)
    assert long.plain == "…" + "x" * 120 + "⟦HERE⟧"


def test_whole_texts_and_spans_where_the_annotated_documents_are(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    annotate = finished.parent / f"annotate-{'ab' * 8}"
    annotate.mkdir()
    span = {"start": 9, "end": 16, "kind": "email"}
    rows = [{"id": "s1", "text": "write to a@b.org " + "x" * 400, "spans": [span]},
            {"id": "near", "text": "the old river runs to the blue sea " + "and on " * 200, "spans": None},
            {"id": "twin", "text": "the old river runs to the wide sea " + "and on " * 200, "spans": []}]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), annotate / "part-00000.parquet")
    (finished / "manifest.json").write_text(json.dumps({"inputs": {"annotate": {"fingerprint": "ab" * 16, "content": ""}}}))
    (mail,) = asked(finished, capsys, id="s1")
    assert len(mail["text"]) == 417 and mail["marks"] == [span]
    inspect(finished, Asked(id="near"), None, False)
    said = capsys.readouterr().out
    assert "⟦blue⟧" in said and "⟦wide⟧" in said and said.count("⟦") == 2


def test_one_document_whole(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [row["text"] for row in asked(finished, capsys, id="k3")] == ["Kept number 3. 留下的第3篇。"]
    assert [row["rule"] for row in asked(finished, capsys, id="lines")] == ["duplicate_lines"]
    inspect(finished, Asked(id="k3"), None, False)
    assert "length 3" in capsys.readouterr().out
    with pytest.raises(HeadwaterError, match="no document is called 'k99'"):
        inspect(finished, Asked(id="k99"), None, False)


@pytest.mark.parametrize(
    ("how", "said"),
    [({"rule": "nears"}, "did you mean 'near'"), ({"source": "wikis"}, "did you mean 'wiki'"), ({"rule": "x"}, "known here")],
)
def test_names_that_there_are_not(finished: Path, how: dict[str, Any], said: str) -> None:
    with pytest.raises(HeadwaterError, match=said):
        inspect(finished, Asked(**how), None, False)


def test_a_folder_of_other_parquet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(pa.table({"text": ["only text", None]}), tmp_path / "a.parquet")
    assert sorted(row["text"] for row in asked(tmp_path, capsys)) == ["", "only text"]
    inspect(tmp_path, Asked(), None, False)
    assert "only text" in capsys.readouterr().out
    pq.write_table(pa.table({"words": ["w"]}), tmp_path / "a.parquet")
    with pytest.raises(HeadwaterError, match="has no column 'text'"):
        inspect(tmp_path, Asked(), None, False)
    inspect(tmp_path, Asked(), "SELECT words FROM documents", True)
    assert json.loads(capsys.readouterr().out) == {"words": "w"}


def test_sql_as_a_table_and_as_json(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sql = "SELECT source, count(*) AS n, DATE '2020-01-02' AS day FROM documents GROUP BY 1 ORDER BY 1"
    inspect(finished, Asked(), sql, True)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"source": "web", "n": 11, "day": "2020-01-02"}, {"source": "wiki", "n": 10, "day": "2020-01-02"}]  # fmt: skip
    inspect(finished, Asked(), sql, False)
    said = capsys.readouterr().out
    assert said.split() == ["source", "n", "day", "web", "11", "2020-01-02", "wiki", "10", "2020-01-02"]
    inspect(finished, Asked(), "SELECT 'nan'::DOUBLE AS a, {'k': [1.5, 'inf'::DOUBLE]} AS b, 'x'::BLOB AS c", True)
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": {"k": [1.5, None]}, "c": "78"}
    inspect(finished, Asked(), "SELECT range AS [n] FROM range(150)".replace("[n]", '"[red]"'), False)
    said = capsys.readouterr().out
    assert (
        "[red]" in said
        and "the first 100 rows" in said
        and "\n99" in said.replace(" ", "")
        and "100\n" not in said.replace("first 100", "")
    )


def test_nothing_of_models_is_loaded() -> None:
    code = "import sys, headwater.cli.inspect; print([name for name in ('torch', 'numba', 'transformers') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_the_command_line(headwater: Any, finished: Path) -> None:
    done = headwater("inspect", finished.parent, "--rule", "duplicate_lines")
    assert done.returncode == 0 and "⟦The same line.⟧" in done.stdout
    done = headwater(
        "inspect", finished, "--sql", "-", input="SELECT count(*) AS n\nFROM removed;\n\nSELEC;\nFROM documents SELECT max(id) AS last\n"
    )
    assert done.stdout.split() == ["n", "11", "last", "twin"]
    assert done.returncode == 2 and done.stderr.splitlines()[0] == 'headwater: SQL, line 1, column 1: syntax error at or near "SELEC"'
    done = headwater("inspect", finished, "--sql", "SELECT nothing FROM documents")
    assert (done.returncode, done.stdout) == (2, "") and len(done.stderr.splitlines()) == 1
    done = headwater("inspect", "--help")
    assert "headwater inspect runs/demo" in done.stdout
