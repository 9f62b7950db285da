"""headwater/corpus/contamination/report.py: a small world whose dirty examples are known."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from headwater.corpus.contamination.examples import Example
from headwater.corpus.contamination.index import index_of
from headwater.corpus.contamination.match import found, match
from headwater.corpus.contamination.report import report

A = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
B = "red orange yellow green blue indigo violet black white"
C = "sun moon mars venus earth jupiter saturn uranus neptune pluto"


def test_before_and_after_removal() -> None:
    examples = [Example(0, "a", (A,)), Example(0, "b", (B,)), Example(1, "c", (C,)), Example(1, "d", ("too short",))]
    index = index_of(examples, ["first", "second"], (13, 20, 8, 12))
    texts = ["nothing here", f"{A} and {B}", B, A.rpartition(" ")[0], C]
    places, grams = found(match(pa.RecordBatch.from_pydict({"text": texts}), index))
    kept = np.array([True, False, True, False, False])
    told = report(index, places, grams, kept, lambda place: f"doc{place}")
    assert told["contaminated_documents"] == 4 and told["shape"]["words"] == 13
    first, second = told["sets"]["first"], told["sets"]["second"]
    assert (first["examples"], first["too_short"], first["dirty_ids_before"], first["dirty_ids_after"]) == (2, 0, ["a", "b"], ["b"])
    assert (second["examples"], second["too_short"], second["dirty_ids_before"], second["dirty_ids_after"]) == (2, 1, ["c"], [])
    assert first["found"][0] == {"id": "a", "share_before": 1.0, "share_after": 0.0, "documents": ["doc1", "doc3"], "document_count": 2}
    half = report(index, places[places == 3], grams[places == 3], kept, str)
    assert half["sets"]["first"]["found"][0]["share_before"] == 0.5
    assert report(index, places[places == 3], grams[places == 3], kept, str, dirty=0.5)["sets"]["first"]["dirty_before"] == 0
