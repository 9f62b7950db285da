"""headwater/corpus/classify/calibrate.py"""

from __future__ import annotations

import numpy as np
import pytest

from headwater.corpus.classify.calibrate import auc, balanced, calibrate, evidence, probabilities, reliability


def overconfident(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits three times too large, and shifted, of labels that follow their true probability."""
    draw = np.random.default_rng(seed)
    truth = draw.normal(size=count) * 1.5
    labels = (draw.random(count) < 1 / (1 + np.exp(-truth))).astype(np.int64)
    return np.stack([np.zeros(count), 3 * truth + 1], axis=1), labels


def test_calibration_undoes_scale_and_shift() -> None:
    logits, labels = overconfident(20_000, 1)
    found = calibrate(logits, labels)
    assert np.exp(found[0]) == pytest.approx(1 / 3, rel=0.05)
    held_logits, held = overconfident(20_000, 2)
    before = evidence(probabilities(held_logits, np.zeros(3)), held)
    after = evidence(probabilities(held_logits, found), held)
    assert before.ece > 0.1 and after.ece < 0.02
    assert after.auc == pytest.approx(before.auc)


def test_no_step_from_the_calibration_is_downhill() -> None:
    logits, labels = overconfident(400, 3)
    found = calibrate(logits, labels)

    def loss(parameters: np.ndarray) -> float:
        """By hand: each class weighs half; a normal prior on every parameter, as heavy as one document."""
        shown = probabilities(logits, parameters)[np.arange(400), labels]
        fit = np.mean([-np.log(shown[labels == label]).mean() for label in (0, 1)])
        return float(fit + parameters @ parameters / 800)

    for step in np.eye(3):
        assert loss(found) <= min(loss(found + 1e-3 * step), loss(found - 1e-3 * step))


def test_a_few_examples_cannot_carry_it_away() -> None:
    logits = np.asarray([[0.0, 2], [2, 0], [0, 3], [3, 0]])
    assert 1 < np.exp(calibrate(logits, np.asarray([1, 0, 1, 0]))[0]) < 5


def test_auc_is_the_share_of_pairs_in_order() -> None:
    draw = np.random.default_rng(4)
    scores, positive = draw.integers(0, 8, 50) / 8, draw.random(50) < 0.4
    pairs = [(a > b) + (a == b) / 2 for a in scores[positive] for b in scores[~positive]]
    assert auc(scores, positive) == pytest.approx(np.mean(pairs))
    assert auc(scores, np.ones(50, bool)) == 0.5


def test_the_table_by_hand() -> None:
    shown, happened = np.asarray([0.05, 0.06, 0.95, 1.0]), np.asarray([False, True, True, True])
    table = reliability(shown, happened, np.full(4, 0.25))
    assert [(row["low"], row["observed"], row["documents"]) for row in table] == [(0.0, 0.5, 2), (0.9, 1.0, 2)]
    assert table[0]["expected"] == pytest.approx(0.055)


def test_classes_weigh_the_same() -> None:
    assert balanced(np.asarray([0, 0, 0, 1]), 2) == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])
    found = evidence(np.asarray([[0.9, 0.1]] * 4), np.asarray([0, 0, 0, 1]))
    assert found.accuracy == 0.5
