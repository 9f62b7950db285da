"""How is a classifier trained? In: annotated documents, labelled by their source or by seed words. Out: a Classifier.

Examples are the documents with the least hashes of their ids, so many of each class; of these one in ten calibrates and one
in ten tests, again by hash. So neither the order of reading nor the number of parts changes anything. Every class weighs the
same, however many examples it has.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import xxhash

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.corpus.classify import embedding, softmax
from headwater.corpus.classify.calibrate import balanced, calibrate, evidence, probabilities
from headwater.corpus.classify.classifier import Classifier, logits_of
from headwater.corpus.classify.config import FastText, Logistic, QualityModel, Topics
from headwater.corpus.classify.features import Rows, features, joined
from headwater.corpus.document import buffers_of

LEAST = 10
"""Examples of a class without which there is nothing to learn from."""
FOLDS = 10
CALIBRATES, TESTS = 0, 1
SEED_WORDS = 3
"""Occurrences of a topic's words that make a document an example of it, if they are twice those of any other topic."""
GAP = 0.3
"""Difference of the classes' languages from which on it is said that the model may have learnt the language."""

Labeller = Callable[[pa.RecordBatch], np.ndarray]
"""A batch to the class of each document, int64 [N]; -1: of none."""


class Documents(Protocol):
    """annotated.Annotated, or anything with its batches."""

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[tuple[int, pa.RecordBatch]]: ...


def train(documents: Documents, config: QualityModel | Topics, report: Reporter, seed: int = 0) -> Classifier:
    """Raises HeadwaterError when a class has too few documents."""
    if isinstance(config, QualityModel):
        labels, labeller = ["raw", "good"], by_source({**dict.fromkeys(config.raw, 0), **dict.fromkeys(config.good, 1)})
        where = "corpus.quality_model"
    else:
        labels = config.labels
        labeller = (
            by_seeds(config) if config.seeds else by_source({source: labels.index(topic) for source, topic in config.sources.items()})
        )
        where = "corpus.topics"
    columns = ["id", "text"] if isinstance(config, Topics) and config.seeds else ["id", "source"]
    bounds = _bounds(documents, columns, labeller, len(labels), config.examples)
    rows, classes_N, folds_N, languages = _examples(documents, labeller, bounds, config.model, report)
    counts = np.bincount(classes_N, minlength=len(labels)).tolist()
    _check(labels, counts, where)
    trained = np.flatnonzero(folds_N > TESTS)
    weights = _fit(config.model, rows.take(trained), classes_N[trained], len(labels), report, seed)
    logits_NK = logits_of(config.model.kind, weights, rows)
    calibrating, testing = _or_all(folds_N == CALIBRATES), _or_all(folds_N == TESTS)
    weights["calibration"] = calibrate(logits_NK[calibrating], classes_N[calibrating])
    proof = evidence(probabilities(logits_NK[testing], weights["calibration"]), classes_N[testing])
    gap = _gap(languages)
    if gap > GAP:
        report.say(
            f"{where}: the classes differ in their languages by {gap:.0%}: what is learnt may be the language; give all of them the same"
        )
    figures: dict[str, Any] = {
        "examples": dict(zip(labels, counts, strict=True)),
        "languages": {label: dict(sorted(found.items())) for label, found in zip(labels, languages, strict=True)},
        "language_gap": gap,
        "evidence": proof.to_json(),
    }
    report.say(
        f"{where}: accuracy {proof.accuracy:.3f}, AUC {proof.auc:.3f}, calibration error {proof.ece:.3f} on {proof.documents:,} held out"
    )
    return Classifier(config.model, labels, weights, figures)


def by_source(classes: dict[str, int]) -> Labeller:
    return lambda batch: np.asarray([classes.get(source, -1) for source in batch.column("source").to_pylist()], np.int64)


def by_seeds(config: Topics) -> Labeller:
    """A topic's words are counted as whole words, or anywhere in text without spaces."""
    finders = []
    for label in config.labels:
        words = sorted(config.seeds[label], key=lambda word: (-len(word), word))
        finders.append(
            re.compile("|".join(rf"\b{re.escape(word)}\b" if word.isascii() else re.escape(word) for word in words), re.IGNORECASE)
        )

    def label_of(text: str) -> int:
        hits = [len(finder.findall(text)) for finder in finders]
        best = max(range(len(hits)), key=hits.__getitem__)
        second = max(hit for index, hit in enumerate(hits) if index != best)
        return best if hits[best] >= SEED_WORDS and hits[best] >= 2 * second else -1

    return lambda batch: np.asarray([label_of(text) for text in batch.column("text").to_pylist()], np.int64)


