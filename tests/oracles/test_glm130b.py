"""GLM-130B (Zeng et al. 2022, section 2.2) has no class in transformers: its equations, written out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from headwater.model.config import ModelConfig
from headwater.tokens.batch import Inputs
from headwater.tokens.masks import causal, prefix
from tests.oracles.pair import draw, shaken
from tests.oracles.paper import Weights, agrees, gelu, layer_norm, mixture, turned

LAYERS, WIDTH, HEADS, VOCABULARY = 3, 12, 3, 20
WIDE = WIDTH // HEADS
GLM130B = ModelConfig.model_validate(
    {
        "layers": LAYERS, "width": WIDTH, "heads": HEADS, "context": 10, "feed_forward": {"kind": "geglu", "width": 20,
        "approximate": "none"}, "norm": {"kind": "layer", "place": "deep", "alpha": (2 * LAYERS) ** 0.5}, "biases": True,
        "positions": {"kind": "rope", "pairs": "neighbours"}, "tied": True, "vocab_size": VOCABULARY, "init": {"std": 0.4},
    }
)  # fmt: skip


def glm130b(w: Weights, tokens: list[int], sees: Callable[[int, int], bool]) -> Tensor:
    """DeepNorm(x) = LayerNorm(alpha x + Network(x)), alpha = (2N)^(1/2); FFN(x) = (GELU(x W1) * x V) W2; rotary positions."""
    alpha = (2 * LAYERS) ** 0.5
    x = [w["embedding.tokens.weight"][token] for token in tokens]
    for layer in range(LAYERS):
        block = {name.removeprefix(f"stack.blocks.{layer}."): tensor for name, tensor in w.items()}

        def linear(name: str, vector: Tensor, block: Weights = block) -> Tensor:
            return block[f"{name}.weight"] @ vector + block[f"{name}.bias"]

        def normed(name: str, vector: Tensor, block: Weights = block) -> Tensor:
            return layer_norm(vector, block[f"{name}.weight"], block[f"{name}.bias"])

        y = []
        for place, vector in enumerate(x):
            seen = [other for other in range(len(x)) if sees(place, other)]
            mixed = []
            for head in range(HEADS):
                part = slice(head * WIDE, (head + 1) * WIDE)
                query = turned(linear("attention.query", vector)[part], place)
                keys = [turned(linear("attention.key", x[other])[part], other) for other in seen]
                values = [linear("attention.value", x[other])[part] for other in seen]
                mixed.append(mixture([query @ key / WIDE**0.5 for key in keys], values))
            y.append(normed("attention_norm", alpha * vector + linear("attention.out", torch.cat(mixed))))
        x = []
        for vector in y:
            inner = gelu(linear("feed_forward.gate", vector)) * linear("feed_forward.up", vector)
            x.append(normed("feed_forward_norm", alpha * vector + linear("feed_forward.down", inner)))
    return torch.stack([w["embedding.tokens.weight"] @ vector for vector in x])


@pytest.mark.parametrize("given", [0, 4])
def test_glm130b_is_its_paper(given: int) -> None:
    """The context of a blank is read both ways; what fills it, from the left (section 2.2)."""
    network = shaken(GLM130B)
    tokens = draw((2, 8), VOCABULARY, least=0)
    prefix_BT = (torch.arange(8) < given)[None].expand(2, -1)
    ours = network(Inputs(tokens, mask=causal() | prefix(), prefix_BT=prefix_BT))
    formula = [lambda i, j: j <= i or j < given]
    agrees(network, ours, lambda w: torch.stack([glm130b(w, row, formula[0]) for row in tokens.tolist()]))


def test_without_alpha_it_is_deepnorms_own() -> None:
    """Wang et al. 2022, table 2: (2N)^(1/4) for a decoder, which is another network."""
    network = GLM130B.model_copy(update={"norm": GLM130B.norm.model_copy(update={"alpha": None})}).build(0)
    tokens = draw((1, 8), VOCABULARY, least=0)
    assert not torch.allclose(network(tokens), GLM130B.build(0)(tokens), atol=1e-3)
