from __future__ import annotations

import pytest
import torch

from headwater.core.errors import HeadwaterError
from headwater.generation.fill import fill
from tests.model.conftest import tiny

MASK = 8


def test_each_mask_gets_its_likeliest_tokens() -> None:
    network = tiny(kind="encoder", head={"kind": "mlm"}).build(0)
    ids = [20, MASK, 22, 23, MASK]
    found = fill(network, ids, MASK, top_k=3)
    probability = network.eval()(torch.tensor([ids]))[0].softmax(-1)
    assert len(found) == 2
    for place, candidates in zip((1, 4), found, strict=True):
        shares, tokens = probability[place].topk(3)
        assert [candidate.token for candidate in candidates] == tokens.tolist()
        assert [candidate.probability for candidate in candidates] == pytest.approx(shares.tolist(), rel=1e-4)
    assert fill(network, [*ids[:1], 99, *ids[2:]], MASK, top_k=3)[0] != found[1]  # what stands elsewhere is heard


def test_among_equals_the_lowest_id_comes_first() -> None:
    network = tiny(kind="encoder", head={"kind": "mlm"}).build(0)
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.zero_()
    assert [candidate.token for candidate in fill(network, [MASK], MASK, top_k=4)[0]] == [0, 1, 2, 3]


def test_what_cannot_be_filled_is_refused() -> None:
    with pytest.raises(HeadwaterError, match="a text without a mask"):
        fill(tiny(kind="encoder", head={"kind": "mlm"}).build(0), [20, 21], MASK)
    with pytest.raises(HeadwaterError, match="by a network of kind decoder with a head of kind lm"):
        fill(tiny().build(0), [20, MASK], MASK)
    with pytest.raises(HeadwaterError, match="kind encoder with a head of kind span"):
        fill(tiny(kind="encoder", head={"kind": "span"}).build(0), [20, MASK], MASK)
