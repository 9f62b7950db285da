from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.errors import HeadwaterError
from headwater.evaluation.perplexity import bits_per_byte, chosen, rule, sequences_of, token_nats, windows_of

LENGTHS = (2, 3, 16, 17, 18, 24, 25, 40, 61, 9, 5)  # around the context of 16 and its half


def sequences(vocab_size: int = 40) -> list[list[int]]:
    rng = np.random.default_rng(5)
    return [[0, *rng.integers(1, vocab_size, length - 1).tolist()] for length in LENGTHS]


def one_by_one(network: Any, sequence: list[int], context: int, stride: int) -> list[float]:
    """The rule said slowly: each token alone, after the part of its sequence that its first window shows of it."""
    nats = []
    for target in range(1, len(sequence)):
        start = next(start for start in range(0, len(sequence), stride) if target <= start + context)
        logits_V = network(torch.tensor([sequence[start:target]]))[0, -1].detach().double()
        nats.append(float(logits_V.logsumexp(0) - logits_V[sequence[target]]))
    return nats


@pytest.mark.parametrize("stride", [None, 16, 5])
def test_every_token_is_scored_after_what_the_rule_says(network: Any, stride: int | None) -> None:
    net = network(40)
    found = token_nats(net, sequences(), 16, 4, stride=stride)
    for nats, sequence in zip(found, sequences(), strict=True):
        np.testing.assert_allclose(nats, one_by_one(net, sequence, 16, stride or 8), atol=2e-5)


@pytest.mark.parametrize("batch_size", [4, 32])
def test_neither_batch_nor_padding_changes_a_figure(network: Any, batch_size: int) -> None:
    net = network(40)
    alone, together = (token_nats(net, sequences(), 16, size) for size in (1, batch_size))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_dropout_sleeps_and_the_mode_is_put_back(network: Any) -> None:
    net = network(40, dropout=0.5).train()
    first, second = (token_nats(net, sequences(), 16, 4) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert net.training


def test_a_sequence_with_nothing_to_score_has_no_nats(network: Any) -> None:
    assert [len(nats) for nats in token_nats(network(40), [[0], [0, 1], []], 16, 4)] == [0, 1, 0]


@given(st.integers(0, 200), st.integers(1, 40), st.data())
def test_windows_score_each_token_once_with_enough_before_it(inputs: int, context: int, data: st.DataObject) -> None:
    stride = data.draw(st.integers(1, context))
    scored = []
    for window in windows_of(0, inputs, context, stride):
        assert window.stop - window.start <= context
        for place in range(window.scored, window.stop):
            scored.append(place)
            assert window.start == 0 or place - window.start >= context - stride
    assert scored == list(range(inputs))


def test_bits_per_byte_of_a_uniform_byte_model(network: Any, shards: Any) -> None:
    net = network(256, uniform=True)
    documents = [[7] * 30, [9] * 12, [3] * 50]
    figures = bits_per_byte(net, shards(documents, languages=["en", "zh", "en"]), batch_size=2)
    for name, sizes in {"all": (30, 12, 50), "en": (30, 50), "zh": (12,)}.items():
        total = sum(sizes)
        assert figures[name]["bits_per_byte"] == pytest.approx(8 * (total + len(sizes)) / total, abs=1e-5)
        assert figures[name]["loss"] == pytest.approx(math.log(256), abs=1e-5)
        assert (figures[name]["documents"], figures[name]["bytes"], figures[name]["tokens"]) == (len(sizes), total, total + len(sizes))
    assert figures["zh"]["standard_error"] is None


def test_a_document_costs_the_same_whatever_stands_beside_it(network: Any, shards: Any) -> None:
    net, document = network(40), [5, 9, 11, 3, 2]
    alone = bits_per_byte(net, shards([document]))["all"]
    between = bits_per_byte(net, shards([[8] * 20, document, [1] * 9], languages=["en", "zh", "en"]))["zh"]
    assert alone == pytest.approx(between, abs=1e-5)


def test_the_cheap_form_scores_the_evenly_spaced_documents_and_no_other(network: Any, shards: Any) -> None:
    net, documents = network(40), [[1, 2, 3] * 9, [4, 5], [6, 7, 8, 9] * 8, [3]]
    cheap = bits_per_byte(net, shards(documents), documents=2, stride=16)
    assert cheap == bits_per_byte(net, shards(documents[::2]), stride=16)
    assert cheap != bits_per_byte(net, shards(documents[::2]))  # windows that overlap see more


def test_chosen_documents_are_evenly_spaced(shards: Any) -> None:
    split = shards([[1]] * 10)
    assert chosen(split, 4) == [0, 2, 5, 7]
    assert chosen(split, None) == chosen(split, 99) == list(range(10))
    assert [sequence.tolist() for sequence in sequences_of(split, [3])] == [[0, 1, 0]]


def test_no_held_out_document_is_the_users_trouble(network: Any, shards: Any) -> None:
    with pytest.raises(HeadwaterError, match="no held-out document"):
        bits_per_byte(network(40), shards([]))


def test_the_rule_names_its_windows() -> None:
    assert "windows of 256 tokens every 128" in rule(256, 128)
    assert "do not overlap" in rule(256, 256)
