"""The corpus stage with what it is handed from rooms below it: measures that say how predictable each document is.

A small n-gram model counts the bytes of held-out documents (up to 4 MB), so that no document that it judges was counted; a held-out
document has no figure. With `statistics: {model: DIR}` that model reads the documents, too: bits a byte, and how much of them it recites.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from headwater.core.artifact import Outcome, Work
from headwater.corpus import stage
from headwater.corpus.config import Corpus
from headwater.corpus.statistics.config import Statistics
from headwater.corpus.statistics.measures import CHARACTERS, Measure
from headwater.evaluation.ngram import train

COUNTED = 4_000_000
"""Bytes that the model is trained on."""
ORDER = 4
DIGITS = 4
"""Of a model's figures: beyond, they depend on the machine."""


def run(config: Corpus, work: Work) -> Outcome:
    of_model = measures_of_model(config.statistics) if isinstance(config.statistics, Statistics) else {}
    return stage.run(config, work, lambda folder: {**measures(folder), **of_model})


def measures_of_model(config: Statistics) -> dict[str, Measure]:
    """Of the user's model. Raises HeadwaterError when it cannot be loaded."""
    from headwater.evaluation.perplexity import token_nats
    from headwater.evaluation.recite import reciter
    from headwater.model.directory import load

    model = load(config.model)
    end = model.tokenizer.special("end")

    def bits_per_byte(text: str) -> float:
        if not text:
            return math.nan
        (nats,) = token_nats(model.network, [[end, *model.tokenizer.encode(text), end]], model.config.context, batch_size=8)
        return round(float(nats.sum()) / len(text.encode()) / math.log(2), DIGITS)

    return {"model_bits_per_byte": bits_per_byte, "model_recites": reciter(model, config.prompt, config.continuation)}


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
