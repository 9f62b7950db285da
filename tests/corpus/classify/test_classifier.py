"""headwater/corpus/classify/classifier.py: what is saved is what is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.corpus.classify.classifier import DESCRIPTION, WEIGHTS, load
from headwater.corpus.classify.config import FastText, Features, Logistic, QualityModel
from headwater.corpus.classify.train import train
from headwater.corpus.document import Document, batch_of


@pytest.mark.parametrize(
    "model", [Logistic(features=Features(bits=10)), FastText(features=Features(bits=10))], ids=lambda model: model.kind
)
def test_round_trip(model: Logistic | FastText, plant: Callable[..., list[Document]], memory: Any, tmp_path: Path) -> None:
    classifier = train(memory(plant(40, 1)), QualityModel(good=["books"], raw=["web"], model=model), Reporter())
    classifier.save(tmp_path / "a")
    loaded = load(tmp_path / "a")
    batch = batch_of([*plant(10, 2), Document("e", "", "s"), Document("c", "山水", "s")])
    assert (loaded.probabilities(batch) == classifier.probabilities(batch)).all()
    assert (loaded.model, loaded.labels, loaded.report) == (classifier.model, classifier.labels, classifier.report)
    loaded.save(tmp_path / "b")
    for name in (DESCRIPTION, WEIGHTS):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_damage_is_said(tmp_path: Path) -> None:
    (tmp_path / DESCRIPTION).write_text('{"model": {"kind": "forest"}, "labels": [], "report": {}}')
    with pytest.raises(HeadwaterError, match="holds no classifier"):
        load(tmp_path)
    (tmp_path / DESCRIPTION).write_text('{"model": {"kind": "logistic"}, "labels": ["raw", "good"], "report": {}}')
    (tmp_path / WEIGHTS).write_bytes(b"nothing of the kind")
    with pytest.raises(HeadwaterError, match="holds no classifier"):
        load(tmp_path)
