"""The corpus stage with what it is handed from rooms below it: a small n-gram model that says how predictable each document is.

The model counts the bytes of held-out documents (up to 4 MB), so that no document that it judges was counted; a held-out document has
no figure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from headwater.core.artifact import Outcome, Work
from headwater.corpus import stage
from headwater.corpus.config import Corpus
from headwater.corpus.statistics.measures import CHARACTERS, Measure
from headwater.evaluation.ngram import train

COUNTED = 4_000_000
"""Bytes that the model is trained on."""
ORDER = 4


def run(config: Corpus, work: Work) -> Outcome:
    return stage.run(config, work, measures)


def measures(folder: Path) -> dict[str, Measure]:
    """Measures for the documents below `folder`; the name says the model, the unit is bits a byte."""
    counted = list(_texts(folder))
    known = {text[:CHARACTERS] for text in counted}
    model = train([text.encode() for text in counted], ORDER)

    def bits_per_byte(text: str) -> float:
        data = text.encode()
        return math.nan if text in known or not data else float(model.nats([data])[0].sum()) / len(data) / math.log(2)

    return {f"byte_{ORDER}gram_bits_per_byte": bits_per_byte}


def _texts(folder: Path) -> Iterator[str]:
    size = 0
    for path in sorted((folder / "documents").glob("validation-*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(columns=["text"], batch_size=256):
            for text in batch.column(0).to_pylist():
                size += len(text.encode())
                if size > COUNTED:
                    return
                yield text
