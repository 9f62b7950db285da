"""The verb `tokenizers`: a table, a page, rows for machines, and mistakes as sentences."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.cli.tokenizers import compare
from headwater.core.artifact import Outcome, Request, Work, Workspace
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.recipe.recipe import Recipe

RECIPE = Recipe.model_validate(
    {
        "name": "small",
        "tokenizer": {"kind": "bpe", "vocab_size": 300},
        "pretrain": {"model": {"layers": 1, "width": 8, "heads": 1}, "steps": 200},
    }
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    def run(work: Work) -> Outcome:
        (work.path / "documents").mkdir()
        for split in ("train", "validation"):
            text = ["the river runs under the bridge and over the stones of the river"] * 4
            pq.write_table(pa.table({"language": ["en"] * 4, "text": text}), work.path / "documents" / f"{split}-0.parquet")
        return Outcome({}, "")

    made = Workspace(tmp_path / "small")
    made.make(Request("corpus", {}, {}, {}, {}, False, run), {}, 1, Reporter())
    return made


def test_a_table_and_a_page(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    compare(RECIPE, workspace, "280", "byte", None, False, Reporter())
    said = capsys.readouterr().out
    assert [word in said for word in ("bpe", "byte", "280", "262")] == [True] * 4
    assert said.rstrip().endswith("tokenizers.html")
    assert "Tokenizers for small" in (workspace.root / "tokenizers.html").read_text()


def test_rows_for_machines(workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compare(RECIPE, workspace, "280", "all", tmp_path / "new" / "page.html", True, Reporter())
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    share = {row["vocab_size"]: row["embedding_share"] for row in rows}
    model = RECIPE.pretrain.model.with_vocabulary(262)  # type: ignore[union-attr]
    assert share[262] == pytest.approx(262 * 8 / model.parameter_count()), "a tied table has a row of the model's width for each token"
    assert {row["kind"] for row in rows} >= {"bpe", "byte", "char"} and (tmp_path / "new" / "page.html").exists()


@pytest.mark.parametrize(
    ("sizes", "kinds", "sentence"), [("many", "byte", "--sizes"), ("400", "bytes", "did you mean 'byte'"), ("9", "", "--")]
)
def test_mistakes(workspace: Workspace, sizes: str, kinds: str, sentence: str) -> None:
    with pytest.raises(HeadwaterError, match=sentence):
        compare(RECIPE, workspace, sizes, kinds, None, False, Reporter())


def test_without_a_corpus(tmp_path: Path) -> None:
    with pytest.raises(HeadwaterError, match="has no corpus yet; `headwater run small --until corpus` makes it"):
        compare(RECIPE, Workspace(tmp_path), "400", "byte", None, False, Reporter())
