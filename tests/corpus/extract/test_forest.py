"""headwater/corpus/extract/forest.py: the compiled walk against a plain one; the file that it reads is sound."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from headwater.corpus.extract.features import NAMES, features
from headwater.corpus.extract.forest import DIGEST, FILE, SMOOTH, Forest, forests, probabilities, smoothed
from headwater.corpus.extract.page import parsed

PAGE = (
    b"<nav><a href=1>Home</a></nav><article>"
    + b"<p>A sentence, as there are many of them in an article of some length.</p>" * 6
    + b"</article>"
)


def walked(forest: Forest, row: np.ndarray) -> float:
    total = 0.0
    for root in forest.roots.tolist():
        node = root
        while forest.left[node] != node:
            node = int(forest.left[node]) + int(row[forest.feature[node]] > forest.threshold[node])
        total += float(forest.value[node])
    return 1 / (1 + np.exp(-total))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9])
def test_the_compiled_walk_is_the_plain_one(count: int) -> None:
    rng = np.random.default_rng(7)
    for number, forest in enumerate(forests()[:2]):
        x_BF = rng.normal(size=(count, len(NAMES) + number * SMOOTH), scale=3).astype(np.float32)
        assert forest(x_BF).tolist() == pytest.approx([walked(forest, row) for row in x_BF], abs=1e-6)


def test_the_file_is_of_these_measures() -> None:
    assert hashlib.sha256(FILE.read_bytes()).hexdigest()[:16] == DIGEST
    first, second, cut = forests()
    assert first.feature.max() < len(NAMES) <= second.feature.max() < len(NAMES) + SMOOTH
    assert 0.2 < cut < 0.8


def test_text_is_likelier_than_links() -> None:
    found = probabilities(parsed(PAGE))
    assert found.dtype == np.float32
    assert found[0] < 0.3 < 0.7 < found[1:].min()
    assert probabilities(parsed(b"")).shape == (0,)


def test_smoothing_sees_the_neighbours() -> None:
    page = parsed(PAGE)
    p_B = forests()[0](features(page))
    seen = smoothed(page, p_B)
    assert seen.shape == (7, SMOOTH)
    assert seen[:, 0].tolist() == p_B.tolist()
    assert seen[1:, 1].tolist() == p_B[:-1].tolist()
    assert seen[:-1, 4].tolist() == p_B[1:].tolist()
