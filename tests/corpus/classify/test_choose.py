"""headwater/corpus/classify/choose.py: rates against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from headwater.corpus.classify.choose import choose, draws, pareto_bounds
from headwater.corpus.classify.config import Pareto, Proportional, Threshold, Top

IDS = [f"web/{number}" for number in range(20_000)]


@pytest.mark.parametrize("score", [0.0, 0.3, 0.7, 0.9, 1.0])
def test_pareto_keeps_as_often_as_its_law_says(score: float) -> None:
    """P(pareto(9) > 1 - s) = (2 - s)^-9: 1 in 512 of the worst, all of the best."""
    stays, bounds = choose(Pareto(), IDS, np.full(len(IDS), score))
    expected = (2 - score) ** -9
    assert stays.mean() == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / len(IDS)) + 1e-12)
    assert (stays == (score > bounds)).all()


def test_the_draw_is_numpys_pareto() -> None:
    """As in GPT-3's line `np.random.pareto(9) > 1 - document_score`: the bound is one minus such a draw."""
    ours = np.sort(1 - pareto_bounds(draws(IDS, len(IDS), 1, "pareto"), 9.0))
    theirs = np.sort(np.random.default_rng(1).pareto(9.0, len(IDS)))
    places = np.searchsorted(theirs, ours, side="right") / len(IDS)
    distance = np.abs(places - np.arange(1, len(IDS) + 1) / len(IDS)).max()
    assert distance < 1.63 * np.sqrt(2 / len(IDS))  # Kolmogorov, Smirnov at 1 %


def test_a_document_draws_alike_in_any_company() -> None:
    scores = np.linspace(0, 1, len(IDS))
    stays, _ = choose(Pareto(), IDS, scores, seed=5)
    part, _ = choose(Pareto(), IDS[100:200], scores[100:200], seed=5)
    assert (stays[100:200] == part).all()
    assert not (choose(Pareto(), IDS, scores, seed=6)[0] == stays).all()


def test_in_proportion() -> None:
    scores = np.tile([0.1, 0.2, 0.4, 0.8], 5000)
    stays, _ = choose(Proportional(), IDS, scores)
    assert [stays[n::4].mean() for n in range(4)] == pytest.approx([0.1, 0.2, 0.4, 0.8], abs=0.03)
    halved, _ = choose(Proportional(share=0.1875), IDS, scores)
    assert [halved[n::4].mean() for n in range(4)] == pytest.approx([0.05, 0.1, 0.2, 0.4], abs=0.03)
    # None can be kept more than once: the best are certain, the rest share what is left in proportion.
    most, _ = choose(Proportional(share=0.75), IDS, scores)
    assert [most[n::4].mean() for n in range(4)] == pytest.approx([2 / 6, 4 / 6, 1, 1], abs=0.03)
    assert choose(Proportional(share=1.0), IDS, scores)[0].all()
    assert not choose(Proportional(share=0.5), IDS[:3], np.zeros(3))[0].any()


def test_the_best() -> None:
    scores = np.asarray([0.5, 0.9, 0.5, 0.1, 0.5])
    stays, bounds = choose(Top(share=0.4), list("abcde"), scores)
    assert stays.sum() == 2 and stays[1] and not stays[3] and set(bounds.tolist()) == {0.5}
    shuffled, _ = choose(Top(share=0.4), list("edcba"), scores[::-1])
    assert (shuffled[::-1] == stays).all()
    assert choose(Top(share=1.0), list("abcde"), scores)[0].all()
    assert choose(Top(share=0.3), [], np.empty(0))[0].tolist() == []


def test_a_threshold() -> None:
    assert choose(Threshold(min=0.5), list("abc"), np.asarray([0.4, 0.5, 0.6]))[0].tolist() == [False, True, True]
