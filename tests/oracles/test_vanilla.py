"""The Transformer (Vaswani et al. 2017, section 3) as its paper writes it: post-norm, sinusoids, one table three ways."""

from __future__ import annotations

import torch
from torch import Tensor

from headwater.model.config import ModelConfig
from headwater.tokens.batch import Inputs
from headwater.tokens.masks import causal, documents, full
from tests.oracles.pair import draw, padded, shaken
from tests.oracles.paper import Weights, agrees, layer_norm, mixture, sinusoid

WIDTH, HEADS, VOCABULARY, ENCODER, DECODER = 12, 3, 20, 2, 3
WIDE = WIDTH // HEADS
VANILLA = ModelConfig.model_validate(
    {
        "kind": "encoder-decoder", "layers": DECODER, "encoder_layers": ENCODER, "width": WIDTH, "heads": HEADS, "context": 12,
        "feed_forward": {"kind": "relu", "width": 24}, "norm": {"kind": "layer", "place": "post"}, "positions": {"kind": "sinusoidal"},
        "embedding": {"scale": "width"}, "biases": {"feed_forward": True, "norms": True}, "tied": True, "vocab_size": VOCABULARY,
        "init": {"std": 0.4},
    }
)  # fmt: skip


def multi_head(w: Weights, name: str, query: Tensor, seen: list[Tensor]) -> Tensor:
    """MultiHead(Q, K, V) = Concat(head_1, …) W^O with Attention(Q, K, V) = softmax(Q Kᵀ / sqrt(d_k)) V."""
    heads = []
    for head in range(HEADS):
        part = slice(head * WIDE, (head + 1) * WIDE)
        w_q, w_k, w_v = (w[f"{name}.{kind}.weight"][part] for kind in ("query", "key", "value"))
        scores = [(w_q @ query) @ (w_k @ other) / WIDE**0.5 for other in seen]
        heads.append(mixture(scores, [w_v @ other for other in seen]))
    return w[f"{name}.out.weight"] @ torch.cat(heads)


def norm(w: Weights, name: str, vector: Tensor) -> Tensor:
    return layer_norm(vector, w[f"{name}.weight"], w[f"{name}.bias"])


def fed(w: Weights, name: str, vector: Tensor) -> Tensor:
    """FFN(x) = max(0, x W1 + b1) W2 + b2."""
    inner = w[f"{name}.up.weight"] @ vector + w[f"{name}.up.bias"]
    return w[f"{name}.down.weight"] @ inner.clamp(min=0) + w[f"{name}.down.bias"]


def embedded(w: Weights, tokens: list[int]) -> list[Tensor]:
    """In the embedding layers, we multiply those weights by sqrt(d_model)."""
    return [w["embedding.tokens.weight"][token] * WIDTH**0.5 + sinusoid(place, WIDTH) for place, token in enumerate(tokens)]


def transformer(w: Weights, source: list[int], given: list[int]) -> Tensor:
    x = embedded(w, source)
    for layer in range(ENCODER):
        name = f"encoder.blocks.{layer}"
        x = [norm(w, f"{name}.attention_norm", vector + multi_head(w, f"{name}.attention", vector, x)) for vector in x]
        x = [norm(w, f"{name}.feed_forward_norm", vector + fed(w, f"{name}.feed_forward", vector)) for vector in x]
    y = embedded(w, given)
    for layer in range(DECODER):
        name = f"stack.blocks.{layer}"
        y = [norm(w, f"{name}.attention_norm", v + multi_head(w, f"{name}.attention", v, y[: place + 1])) for place, v in enumerate(y)]
        y = [norm(w, f"{name}.cross_norm", vector + multi_head(w, f"{name}.cross", vector, x)) for vector in y]
        y = [norm(w, f"{name}.feed_forward_norm", vector + fed(w, f"{name}.feed_forward", vector)) for vector in y]
    return torch.stack([w["embedding.tokens.weight"] @ vector for vector in y])


def test_the_transformer_is_its_paper() -> None:
    network = shaken(VANILLA)
    source, given = draw((2, 9), VOCABULARY, least=0), draw((2, 7), VOCABULARY, seed=1, least=0)
    agrees(
        network,
        network(given, source=source),
        lambda w: torch.stack([transformer(w, *rows) for rows in zip(source.tolist(), given.tolist(), strict=True)]),
    )


def test_padding_of_the_source_is_not_there() -> None:
    network = shaken(VANILLA)
    source, given, real = draw((2, 9), VOCABULARY, least=0), draw((2, 7), VOCABULARY, seed=1, least=0), padded([4, 9], 9)
    inputs = Inputs(given, segments_BT=torch.ones_like(given), mask=causal() & documents())
    ours = network(inputs, source=Inputs(source, segments_BT=real.long(), mask=full() & documents()))
    lengths = [4, 9]

    def formula(w: Weights) -> Tensor:
        return torch.stack([transformer(w, source[row, : lengths[row]].tolist(), given[row].tolist()) for row in range(2)])

    agrees(network, ours, formula)
