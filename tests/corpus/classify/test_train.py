"""headwater/corpus/classify/train.py: planted differences are found, on documents that it did not see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.corpus.classify.calibrate import auc
from headwater.corpus.classify.classifier import Classifier
from headwater.corpus.classify.config import FastText, Features, Logistic, QualityModel, Topics
from headwater.corpus.classify.train import train
from headwater.corpus.document import Document, batch_of

SMALL = Features(bits=14)
MODELS = [Logistic(features=SMALL), FastText(features=SMALL)]
Plant = Callable[..., list[Document]]


def learn(documents: Any, model: Logistic | FastText, **config: Any) -> Classifier:
    return train(documents, QualityModel(good=["books"], raw=["web"], model=model, **config), Reporter())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.kind)
@pytest.mark.parametrize("chinese", [False, True])
def test_what_was_planted_is_found(model: Logistic | FastText, chinese: bool, plant: Plant, memory: Any) -> None:
    classifier = learn(memory(plant(300, 1, chinese=chinese)), model)
    unseen = plant(200, 2, chinese=chinese)
    scores = classifier.probabilities(batch_of(unseen))[:, classifier.labels.index("good")]
    assert auc(scores, np.asarray([document.source == "books" for document in unseen])) > 0.98
    assert classifier.report["examples"] == {"raw": 300, "good": 300}
    assert classifier.report["evidence"]["accuracy"] > 0.9 and classifier.report["evidence"]["auc"] > 0.98


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.kind)
def test_probabilities_mean_what_they_say(model: Logistic | FastText, plant: Plant, memory: Any) -> None:
    """With few telling words many documents cannot be told; the scores must admit that."""
    classifier = learn(memory(plant(1000, 1, share=0.03)), model)
    unseen = plant(1000, 2, share=0.03)
    scores = classifier.probabilities(batch_of(unseen))[:, 1]
    good = np.asarray([document.source == "books" for document in unseen])
    for low, high in ((0.0, 0.35), (0.35, 0.65), (0.65, 1.0)):
        inside = (scores >= low) & (scores <= high)
        assert inside.sum() > 50
        assert abs(scores[inside].mean() - good[inside].mean()) < 0.12


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.kind)
def test_neither_order_nor_parts_matter(model: Logistic | FastText, plant: Plant, memory: Any) -> None:
    documents = plant(60, 1)
    one, other = learn(memory(documents), model, examples=40), learn(memory(documents[::-1], rows=7), model, examples=40)
    assert one.report == other.report and one.report["examples"] == {"raw": 40, "good": 40}
    assert all((one.weights[name] == other.weights[name]).all() for name in one.weights)


def test_topics_from_sources_and_from_seeds(plant: Plant, memory: Any) -> None:
    documents = [*plant(100, 1), *[Document(f"z/{n}", document.text, "zh") for n, document in enumerate(plant(50, 3, chinese=True))]]
    named = Topics(sources={"books": "letters", "web": "trade", "zh": "china"}, model=Logistic(features=SMALL))
    classifier = train(memory(documents), named, Reporter())
    assert classifier.labels == ["china", "letters", "trade"]
    assert classifier.report["evidence"]["accuracy"] > 0.95
    seeded = Topics(
        seeds={"letters": ["reason", "silence", "memory"], "trade": ["casino", "buy", "winner"]}, model=Logistic(features=SMALL)
    )
    classifier = train(memory(plant(300, 1)), seeded, Reporter())
    # The words that were no seeds tell as well: that is what a model is for.
    unseen = batch_of([Document("a", "gentle wonder " * 5, "s"), Document("b", "cheap click discount " * 5, "s")])
    assert classifier.probabilities(unseen).argmax(axis=1).tolist() == [0, 1]


def test_a_document_of_two_topics_is_an_example_of_neither(memory: Any) -> None:
    texts = ["chess rook pawn"] * 12 + ["atom quark boson"] * 12 + ["chess rook pawn atom quark boson"] * 9 + ["chess rook"] * 9
    config = Topics(seeds={"games": ["chess", "rook", "pawn"], "science": ["atom", "quark", "boson"]}, model=Logistic(features=SMALL))
    classifier = train(memory([Document(f"s/{n}", text, "s") for n, text in enumerate(texts)]), config, Reporter())
    assert classifier.report["examples"] == {"games": 12, "science": 12}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.kind)
def test_the_figures_are_of_documents_that_it_did_not_see(model: Logistic | FastText, memory: Any) -> None:
    """Nothing tells these apart but having learnt each by heart."""
    words = [" ".join(f"w{n}x{m}" for m in range(5)) for n in range(400)]
    documents = [Document(f"s/{n}", text, "books" if n % 2 else "web") for n, text in enumerate(words)]
    assert 0.2 < learn(memory(documents), model).report["evidence"]["accuracy"] < 0.8


def test_too_little_to_learn_from(plant: Plant, memory: Any) -> None:
    with pytest.raises(HeadwaterError, match="'good' has 0 documents to learn from"):
        train(memory(plant(20, 1)), QualityModel(good=["nothing"], raw=["web"]), Reporter())


def test_a_model_of_the_language_is_called_that(plant: Plant, memory: Any, capsys: pytest.CaptureFixture[str]) -> None:
    documents = [d for d in plant(50, 1) if d.source == "web"] + [d for d in plant(50, 1, chinese=True) if d.source == "books"]
    assert learn(memory(documents), Logistic(features=SMALL)).report["language_gap"] == 1
    assert "differ in their languages by 100%" in capsys.readouterr().err
