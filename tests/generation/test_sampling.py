from __future__ import annotations

import math

import numpy as np
import pytest

from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.generation.sampling import Sampling, draw, penalised


def plain(logits: list[float], temperature: float, top_k: int | None, top_p: float | None, min_p: float | None = None) -> list[float]:
    """The definitions, a token at a time: sort by falling logit (then rising id), keep k, keep until the mass is reached, keep what is
    not far less likely than the first."""
    order = sorted(range(len(logits)), key=lambda id: (-logits[id], id))[:top_k]
    weight = {id: math.exp((logits[id] - max(logits)) / temperature) for id in order}
    if top_p is not None:
        whole, kept, mass = sum(weight.values()), [], 0.0
        for id in order:
            kept.append(id)
            mass += weight[id] / whole
            if mass >= top_p:
                break
        order = kept
    order = [id for id in order if weight[id] >= (min_p or 0.0) * weight[order[0]]]
    whole = sum(weight[id] for id in order)
    return [weight[id] / whole if id in order else 0.0 for id in range(len(logits))]


@pytest.mark.parametrize("top_k", [None, 1, 3, 10, 99])
@pytest.mark.parametrize("top_p", [None, 0.05, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("min_p", [None, 0.01, 0.4, 1.0])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_what_is_drawn_from_is_the_definition(temperature: float, min_p: float | None, top_p: float | None, top_k: int | None) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        logits = rng.normal(size=12) * 2
        found = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p).probabilities(logits)
        expected = plain(logits.tolist(), temperature, top_k, top_p, min_p)
        assert [p > 0 for p in found] == [p > 0 for p in expected]
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(("top_k", "kept"), [(1, [1]), (2, [1, 3]), (3, [1, 3, 4]), (4, [0, 1, 3, 4]), (6, [0, 1, 2, 3, 4, 5])])
def test_among_equals_the_lowest_ids_stay(top_k: int, kept: list[int]) -> None:
    logits = np.array([0.0, 2.0, 0.0, 2.0, 2.0, 0.0])
    assert np.flatnonzero(Sampling(top_k=top_k).probabilities(logits)).tolist() == kept


def test_a_nucleus_reached_exactly_needs_no_more() -> None:
    logits = np.log(np.array([0.25, 0.5, 0.125, 0.125]))
    assert np.flatnonzero(Sampling(top_p=0.75).probabilities(logits)).tolist() == [0, 1]
    assert np.flatnonzero(Sampling(top_p=0.76).probabilities(logits)).tolist() == [0, 1, 2]


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=0.7, top_k=5), Sampling(top_p=0.8)], ids=str)
def test_frequencies_follow_the_probabilities(sampling: Sampling) -> None:
    """Chi-square of 20,000 draws; the seed is fixed, so that the test either always passes or always fails."""
    rng = np.random.default_rng(1)
    logits = rng.normal(size=9)
    expected = sampling.probabilities(logits) * 20_000
    drawn = sampling.choose(np.tile(logits, (20_000, 1)), rng.random(20_000))
    counts = np.bincount(drawn, minlength=9)
    assert counts[expected == 0].sum() == 0
    kept = expected > 0
    statistic = ((counts[kept] - expected[kept]) ** 2 / expected[kept]).sum()
    freedom = int(kept.sum()) - 1
    assert statistic < freedom + 4 * math.sqrt(2 * freedom)  # four standard deviations of chi-square above its mean


def test_draw_is_the_inverse_of_the_summed_probabilities() -> None:
    probability = np.array([0.0, 0.25, 0.0, 0.5, 0.25, 0.0])
    assert [draw(probability, u) for u in (0.0, 0.2499, 0.25, 0.7499, 0.75, np.nextafter(1.0, 0.0))] == [1, 1, 3, 3, 4, 4]


def test_greedy_takes_the_lowest_of_the_likeliest() -> None:
    logits = np.array([[1.0, 3.0, 3.0], [5.0, 0.0, 5.0]])
    assert Sampling(temperature=0).choose(logits, np.array([0.9, 0.9])) == [1, 0]


def test_a_penalty_sinks_what_was_said_once_however_often_it_was() -> None:
    logits = np.array([[2.0, 1.9, -1.0, -1.1], [2.0, 1.9, -1.0, -1.1]])
    assert penalised(logits, [[0, 0, 2], [1]], 2.0).tolist() == [[1.0, 1.9, -2.0, -1.1], [2.0, 0.95, -1.0, -1.1]]
    assert logits[0, 0] == 2.0  # a copy
    sampling = Sampling(temperature=0, repetition_penalty=1.2)
    assert sampling.choose(logits, np.zeros(2), [[0, 0, 2], {1}]) == [1, 0]
    assert Sampling(temperature=1e-3, repetition_penalty=1.2).choose(logits, np.full(2, 0.5), [[0], [1]]) == [1, 0]


def test_large_logits_do_not_overflow() -> None:
    probability = Sampling(temperature=0.01).probabilities(np.array([900.0, 899.0, -900.0]))
    np.testing.assert_allclose(probability, [1.0, 0.0, 0.0], atol=1e-12)


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"top_p": 0.0}, "top_p"),
        ({"min_p": 1.5}, "min_p"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"top_p": 1.1}, "top_p"),
        ({"top_k": 0}, "top_k"),
        ({"temperature": -1}, "temperature"),
    ],
)
def test_a_mistake_names_its_key(data: dict[str, float], key: str) -> None:
    with pytest.raises(HeadwaterError, match=key):
        validate(Sampling, data)
