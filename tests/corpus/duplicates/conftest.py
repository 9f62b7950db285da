"""An annotated corpus made on the spot: the text, its fingerprints and what duplicates need beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from headwater.core.progress import Reporter
from headwater.corpus.annotated import Annotated
from headwater.corpus.document import Document, batch_of, texts_of, with_score
from headwater.corpus.duplicates.config import Duplicates
from headwater.corpus.duplicates.fingerprints import fingerprinter
from headwater.corpus.duplicates.relate import relate

Annotate = Callable[..., Annotated]
Related = Callable[..., tuple[list[dict[str, Any]], list[dict[str, Any]]]]


def one_by_one(function: Callable[[Any], None], tasks: Sequence[Any], what: str) -> None:
    for task in tasks:
        function(task)


@pytest.fixture
def annotate(tmp_path: Path) -> Annotate:
    """Texts to parts of three row groups each."""

    def make(texts: Sequence[str], config: Duplicates, parts: int = 2, forms: Sequence[str] | None = None) -> Annotated:
        folder = tmp_path / f"annotated-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        step = fingerprinter(config)
        size = -(-len(texts) // parts) or 1
        for part in range(parts):
            rows = range(part * size, min((part + 1) * size, len(texts)))
            documents = [
                Document(f"{row:05d}" + (".py" if forms and forms[row] == "code" else ""), texts[row], "web" if row % 2 else "books")
                for row in rows
            ]
            batch = batch_of(documents)
            batch = with_score(step(batch), "bytes", [len(text.encode()) for text in texts_of(batch)])
            import pyarrow as pa

            table = pa.Table.from_batches([batch])
            pq.write_table(table, folder / f"part-{part:05d}.parquet", row_group_size=max(1, -(-size // 3)))
        return Annotated(folder)

    return make


@pytest.fixture
def related(annotate: Annotate, tmp_path: Path) -> Related:
    """(rows of groups.parquet, rows of spans.parquet) of some texts."""

    def make(texts: Sequence[str], config: Duplicates | None = None, **options: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        config = config or Duplicates()
        out = tmp_path / f"related-{len(list(tmp_path.iterdir()))}"
        relate(annotate(texts, config, **options), config, out, one_by_one, Reporter())
        groups: list[dict[str, Any]] = pq.read_table(out / "groups.parquet").to_pylist()
        spans: list[dict[str, Any]] = pq.read_table(out / "spans.parquet").to_pylist()
        return groups, spans

    return make
