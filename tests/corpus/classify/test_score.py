"""headwater/corpus/classify/score.py"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from headwater.core.progress import Reporter
from headwater.corpus.classify.config import Features, Logistic, QualityModel, Topics
from headwater.corpus.classify.score import scorer, topic_scorer
from headwater.corpus.classify.train import train
from headwater.corpus.document import Document, batch_of, scores_of

SMALL = Logistic(features=Features(bits=12))


def test_steps_add_attributes(plant: Callable[..., list[Document]], memory: Any) -> None:
    step = scorer(train(memory(plant(50, 1)), QualityModel(good=["books"], raw=["web"], model=SMALL), Reporter()))
    batch = batch_of(plant(5, 2))
    found = step(batch)
    assert found.column("id").equals(batch.column("id"))
    good = np.asarray([source == "books" for source in batch.column("source").to_pylist()])
    assert scores_of(found, "quality_model")[good].min() > scores_of(found, "quality_model")[~good].max()
    assert (scores_of(step(batch.slice(3, 4)), "quality_model") == scores_of(found, "quality_model")[3:7]).all()
    assert step(batch.slice(0, 0)).num_rows == 0


def test_topics_are_a_column_and_attributes(plant: Callable[..., list[Document]], memory: Any) -> None:
    config = Topics(sources={"books": "letters", "web": "trade"}, model=SMALL)
    classifier = train(memory(plant(50, 1)), config, Reporter())
    batch = batch_of([*plant(5, 2), Document("x", "river stone", "s")])
    found = topic_scorer(classifier, 0.6)(batch)
    assert found.column("topic").to_pylist()[:-1] == ["trade", "letters"] * 5
    assert scores_of(found, "topic.trade") + scores_of(found, "topic.letters") == pytest.approx(1)
    assert set(topic_scorer(classifier, 1.0)(batch).column("topic").to_pylist()) == {"other"}
    assert topic_scorer(classifier)(batch.slice(0, 0)).column("topic").to_pylist() == []
