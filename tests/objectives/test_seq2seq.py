"""Pairs in rows: each learned whole, none seen by another, packed or not with the same loss; and the model's own words in their place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from headwater.core.errors import HeadwaterError
from headwater.objectives.config import Decay, Seq2Seq
from headwater.objectives.rows import lay
from headwater.objectives.seq2seq import PairData, PairRows, given_share, held_out_pairs, with_own_places
from headwater.training.loss import mean_loss, token_loss
from tests.objectives.conftest import DECODER, END, FIRST, PAIR, SPECIALS, model, seen

DRAW = np.random.default_rng(0)


def random_pairs(count: int) -> list[tuple[list[int], list[int]]]:
    ids = DRAW.permutation(np.arange(FIRST, FIRST + 30 * count)).tolist()
    return [(ids[30 * n : 30 * n + DRAW.integers(1, 12)], ids[30 * n + 15 : 30 * n + 15 + DRAW.integers(1, 10)]) for n in range(count)]


PAIRS = random_pairs(60)


def how(architecture: dict[str, Any], packed: bool, context: int = 40) -> PairRows:
    return PairRows.of(Seq2Seq(packed=packed), model(context, **architecture), SPECIALS)


@pytest.mark.parametrize("architecture", [DECODER, PAIR], ids=["decoder", "encoder-decoder"])
def test_packing_puts_each_pair_somewhere_once_and_overfills_no_row(architecture: dict[str, Any]) -> None:
    rows = how(architecture, packed=True)
    groups = rows.grouped(PAIRS)
    assert sorted(item for group in groups for item in group) == list(range(60))
    assert len(groups) < 40
    for group in groups:
        assert all(sum(sizes) <= 40 for sizes in zip(*(rows.sizes(PAIRS[item]) for item in group), strict=True))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("architecture", [DECODER, PAIR], ids=["decoder", "encoder-decoder"])
def test_every_target_is_learned_and_sees_its_own_source_alone(architecture: dict[str, Any], packed: bool) -> None:
    rows = how(architecture, packed)
    groups = rows.grouped(PAIRS)
    batch = lay([rows.row([PAIRS[item] for item in group]) for group in groups], rows.layout)
    for row, group in enumerate(groups):
        learned = torch.nonzero(batch.weights_BT[row]).flatten().tolist()
        wanted = [(item, token) for item in group for token in [*PAIRS[item][1], END]]
        assert [int(batch.targets_BT[row, place]) for place in learned] == [token for _, token in wanted]
        for place, (item, token) in zip(learned, wanted, strict=True):
            known = [each for each in seen(batch.inputs, row, place) if each >= FIRST]
            source, target = PAIRS[item]
            before = target[: target.index(token)] if token != END else target
            assert set(known) == (set(before) if batch.source is not None else {*source, *before})
            if batch.source is not None and batch.source.segments_BT is not None:
                segments = batch.inputs.segments_BT
                number = 1 if segments is None else int(segments[row, place])
                read = batch.source.tokens_BT[row][batch.source.segments_BT[row] == number].tolist()
                assert read == [*source, END]


@pytest.mark.parametrize("positions", ["rope", "learned", "t5"])
@pytest.mark.parametrize("architecture", [DECODER, PAIR], ids=["decoder", "encoder-decoder"])
def test_packing_changes_no_loss(architecture: dict[str, Any], positions: str) -> None:
    shape = model(40, **architecture, positions={"kind": positions}, init={"std": 0.2})
    network = shape.build(0).eval()
    losses = [mean_loss(network, held_out_pairs(PAIRS, how(architecture, packed), 4)) for packed in (True, False)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def data(decay: Decay | None = None, architecture: dict[str, Any] = PAIR, pairs: list[Any] = PAIRS) -> PairData:
    ids = [f"p{n}" for n in range(len(pairs))]
    return PairData(pairs, ids, how(architecture, packed=True), lambda step: (4 * step, 4), seed=0, decay=decay)


def test_an_epoch_reads_every_pair_once() -> None:
    some = data()
    rows = some.rows_per_epoch
    one = PairData(PAIRS, [str(n) for n in range(60)], some.how, lambda step: (step, 1), seed=0)
    for epoch in range(2):
        read = [item for step in range(epoch * rows, (epoch + 1) * rows) for item in one.documents(step)]
        assert sorted(map(int, read)) == list(range(60))
    assert [one.documents(step) for step in range(rows)] != [one.documents(step) for step in range(rows, 2 * rows)]


def test_pairs_that_do_not_fit_are_counted() -> None:
    long = ([FIRST] * 50, [FIRST])
    assert data(pairs=[*PAIRS, long, ([FIRST], [])]).left_out == 2
    with pytest.raises(HeadwaterError, match="none of the 1 pairs fits into rows of 40 tokens"):
        data(pairs=[long])


def test_decays_of_the_paper() -> None:
    linear = Decay(steps=100, least=0.1)
    assert [given_share(linear, step) for step in (0, 50, 100, 1000)] == [1.0, 0.5, 0.1, 0.1]
    exponential = Decay(shape="exponential", k=0.99)
    assert given_share(exponential, 100) == pytest.approx(0.99**100)
    sigmoid = Decay(shape="sigmoid", k=20)
    assert given_share(sigmoid, 60) == pytest.approx(20 / (20 + math.exp(3)))
    assert given_share(sigmoid, 10**9) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("architecture", [DECODER, PAIR], ids=["decoder", "encoder-decoder"])
def test_own_words_stand_only_where_a_target_is_read(architecture: dict[str, Any]) -> None:
    given = data(architecture=architecture).batch(0)
    assert given.own_BT is None
    marked = data(Decay(steps=1), architecture).batch(9)  # long after: all of them
    assert marked.own_BT is not None
    read = {token for step in (9,) for item in data(architecture=architecture).documents(step) for token in PAIRS[int(item[1:])][1]}
    assert set(marked.inputs.tokens_BT[marked.own_BT].tolist()) == read
    half = with_own_places(given, 0.5, 0, range(4)).own_BT
    assert half is not None
    whole = with_own_places(given, 0.0, 0, range(4)).own_BT
    assert whole is not None and 0.3 < float(half.sum() / whole.sum()) < 0.7 and not (half & ~whole).any()
    two = with_own_places(next(iter(given.micro(2))), 0.5, 0, range(2)).own_BT
    assert two is not None and torch.equal(two, half[:2]), "drawn by row, not by batch"


def test_a_source_that_is_only_an_end_is_not_taken_for_the_end_before_it() -> None:
    batch = data(Decay(steps=1), DECODER, pairs=[([], [FIRST + n]) for n in range(30)]).batch(9)
    assert batch.own_BT is not None
    assert set(batch.inputs.tokens_BT[batch.own_BT].tolist()) == set(range(FIRST, FIRST + 30)) & set(
        batch.inputs.tokens_BT.flatten().tolist()
    )


@pytest.mark.parametrize("architecture", [DECODER, PAIR], ids=["decoder", "encoder-decoder"])
def test_training_reads_the_likeliest_token_there(architecture: dict[str, Any]) -> None:
    """Against a slow walk: what the model says from the given tokens, put in by hand."""
    network = model(40, **architecture, init={"std": 0.3}).build(0)
    batch = data(Decay(steps=1), architecture).batch(9)
    assert batch.own_BT is not None
    tokens = batch.inputs.tokens_BT.clone()
    with torch.no_grad():
        logits = network(batch.inputs, source=batch.source)
    for row, place in torch.nonzero(batch.own_BT).tolist():
        tokens[row, place] = int(logits[row, place - 1].argmax())
    import dataclasses

    by_hand = dataclasses.replace(batch, inputs=dataclasses.replace(batch.inputs, tokens_BT=tokens), own_BT=None)
    network.train()
    assert torch.equal(token_loss(network, batch), token_loss(network, by_hand))
    network.eval()
    plain = dataclasses.replace(batch, own_BT=None)
    assert torch.equal(token_loss(network, batch), token_loss(network, plain)), "held-out figures are of the given tokens"
