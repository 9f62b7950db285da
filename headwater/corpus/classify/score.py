"""What does a classifier say of each document? In: a trained classifier. Out: steps that add its probabilities.

Quality: attribute `quality_model`, the probability of `good`. Topics: attributes `topic.<name>`, and a column `topic` with the
likeliest (or `other`, below the recipe's confidence), by which a mixture can balance subjects.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from headwater.corpus.classify.classifier import Classifier
from headwater.corpus.document import Step, with_score

QUALITY, TOPIC, OTHER = "quality_model", "topic", "other"


def scorer(classifier: Classifier) -> Step:
    """Adds the attribute `quality_model`."""
    good = classifier.labels.index("good")
    return lambda batch: with_score(batch, QUALITY, classifier.probabilities(batch)[:, good])


def topic_scorer(classifier: Classifier, confidence: float = 0.0) -> Step:
    """Adds an attribute for each topic, and the column `topic`."""

    def step(batch: pa.RecordBatch) -> pa.RecordBatch:
        found_NK = classifier.probabilities(batch)
        likeliest = found_NK.argmax(axis=1) if batch.num_rows else np.empty(0, int)
        names = [classifier.labels[k] if row[k] >= confidence else OTHER for row, k in zip(found_NK, likeliest.tolist(), strict=True)]
        for k, label in enumerate(classifier.labels):
            batch = with_score(batch, f"{TOPIC}.{label}", found_NK[:, k])
        return batch.append_column(pa.field(TOPIC, pa.string(), nullable=False), pa.array(names, pa.string()))

    return step
