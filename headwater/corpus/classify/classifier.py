"""A trained classifier. In: texts. Out: for each the probability of every class, if all classes were equally frequent.

On disk a folder: classifier.json (what it is and how well it did), classifier.safetensors (weights).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from headwater.core.errors import HeadwaterError
from headwater.core.storage import disk_trouble, read_json, write_atomically, write_json
from headwater.corpus.classify import embedding, softmax
from headwater.corpus.classify.calibrate import probabilities
from headwater.corpus.classify.config import Model
from headwater.corpus.classify.features import Rows, features
from headwater.corpus.document import buffers_of

DESCRIPTION, WEIGHTS = "classifier.json", "classifier.safetensors"
MODEL: TypeAdapter[Any] = TypeAdapter(Model)


@dataclass(frozen=True)
class Classifier:
    """`weights` has softmax's `weights` [F, K] and `bias` [K], or fastText's `embeddings` [F, D] and `output` [D, K]; and
    `calibration` [1 + K]."""

    model: Model
    labels: list[str]
    weights: dict[str, np.ndarray]
    report: dict[str, Any] = field(default_factory=dict)
    """What training found, for the run's report: examples by class, languages, and evidence (calibrate.Evidence)."""

    def probabilities(self, batch: pa.RecordBatch) -> np.ndarray:
        """float64 [N, K]."""
        rows = features(*buffers_of(batch), self.model.features, mean=self.model.kind == "fasttext")
        return probabilities(logits_of(self.model.kind, self.weights, rows), self.weights["calibration"])

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save

        folder.mkdir(parents=True, exist_ok=True)
        with disk_trouble(folder):
            write_atomically(folder / WEIGHTS, save({name: np.ascontiguousarray(value) for name, value in sorted(self.weights.items())}))
            write_json(folder / DESCRIPTION, {"model": self.model.model_dump(), "labels": self.labels, "report": self.report})


def load(folder: Path) -> Classifier:
    """Raises HeadwaterError for a folder that holds none."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    described = read_json(folder / DESCRIPTION)
    try:
        model = MODEL.validate_python(described["model"])
        weights = load_file(folder / WEIGHTS)
        return Classifier(model, described["labels"], weights, described["report"])
    except (KeyError, TypeError, ValidationError, SafetensorError, OSError):
        raise HeadwaterError("holds no classifier of ours", where=folder, mend="delete it and run again") from None


def logits_of(kind: str, weights: dict[str, np.ndarray], rows: Rows) -> np.ndarray:
    """float64 [N, K], before calibration."""
    if kind == "fasttext":
        return embedding.logits(rows, weights["embeddings"], weights["output"])
    return np.asarray(softmax.product(rows, weights["weights"]) + weights["bias"])
