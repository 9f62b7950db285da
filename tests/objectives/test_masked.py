"""BERT's numbers: 15 % of the tokens, 80/10/10, half of the second pieces from elsewhere."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from headwater.objectives.rows import make
from tests.objectives.conftest import ENCODER, END, FIRST, SPECIALS, batch_of, built, model, streams, unique_texts

PAIRED = {"kind": "encoder", "head": {"kind": "mlm", "next_sentence": True}, "embedding": {"types": 2}}


def within(count: int, of: int, share: float) -> bool:
    """Inside five standard deviations of a binomial."""
    return abs(count - of * share) <= 5 * math.sqrt(of * share * (1 - share))


def test_rates() -> None:
    objective = built(model(128, **ENCODER), kind="masked")
    batch = batch_of(objective, rows=300, ends=[40, 41, 90])
    tokens, targets, learned = batch.inputs.tokens_BT, batch.targets_BT, batch.weights_BT > 0
    assert (learned.sum(1) == round(0.15 * 126)).all()
    assert torch.equal(tokens[~learned], targets[~learned]), "only chosen tokens change"
    assert (targets[learned] >= FIRST).all(), "neither cls nor sep nor end is ever chosen"
    chosen = int(learned.sum())
    hidden = tokens[learned] == SPECIALS["mask"]
    kept = tokens[learned] == targets[learned]
    other = ~hidden & ~kept
    assert within(int(hidden.sum()), chosen, 0.8)
    assert within(int(kept.sum()), chosen, 0.1)
    assert within(int(other.sum()), chosen, 0.1)
    assert (tokens[learned][other] >= FIRST).all()
    places = learned[:, 1:-1].sum(0)
    assert places[[40, 41, 90]].sum() == 0
    free = np.delete(places.numpy(), [40, 41, 90])
    assert ((free - free.mean()) ** 2 / free.mean()).sum() < 190, "every place is as likely (p < 0.001 of 122 degrees of freedom)"


def test_the_row_is_cls_text_sep() -> None:
    objective = built(model(32, **ENCODER), kind="masked")
    texts = unique_texts(objective, 3)
    batch = make(objective, texts, streams(range(3)))
    for row, (text,) in enumerate(texts):
        assert batch.targets_BT[row].tolist() == [SPECIALS["cls"], *text[:30], SPECIALS["sep"]]
    assert batch.inputs.segments_BT is None and batch.inputs.positions_BT is None


def test_whole_words_are_hidden_whole() -> None:
    objective = built(model(256, **ENCODER), kind="masked", whole_words=True)
    batch = batch_of(objective, rows=50, ends=[77])
    assert SPECIALS.words is not None
    counts = []
    for row in range(50):
        learned = batch.weights_BT[row].numpy() > 0
        counts.append(int(learned.sum()))
        ids = batch.targets_BT[row].numpy()
        numbers = SPECIALS.words.numbers(ids)
        for word in np.unique(numbers[learned]):
            inside = (numbers == word) & (ids >= FIRST)
            assert learned[inside].all(), "a word was hidden in part"
    wanted = round(0.15 * 254)
    assert max(counts) == wanted and np.mean(counts) > wanted - 0.5


def test_documents_apart() -> None:
    objective = built(model(32, **ENCODER), kind="masked", across_documents=False)
    inputs = batch_of(objective, rows=4, ends=[9]).inputs
    assert inputs.segments_BT is not None and inputs.positions_BT is not None
    assert inputs.segments_BT[0].tolist() == [1] * 10 + [2] * 22
    assert inputs.positions_BT[0].tolist() == [*range(10), *range(22)]
    assert inputs.tokens_BT[0, 10] == END


def test_next_sentence() -> None:
    objective = built(model(64, **PAIRED), kind="masked", next_sentence=True)
    texts = unique_texts(objective, 400)
    batch = make(objective, texts, streams(range(400)))
    assert batch.labels is not None and batch.inputs.types_BT is not None
    assert batch.label_weight == round(0.15 * 61) == int(batch.weights_BT[0].sum()), "BERT's sum of two means"
    assert within(int(batch.labels.sum()), 400, 0.5)
    for row, (own, other) in enumerate(texts):
        ids = batch.targets_BT[row].tolist()
        first_sep = ids.index(SPECIALS["sep"])
        cut = first_sep - 1
        assert ids[0] == SPECIALS["cls"] and ids[-1] == SPECIALS["sep"] and len(ids) == 64
        assert ids[1:first_sep] == own[:cut].tolist()
        second = other[: 61 - cut] if batch.labels[row] else own[cut:61]
        assert ids[first_sep + 1 : -1] == second.tolist()
        assert batch.inputs.types_BT[row].tolist() == [0] * (first_sep + 1) + [1] * (63 - first_sep)


def test_shares_are_checked() -> None:
    with pytest.raises(ValueError, match="keep their sum below 1"):
        built(model(32, **ENCODER), kind="masked", mask=0.9, random=0.2)
    with pytest.raises(ValueError, match="see each other"):
        built(model(32, **PAIRED), kind="masked", next_sentence=True, across_documents=False)