def _key(id: str) -> int:
    return xxhash.xxh3_64_intdigest(id.encode())


def _fold(id: str) -> int:
    return xxhash.xxh3_64_intdigest(id.encode(), seed=1) % FOLDS


def _bounds(documents: Documents, columns: list[str], labeller: Labeller, classes: int, most: int) -> list[int]:
    """The greatest key of each class's examples: a pass that keeps `most` numbers a class."""
    kept: list[list[int]] = [[] for _ in range(classes)]  # heaps of negated keys: the greatest key on top
    for _, batch in documents.batches(columns):
        found = labeller(batch)
        ids = batch.column("id")
        for row in np.flatnonzero(found >= 0).tolist():
            heap, key = kept[int(found[row])], _key(ids[row].as_py())
            if len(heap) < most:
                heapq.heappush(heap, -key)
            elif key < -heap[0]:
                heapq.heapreplace(heap, -key)
    return [-heap[0] if heap else -1 for heap in kept]


def _examples(
    documents: Documents, labeller: Labeller, bounds: list[int], model: Logistic | FastText, report: Reporter
) -> tuple[Rows, np.ndarray, np.ndarray, list[Counter[str]]]:
    """Rows of features, classes and folds of the examples, in the order of their ids; the languages of each class."""
    parts: list[Rows] = []
    picked: list[tuple[str, int, int]] = []
    languages: list[Counter[str]] = [Counter() for _ in bounds]
    with report.bar("looking at examples", unit="documents") as bar:
        for _, batch in documents.batches(["id", "source", "text", "language"]):
            found = labeller(batch)
            ids: list[str] = batch.column("id").to_pylist()
            chosen = [row for row, label in enumerate(found.tolist()) if label >= 0 and _key(ids[row]) <= bounds[label]]
            if chosen:
                batch = batch.take(pa.array(chosen, pa.int64()))
                parts.append(features(*buffers_of(batch), model.features, mean=model.kind == "fasttext"))
                picked += [(ids[row], int(found[row]), _fold(ids[row])) for row in chosen]
                for row, language in zip(chosen, batch.column("language").to_pylist(), strict=True):
                    languages[int(found[row])][language or "und"] += 1
            bar.advance(len(chosen))
    rows = joined(parts)
    parts.clear()  # a copy of hundreds of megabytes
    order = np.asarray(sorted(range(len(picked)), key=lambda index: picked[index][0]), np.int64)
    classes_N, folds_N = (np.asarray([picked[index][place] for index in order], np.int64) for place in (1, 2))
    return rows.take(order), classes_N, folds_N, languages


def _fit(model: Logistic | FastText, rows: Rows, classes_N: np.ndarray, classes: int, report: Reporter, seed: int) -> dict[str, np.ndarray]:
    weights_N = balanced(classes_N, classes)
    buckets = 1 << model.features.bits
    if isinstance(model, FastText):
        with report.bar("training the classifier", total=model.epochs, unit="epochs") as bar:
            embeddings, output = embedding.fit(
                rows, classes_N, weights_N, classes, buckets, model.width, model.lr, model.epochs, seed, bar.advance
            )
        return {"embeddings": embeddings, "output": output}
    with report.bar("training the classifier", total=model.iterations, unit="iterations") as bar:
        weights, bias = softmax.fit(rows, classes_N, weights_N, classes, buckets, model.l2, model.iterations, bar.advance)
    return {"weights": weights.astype(np.float32), "bias": bias}


def _check(labels: list[str], counts: list[int], where: str) -> None:
    for label, count in zip(labels, counts, strict=True):
        if count < LEAST:
            raise HeadwaterError(f"'{label}' has {count} documents to learn from, {LEAST} at least are needed", where=where,
                                 mend="check the names of its sources, or its words")  # fmt: skip


def _or_all(rows: np.ndarray) -> np.ndarray:
    """Places of the rows; of all rows where there are none (a handful of examples)."""
    return np.flatnonzero(rows) if rows.any() else np.arange(len(rows))


def _gap(languages: list[Counter[str]]) -> float:
    """Greatest total variation between the languages of two classes."""
    shares = [{language: count / max(1, found.total()) for language, count in found.items()} for found in languages]
    return max(
        (sum(abs(a.get(key, 0) - b.get(key, 0)) for key in sorted({*a, *b})) / 2 for i, a in enumerate(shares) for b in shares[:i]),
        default=0.0,
    )
