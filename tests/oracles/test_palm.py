"""PaLM (Chowdhery et al. 2022, section 2) has no class in transformers: its equations, written out."""

from __future__ import annotations

import torch
from torch import Tensor

from headwater.model.config import ModelConfig
from tests.oracles.pair import draw, shaken
from tests.oracles.paper import Weights, agrees, layer_norm, mixture, swish, turned

LAYERS, WIDTH, HEADS, HEAD_WIDTH, VOCABULARY = 2, 12, 3, 8, 20
PALM = ModelConfig.model_validate(
    {
        "layers": LAYERS, "width": WIDTH, "heads": HEADS, "kv_heads": 1, "head_width": HEAD_WIDTH, "context": 10,
        "feed_forward": {"kind": "swiglu", "width": 4 * WIDTH}, "norm": {"kind": "layer"}, "block": "parallel", "biases": False,
        "positions": {"kind": "rope", "pairs": "neighbours"}, "head": {"kind": "lm", "scale": "width"}, "tied": True,
        "vocab_size": VOCABULARY, "init": {"std": 0.5, "residual_scaling": False},
    }
)  # fmt: skip


def palm(w: Weights, tokens: list[int]) -> Tensor:
    """y = x + MLP(LayerNorm(x)) + Attention(LayerNorm(x)); every query head reads the one key and the one value of a token."""
    embedding = w["embedding.tokens.weight"]
    x = [embedding[token] for token in tokens]
    for layer in range(LAYERS):
        block = {name.removeprefix(f"stack.blocks.{layer}."): tensor for name, tensor in w.items()}
        normed = [layer_norm(vector, block["attention_norm.weight"]) for vector in x]
        keys = [turned(block["attention.key.weight"] @ vector, place) for place, vector in enumerate(normed)]
        values = [block["attention.value.weight"] @ vector for vector in normed]
        y = []
        for place, vector in enumerate(normed):
            mixed = []
            for head in range(HEADS):
                weight = block["attention.query.weight"][head * HEAD_WIDTH : (head + 1) * HEAD_WIDTH]
                query = turned(weight @ vector, place)
                scores = [query @ key / HEAD_WIDTH**0.5 for key in keys[: place + 1]]
                mixed.append(mixture(scores, values[: place + 1]))
            attention = block["attention.out.weight"] @ torch.cat(mixed)
            inner = swish(block["feed_forward.gate.weight"] @ vector) * (block["feed_forward.up.weight"] @ vector)
            y.append(x[place] + block["feed_forward.down.weight"] @ inner + attention)
        x = y
    # Input and output embeddings are shared; logits are scaled by 1/sqrt(n), n the width.
    return torch.stack([embedding @ layer_norm(vector, w["stack.norm.weight"]) / WIDTH**0.5 for vector in x])


def test_palm_is_its_paper() -> None:
    network = shaken(PALM)
    tokens = draw((2, 9), VOCABULARY, least=0)
    agrees(network, network(tokens), lambda w: torch.stack([palm(w, row) for row in tokens.tolist()]))


def test_nothing_is_left_over() -> None:
    """No biases, in dense kernels or layer norms; one norm a layer; one table."""
    names = {name for name, _ in PALM.build(0).named_parameters()}
    assert not any(name.endswith("bias") for name in names)
    assert len(names) == 2 + 8 * LAYERS
