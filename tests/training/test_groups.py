"""Names decide: what is frozen, what decays, how many layers lie above."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from headwater.core.errors import HeadwaterError
from headwater.training.groups import block_of, decays, freeze, layer_factors


def network() -> nn.Module:
    return nn.ModuleDict(
        {"embedding": nn.Embedding(5, 4), "blocks": nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)]), "norm": nn.LayerNorm(4)}
    )


def test_frozen_parameters_get_no_gradient() -> None:
    frozen = network()
    assert freeze(frozen, ["embedding.*", "blocks.0.*"]) == ["blocks.0.bias", "blocks.0.weight", "embedding.weight"]
    assert [name for name, parameter in frozen.named_parameters() if parameter.requires_grad] == [
        "blocks.1.weight",
        "blocks.1.bias",
        "norm.weight",
        "norm.bias",
    ]
    assert freeze(frozen, []) == []


def test_a_glob_that_names_nothing_is_a_mistake() -> None:
    with pytest.raises(HeadwaterError, match=r"rates.frozen: no parameter is called 'embeding\.\*'; names run from 'embedding.weight' to"):
        freeze(network(), ["norm.*", "embeding.*"])


def test_nothing_left_to_learn_is_a_mistake() -> None:
    with pytest.raises(HeadwaterError, match="every parameter is frozen"):
        freeze(network(), ["*"])


@pytest.mark.parametrize(
    ("name", "shape", "matrices"),
    [
        ("head.weight", (3, 4), True),
        ("head.bias", (3,), False),
        ("norm.weight", (3,), False),
        ("blocks.0.experts.up", (2, 3, 4), True),
        ("blocks.0.experts.up_bias", (2, 3), False),
        ("blocks.0.query_norm.weight", (2, 3), False),
        ("blocks.0.scores.content_bias", (2, 3), False),
        ("stack.bias.table.weight", (32, 8), False),
    ],
)
def test_what_decays(name: str, shape: tuple[int, ...], matrices: bool) -> None:
    parameter = nn.Parameter(torch.zeros(shape))
    assert decays(name, parameter, "matrices") == matrices
    assert decays(name, parameter, "all")
    assert not decays(name, parameter, "none")


def test_layers_above() -> None:
    """Of 12 blocks the last is one below the head, the first twelve, the tables thirteen; a second stack counts its own."""
    names = ["embedding.tokens.weight", *(f"stack.blocks.{n}.up.weight" for n in range(12)), "encoder.blocks.0.up.weight", "norm.weight"]
    factors = layer_factors(names, 0.8)
    assert factors["norm.weight"] == 1
    assert factors["stack.blocks.11.up.weight"] == pytest.approx(0.8)
    assert factors["stack.blocks.0.up.weight"] == pytest.approx(0.8**12)
    assert factors["embedding.tokens.weight"] == pytest.approx(0.8**13)
    assert factors["encoder.blocks.0.up.weight"] == pytest.approx(0.8)


def test_a_network_without_blocks_has_one_layer() -> None:
    assert layer_factors(["embedding.weight", "lstm.weight"], 0.5) == {"embedding.weight": 0.5, "lstm.weight": 1.0}


def test_a_table_called_blocks_is_no_block() -> None:
    assert block_of("embedding.blocks.weight") is None
    assert block_of("encoder.blocks.3.attention.out.weight") == ("encoder.blocks", 3)
    assert block_of("blocks.10.norm.weight") == ("blocks", 10)
