"""headwater/corpus/duplicates/hashed.py: cosines are those of weighted counts, computed here by dictionaries and nothing else."""

from __future__ import annotations

import math
import random
import re
from collections import Counter

import numpy as np
import pytest

from headwater.corpus.document import Document, batch_of, buffers_of
from headwater.corpus.duplicates.hashed import RUNS, SLOTS, count_documents, vectors_of

WORDS = ["river", "stone", "winter", "letter", "captain", "garden", "morning", "silver", "answer", "window", *"你我山水王城马天"]


def hashed(texts: list[str], width: int = 256, rows: list[int] | None = None) -> np.ndarray:
    data, offsets = buffers_of(batch_of([Document(str(n), text, "here") for n, text in enumerate(texts)]))
    documents = np.zeros(SLOTS, np.uint32)
    count_documents(data, offsets, np.arange(len(texts)), documents)
    return vectors_of(data, offsets, np.array(rows or range(len(texts))), np.log1p(len(texts) / np.maximum(documents, 1)), width)


def counted(text: str) -> Counter[tuple[str, str]]:
    """Words (汉字 one by one) and runs of four characters, by regular expressions."""
    text = " ".join(text.lower().split())
    words = re.findall(r"[\u4e00-\u9fff]|[a-z0-9]+", text)
    return Counter([("word", word) for word in words] + [("run", text[at : at + 4]) for at in range(max(1, len(text) - 3))])


def weighted(texts: list[str]) -> np.ndarray:
    """The cosines of all pairs."""
    counts = [counted(text) for text in texts]
    documents = Counter(feature for count in counts for feature in count)
    vectors = [{feature: (1 + math.log(times)) * math.log(1 + len(texts) / documents[feature]) * (1 if feature[0] == "word" else RUNS)
                for feature, times in count.items()} for count in counts]  # fmt: skip
    lengths = [math.hypot(*vector.values()) for vector in vectors]
    return np.array([[sum(weight * b.get(feature, 0) for feature, weight in a.items()) / (la * lb)
                      for b, lb in zip(vectors, lengths, strict=True)] for a, la in zip(vectors, lengths, strict=True)])  # fmt: skip


def sample(count: int, seed: int = 0) -> list[str]:
    """Texts of which each takes some words of the one before."""
    draw = random.Random(seed)
    texts: list[str] = []
    for number in range(count):
        words = [draw.choice(WORDS) + (str(draw.randrange(40)) if draw.random() < 0.7 else "") for _ in range(80)]
        if number % 3:
            words[: 25 * (number % 3)] = texts[-1].split()[: 25 * (number % 3)]
        texts.append(" ".join(words))
    return texts


@pytest.mark.oracle
@pytest.mark.parametrize("width", [64, 256, 4096])
def test_cosines_are_those_of_the_weighted_counts(width: int) -> None:
    texts = sample(60)
    vectors = hashed(texts, width).astype(np.float64)
    expected = weighted(texts)
    assert expected[~np.eye(60, dtype=bool)].max() > 0.6
    error = (vectors @ vectors.T - expected)[np.triu_indices(60, 1)]
    standard = ((1 - expected**2) / math.sqrt(width))[np.triu_indices(60, 1)]
    assert 0.7 < np.std(error / standard) < 1.4
    assert abs(error / standard).max() < 6


def test_a_document_counts_once_for_each_of_its_features() -> None:
    texts = sample(30)
    data, offsets = buffers_of(batch_of([Document(str(n), text, "here") for n, text in enumerate(texts)]))
    documents = np.zeros(SLOTS, np.uint32)
    count_documents(data, offsets, np.array([3, 5, 8]), documents)
    features = [set(counted(texts[row])) for row in (3, 5, 8)]
    assert documents.max() == 3
    assert int(documents.sum()) == pytest.approx(sum(map(len, features)), rel=0.01)
    assert np.count_nonzero(documents == 3) == pytest.approx(len(features[0] & features[1] & features[2]), rel=0.05)


def test_a_text_has_one_vector_in_whichever_batch_it_stands() -> None:
    texts = sample(40)
    vectors = hashed(texts)
    assert np.allclose(np.linalg.norm(vectors.astype(np.float64), axis=1), 1, atol=1e-6)
    rows = list(range(40))
    random.Random(1).shuffle(rows)
    assert np.array_equal(hashed(texts, rows=rows), vectors[rows])
    assert np.array_equal(hashed(texts, rows=[17]), vectors[[17]])


@pytest.mark.parametrize(("chinese", "stop"), [(False, ". "), (True, "。")])
def test_the_order_of_sentences_hardly_counts_and_other_words_do(chinese: bool, stop: str) -> None:
    draw = random.Random(2)
    words = [chr(draw.randrange(0x4E00, 0x9FA0)) if chinese else f"w{draw.randrange(9000)}" for _ in range(600)]
    joint = "" if chinese else " "
    sentences = [joint.join(words[at : at + 20]) for at in range(0, 400, 20)]
    first = stop.join(sentences)
    draw.shuffle(sentences)
    other = joint.join(words[400:])
    vectors = hashed([first, stop.join(sentences), other, first.upper()]).astype(np.float64)
    assert vectors[0] @ vectors[1] > 0.99
    assert abs(vectors[0] @ vectors[2]) < 0.4
    assert np.array_equal(vectors[0], vectors[3])


def test_texts_without_a_word_are_zeros() -> None:
    assert not hashed(["", " \n", "。！?"]).any()
    assert hashed(["a", "天"]).any(axis=1).all()
