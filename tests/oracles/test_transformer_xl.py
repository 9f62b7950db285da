"""Relative attention (Dai et al. 2019, section 3.3) as Gopher and Chinchilla take it, without recurrence: its sum of four terms."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from headwater.model.config import ModelConfig
from tests.oracles.pair import draw, shaken
from tests.oracles.paper import Weights, agrees, gelu, mixture, rms_norm, sinusoid

LAYERS, WIDTH, HEADS, VOCABULARY = 2, 12, 3, 20
WIDE = WIDTH // HEADS


def gopher(w: Weights, tokens: list[int], both_ways: bool) -> Tensor:
    """A_ij = x_iᵀ Wqᵀ Wk x_j + x_iᵀ Wqᵀ Wr R_{i-j} + uᵀ Wk x_j + vᵀ Wr R_{i-j}, over sqrt(d)."""
    x = [w["embedding.tokens.weight"][token] for token in tokens]
    for layer in range(LAYERS):
        block = {name.removeprefix(f"stack.blocks.{layer}."): tensor for name, tensor in w.items()}
        n = [rms_norm(vector, block["attention_norm.weight"]) for vector in x]
        y = []
        for i in range(len(x)):
            mixed = []
            seen = range(len(x) if both_ways else i + 1)
            for head in range(HEADS):
                part = slice(head * WIDE, (head + 1) * WIDE)
                w_q, w_k, w_v = (block[f"attention.{kind}.weight"][part] for kind in ("query", "key", "value"))
                w_r = block["attention.relative.project.weight"][part]
                u, v = block["attention.relative.content_bias"][head], block["attention.relative.place_bias"][head]
                scores = []
                for j in seen:
                    r = sinusoid(i - j, WIDTH)
                    terms = (w_q @ n[i]) @ (w_k @ n[j]) + (w_q @ n[i]) @ (w_r @ r) + u @ (w_k @ n[j]) + v @ (w_r @ r)
                    scores.append(terms / WIDE**0.5)
                mixed.append(mixture(scores, [w_v @ n[j] for j in seen]))
            h = x[i] + block["attention.out.weight"] @ torch.cat(mixed)
            inner = gelu(block["feed_forward.up.weight"] @ rms_norm(h, block["feed_forward_norm.weight"]))
            y.append(h + block["feed_forward.down.weight"] @ inner)
        x = y
    return torch.stack([w["embedding.tokens.weight"] @ rms_norm(vector, w["stack.norm.weight"]) for vector in x])


@pytest.mark.parametrize("kind", ["decoder", "encoder"])
def test_relative_attention_is_its_paper(kind: str) -> None:
    config = ModelConfig.model_validate(
        {
            "kind": kind, "layers": LAYERS, "width": WIDTH, "heads": HEADS, "context": 10, "positions": {"kind": "xl"},
            "feed_forward": {"kind": "gelu", "approximate": "none", "width": 20}, "vocab_size": VOCABULARY, "init": {"std": 0.4},
        }
    )  # fmt: skip
    network = shaken(config)
    with torch.no_grad():
        for name, tensor in network.named_parameters():
            if name.endswith(("content_bias", "place_bias")):
                tensor.copy_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(len(name))))
    tokens = draw((2, 8), VOCABULARY, least=0)
    agrees(network, network(tokens), lambda w: torch.stack([gopher(w, row, kind == "encoder") for row in tokens.tolist()]))
