"""What is in this corpus? In: documents/*.parquet. Out: statistics.json, the same for the same documents.

facts = compute(sorted(folder.glob("documents/*.parquet")), folder, report, measures={"ngram_bits_per_byte": ngram})
write_json(folder / "statistics.json", facts)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.corpus.statistics import tables
from headwater.corpus.statistics.database import opened
from headwater.corpus.statistics.measures import Measure, measured
from headwater.corpus.statistics.sample import BUDGET, take
from headwater.corpus.statistics.vocabulary import vocabulary


def compute(documents: Sequence[Path], folder: Path, report: Reporter, *, measures: Mapping[str, Measure] | None = None,
            extras: Mapping[str, Any] | None = None, budget: int = BUDGET) -> dict[str, Any]:  # fmt: skip
    """Figures of the documents in Parquet files by document.DOCUMENT.

    `folder` is where DuckDB may spill (it leaves nothing there); `measures` are callables text -> number, tried on a sample; `extras`
    (what duplicates.json or contamination.json hold, say) are put beside the figures under their names.
    Raises HeadwaterError when there is no file.
    """
    if not documents:
        raise HeadwaterError("has no documents/*.parquet", where=folder, mend="name the folder of a finished corpus")
    paths = sorted(documents)
    found: dict[str, Any] = dict(extras or {})
    with opened(folder) as database, report.bar("counting documents", total=5, unit="tables") as bar:
        tables.gather(database, paths)
        bar.advance()
        sums = tables.sums(database)
        for name in ("source", "language", "split"):
            found[f"by_{name}"] = tables.by(database, name)
        bar.advance()
        found["lengths"] = tables.lengths(database, found["by_language"])
        bar.advance()
        found["time"] = tables.times(database)
        bar.advance()
        found["domains"] = tables.domains(database)
        bar.advance()
    sample = take(paths, sums["bytes"], report, budget)
    found["vocabulary"] = vocabulary(sample)
    found["measures"] = measured(sample, measures or {}, report)
    return dict(sorted({**found, **sums}.items()))
