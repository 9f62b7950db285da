"""headwater/corpus/proof/prove.py: what is planted is found by the steps as they are, and missed by steps that are broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.core.artifact import Artifact
from headwater.core.progress import Reporter
from headwater.corpus.config import Corpus
from headwater.corpus.document import with_spans
from headwater.corpus.privacy import detect
from headwater.corpus.proof.prove import GROUPS, carriers_of, prove

Make = Callable[..., Corpus]


def essay(number: int) -> str:
    draw = np.random.default_rng(number)
    sound = ["ba", "ko", "mi", "ter", "lan", "sor", "ed", "ing", "ly", "pre", "un", "gra"]
    words = ["".join(draw.choice(sound, draw.integers(2, 4))) for _ in range(160)]
    return "\n".join("The " + " ".join(words[start : start + 16]) + " café." for start in range(0, 160, 16))


@pytest.fixture
def documents(tmp_path: Path) -> list[Path]:
    """100 different documents as a corpus stage writes them."""
    path = tmp_path / "train-00000.parquet"
    pq.write_table(pa.table({"id": [f"s/{n}" for n in range(100)], "text": [essay(n) for n in range(100)]}), path)
    return [path]


@pytest.fixture
def exam(tmp_path: Path) -> Path:
    path = tmp_path / "exam.jsonl"
    path.write_text("\n".join(json.dumps({"id": n, "text": f"Question {n}. {essay(1000 + n)[:400]}"}) for n in range(5)))
    return path


@pytest.fixture
def recipe(make_corpus: Make, exam: Path) -> Corpus:
    sets = {"sets": [{"path": str(exam), "name": "exam"}]}
    return make_corpus([{"path": "nowhere/*.txt"}], privacy={}, licences={}, contamination=sets)


def rows(config: Corpus, documents: list[Path], folder: Path) -> dict[str, dict[str, Any]]:
    folder.mkdir()
    return {row["detector"]: row for row in prove(config, documents, folder, Reporter())["detectors"]}


def test_what_is_planted_is_found(recipe: Corpus, documents: list[Path], tmp_path: Path) -> None:
    found = rows(recipe, documents, tmp_path / "proof")
    assert {name: (row["planted"], row["false"]) for name, row in found.items()} == {
        "duplicates": (24, 0), "languages": (16, 0), "decoding": (26, 0), "privacy": (32, 0), "contamination": (5, 0), "licences": (36, 0),
    }  # fmt: skip
    assert {name for name, row in found.items() if row["recall"] < 1} == {"languages"}, "without a model only scripts tell languages"
    assert found["languages"]["found"] == 4
    assert found["privacy"]["kinds"]["iban"] == {"planted": 4, "found": 4}
    assert rows(recipe, documents, tmp_path / "again") == found


def test_only_what_the_recipe_asks_for(make_corpus: Make, documents: list[Path], tmp_path: Path) -> None:
    config = make_corpus([{"path": "nowhere/*.txt"}], normalise={"repair": False}, duplicates={"near": None})
    found = rows(config, documents, tmp_path / "proof")
    assert set(found) == {"duplicates", "languages"}
    assert "kinds" not in found["duplicates"] and found["duplicates"]["planted"] == 12


@pytest.mark.fault
def test_a_blind_detector_and_a_jumpy_one_are_told(
    recipe: Corpus, documents: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Personal data: nothing but the first word of each document is marked."""

    def first_word(config: object) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
        return lambda batch: with_spans(batch, [[(0, 3, "email")]] * batch.num_rows)

    monkeypatch.setattr(detect, "detector", first_word)
    monkeypatch.setattr("headwater.corpus.annotate._MADE", {})
    row = rows(recipe, documents, tmp_path / "proof")["privacy"]
    assert (row["planted"], row["found"], row["recall"]) == (32, 0, 0.0)
    assert row["false"] == 0, "the carriers have it, too"

    def last_word(config: object) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
        def mark(batch: pa.RecordBatch) -> pa.RecordBatch:
            sizes = [len(text) for text in batch.column("text").to_pylist()]
            return with_spans(batch, [[(size - 7, size - number % 5, "email")] for number, size in enumerate(sizes)])

        return mark

    monkeypatch.setattr(detect, "detector", last_word)
    monkeypatch.setattr("headwater.corpus.annotate._MADE", {})
    row = rows(recipe, documents, tmp_path / "again")["privacy"]
    assert row["false"] > 10 and row["precision"] < 0.5


@pytest.mark.fault
def test_documents_that_are_no_duplicates_are_told(make_corpus: Make, documents: list[Path], tmp_path: Path) -> None:
    """At a threshold of nearly nothing strangers with one phrase in common are one."""
    same = [f"{essay(n)[:300]}\n" + essay(7)[:300] for n in range(100)]
    pq.write_table(pa.table({"id": [f"s/{n}" for n in range(100)], "text": same}), documents[0])
    config = make_corpus([{"path": "nowhere/*.txt"}], duplicates={"near": {"threshold": 0.1, "rows": 1}})
    row = rows(config, documents, tmp_path / "proof")["duplicates"]
    assert row["false"] > 10 and row["precision"] < 0.75


def test_carriers_come_from_all_over_the_corpus(documents: list[Path], tmp_path: Path) -> None:
    table = pq.read_table(documents[0])
    assert len(carriers_of(documents, 20)) == 20 and len(carriers_of(documents)) == 100
    pq.write_table(table.slice(0, 50), tmp_path / "a.parquet", row_group_size=1)
    pq.write_table(table.slice(50), tmp_path / "b.parquet", row_group_size=1)
    found = carriers_of([tmp_path / "a.parquet", tmp_path / "b.parquet"])
    assert len(found) == GROUPS, "of each row group one document: no more is read"
    numbers = [table.column("text").to_pylist().index(text) for text in found]
    assert min(numbers) < 10 and max(numbers) > 90
    assert carriers_of([]) == []


def test_the_figures_are_in_the_artifact(tmp_path: Path, exam: Path, make_corpus: Make, build: Callable[..., Artifact]) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"text": essay(n)}) for n in range(60)))
    asked: dict[str, Any] = {"quality": {"rules": []}, "contamination": {"sets": [{"path": str(exam), "name": "exam"}]}}
    artifact = build(make_corpus([{"path": str(tmp_path / "a.jsonl")}], **asked))
    proof = json.loads((artifact.path / "proof.json").read_text())
    assert artifact.manifest.metrics["proof"]["duplicates"] == {"recall": 1.0, "precision": 1.0}
    assert {row["detector"] for row in proof["detectors"]} == {"duplicates", "languages", "decoding", "contamination"}
    assert artifact.manifest.metrics["proof"]["contamination"] == {"recall": 1.0, "precision": 1.0}
    off = build(make_corpus([{"path": str(tmp_path / "a.jsonl")}], **asked, proof=False))
    assert not (off.path / "proof.json").exists() and "proof" not in off.manifest.metrics
    names = {name: digest for name, digest in artifact.manifest.files.items() if name != "proof.json"}
    assert names == off.manifest.files, "the corpus is the same with and without"


def test_a_corpus_without_documents_that_can_carry(make_corpus: Make, tmp_path: Path) -> None:
    path = tmp_path / "train-00000.parquet"
    pq.write_table(pa.table({"id": ["a"], "text": ["short"]}), path)
    found = rows(make_corpus([{"path": "nowhere/*.txt"}], privacy={}), [path], tmp_path / "proof")
    assert found["languages"]["planted"] == 16 and "privacy" not in found
    assert found["decoding"]["planted"] == 14
