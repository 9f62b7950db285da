from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from headwater.model.embedding import TokenEmbedding
from headwater.model.positions import sinusoid
from headwater.tokens.batch import Inputs
from tests.model.conftest import tiny

TOKENS = torch.tensor([[7, 200, 7, 31], [0, 1, 2, 3]])
PLACES = torch.tensor([[0, 1, 2, 3], [5, 5, 6, 0]])
TYPES = torch.tensor([[0, 0, 1, 1], [1, 0, 2, 0]])
BLOCKS = torch.tensor([[0, 0, 1, 2], [0, 1, 0, 23]])


def made(**changes: Any) -> TokenEmbedding:
    part = TokenEmbedding(tiny(**{"positions": {"kind": "none"}, **changes}))
    for number, tensor in enumerate(part.parameters()):
        torch.nn.init.normal_(tensor, generator=torch.Generator().manual_seed(number))
    return part


@pytest.mark.parametrize("kind", ["rope", "alibi", "t5", "xl", "none"])
def test_a_token_is_its_row(kind: str) -> None:
    part = made(positions={"kind": kind})
    assert torch.equal(part(Inputs(TOKENS), PLACES), part.tokens.weight[TOKENS])
    assert len(list(part.parameters())) == 1


@pytest.mark.parametrize(("scale", "factor"), [("width", math.sqrt(32)), (3.0, 3.0)])
def test_scaled_before_positions_are_added(scale: float | str, factor: float) -> None:
    """Vaswani et al. 2017, section 3.4."""
    part = made(embedding={"scale": scale}, positions={"kind": "learned"})
    expected = part.tokens.weight[TOKENS] * factor + part.positions.weight[PLACES]  # type: ignore[union-attr]
    torch.testing.assert_close(part(Inputs(TOKENS), PLACES), expected)


def test_sinusoids_are_added() -> None:
    part = made(positions={"kind": "sinusoidal"})
    torch.testing.assert_close(part(Inputs(TOKENS), PLACES), part.tokens.weight[TOKENS] + sinusoid(PLACES, 32))


def test_a_narrow_table_is_projected_before_the_scale() -> None:
    part = made(embedding={"width": 16, "scale": 2.0})
    assert part.tokens.weight.shape == (262, 16)
    torch.testing.assert_close(part(Inputs(TOKENS), PLACES), 2 * part.tokens.weight[TOKENS] @ part.rise.weight.T)  # type: ignore[union-attr]
    assert made(embedding={"width": 32}).rise is None


def test_types_are_added_and_are_all_the_first_if_not_given() -> None:
    part = made(embedding={"types": 3})
    rows, types = part.tokens.weight[TOKENS], part.types.weight  # type: ignore[union-attr]
    torch.testing.assert_close(part(Inputs(TOKENS, types_BT=TYPES), PLACES), rows + types[TYPES])
    torch.testing.assert_close(part(Inputs(TOKENS), PLACES), rows + types[0])


def test_glm_adds_two_places() -> None:
    """Du et al. 2022, section 2.3: the place in the text, and the place inside a span (0 in what is given)."""
    part = made(positions={"kind": "glm"})
    rows = part.tokens.weight[TOKENS] + part.positions.weight[PLACES]  # type: ignore[union-attr]
    torch.testing.assert_close(part(Inputs(TOKENS, blocks_BT=BLOCKS), PLACES), rows + part.blocks.weight[BLOCKS])  # type: ignore[union-attr]
    torch.testing.assert_close(part(Inputs(TOKENS), PLACES), rows + part.blocks.weight[0])  # type: ignore[union-attr]
    assert part.positions is not part.blocks
    assert made(positions={"kind": "learned"}).blocks is None


def test_the_norm_comes_last() -> None:
    part = made(embedding={"norm": True, "types": 2, "scale": 2.0}, positions={"kind": "learned"})
    types = TYPES.clamp(max=1)
    x = part.tokens.weight[TOKENS] * 2 + part.positions.weight[PLACES] + part.types.weight[types]  # type: ignore[union-attr]
    expected = x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * part.norm.weight  # type: ignore[union-attr]
    torch.testing.assert_close(part(Inputs(TOKENS, types_BT=types), PLACES), expected, atol=1e-5, rtol=1e-5)


def test_batch_norm_there_counts_no_padding() -> None:
    part = made(kind="encoder", embedding={"norm": True}, norm={"kind": "batch"})
    real = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]])
    other = TOKENS.masked_fill(real == 0, 99)
    found, expected = (part(Inputs(tokens, segments_BT=real), PLACES)[real > 0] for tokens in (other, TOKENS))
    torch.testing.assert_close(found, expected)


def test_dropout_is_for_training_alone() -> None:
    part = made(dropout=0.5)
    x = part(Inputs(TOKENS), PLACES)
    dropped = x == 0
    assert 0.2 < dropped.float().mean() < 0.8
    torch.testing.assert_close(x[~dropped], 2 * part.tokens.weight[TOKENS][~dropped])
    part.eval()
    assert torch.equal(part(Inputs(TOKENS), PLACES), part.tokens.weight[TOKENS])
