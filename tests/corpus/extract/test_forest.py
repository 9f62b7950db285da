"""headwater/corpus/extract/forest.py: the compiled walk against a plain one; the file that it reads is sound."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from headwater.corpus.extract.features import NAMES, features
from headwater.corpus.extract.forest import DIGEST, FILE, SMOOTH, forests, probabilities, smoothed
from headwater.corpus.extract.page import parsed

PAGE = (
    b"<nav><a href=1>Home</a></nav><article>"
    + b"<p>A sentence, as there are many of them in an article of some length.</p>" * 6
    + b"</article>"
)


def walked(trees: dict[str, np.ndarray], row: np.ndarray) -> float:
    """From the root of each tree of the file to a leaf."""
    total = 0.0
    for node in trees["roots"].tolist():
        while trees["left"][node] != node:
            node = int(trees["left"][node]) + int(row[trees["feature"][node]] > trees["threshold"][node])
        total += float(trees["value"][node])
    return 1 / (1 + np.exp(-total))


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 130])
def test_the_compiled_walk_is_the_plain_one(count: int) -> None:
    rng = np.random.default_rng(7)
    file = np.load(FILE)
    for number, forest in enumerate(forests()[:2]):
        trees = {name: file[f"{name}{number + 1}"] for name in ("roots", "left", "feature", "threshold", "value")}
        x_BF = rng.normal(size=(count, len(NAMES) + number * SMOOTH), scale=3).astype(np.float32)
        x_BF[:, ::3] = x_BF[:, ::3].round()  # so that some measures are at a threshold
        assert forest(x_BF).tolist() == [np.float32(walked(trees, row)) for row in x_BF]


def test_the_file_is_of_these_measures() -> None:
    assert hashlib.sha256(FILE.read_bytes()).hexdigest()[:16] == DIGEST
    first, second, cut = forests()
    assert first.used.max() < len(NAMES) <= second.used.max() < len(NAMES) + SMOOTH
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
