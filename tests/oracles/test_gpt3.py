"""GPT-3's sparse layers (Brown et al. 2020, section 2.1): dense and locally banded in turn; and the strided pattern of their source."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from headwater.model.config import ModelConfig
from tests.oracles.pair import draw, shaken
from tests.oracles.paper import Weights, agrees, gelu, layer_norm, mixture

LAYERS, WIDTH, HEADS, VOCABULARY, PLACES = 4, 8, 2, 20, 11
WIDE = WIDTH // HEADS


def banded(layer: int, i: int, j: int) -> bool:
    """Every second layer sees 4 places, itself among them."""
    return j <= i and (layer % 2 == 0 or i - j < 4)


def strided(layer: int, i: int, j: int) -> bool:
    """Child et al. 2019, section 4.2, l = 3: A1 = {max(0, i - l), …, i}, A2 = {j: (i - j) mod l = 0}, in one head."""
    return j <= i and (max(0, i - 3) <= j or (i - j) % 3 == 0)


def gpt3(w: Weights, tokens: list[int], sees: Any) -> Tensor:
    x = [w["embedding.tokens.weight"][token] + w["embedding.positions.weight"][place] for place, token in enumerate(tokens)]
    for layer in range(LAYERS):
        block = {name.removeprefix(f"stack.blocks.{layer}."): tensor for name, tensor in w.items()}

        def linear(name: str, vector: Tensor, block: Weights = block) -> Tensor:
            return block[f"{name}.weight"] @ vector + block[f"{name}.bias"]

        n = [layer_norm(vector, block["attention_norm.weight"], block["attention_norm.bias"]) for vector in x]
        q, k, v = ([linear(f"attention.{kind}", vector) for vector in n] for kind in ("query", "key", "value"))
        y = []
        for i in range(len(x)):
            seen = [j for j in range(len(x)) if sees(layer, i, j)]
            parts = [slice(head * WIDE, (head + 1) * WIDE) for head in range(HEADS)]
            mixed = [mixture([q[i][part] @ k[j][part] / WIDE**0.5 for j in seen], [v[j][part] for j in seen]) for part in parts]
            h = x[i] + linear("attention.out", torch.cat(mixed))
            inner = gelu(linear("feed_forward.up", layer_norm(h, block["feed_forward_norm.weight"], block["feed_forward_norm.bias"])))
            y.append(h + linear("feed_forward.down", inner))
        x = y
    return torch.stack([w["embedding.tokens.weight"] @ layer_norm(vector, w["stack.norm.weight"], w["stack.norm.bias"]) for vector in x])


@pytest.mark.parametrize(
    ("pattern", "sees"),
    [
        ([{"kind": "all"}, {"kind": "window", "size": 4}], banded),
        ([{"kind": "strided", "size": 3, "stride": 3}], strided),
    ],
)
def test_sparse_layers_see_what_the_paper_says(pattern: list[dict[str, Any]], sees: Any) -> None:
    config = ModelConfig.model_validate(
        {
            "layers": LAYERS, "width": WIDTH, "heads": HEADS, "context": PLACES, "positions": {"kind": "learned"}, "biases": True,
            "norm": {"kind": "layer"}, "feed_forward": {"kind": "gelu", "approximate": "none", "width": 16}, "pattern": pattern,
            "vocab_size": VOCABULARY, "init": {"std": 0.4},
        }
    )  # fmt: skip
    network = shaken(config)
    tokens = draw((1, PLACES), VOCABULARY, least=0)
    agrees(network, network(tokens), lambda w: torch.stack([gpt3(w, row, sees) for row in tokens.tolist()]))
