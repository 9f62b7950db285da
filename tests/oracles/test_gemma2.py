"""Soft-caps, sandwich norms, a scale of its own and windows in turn: a Gemma 2 against transformers, by hand (it is no family of ours)."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from headwater.model.config import ModelConfig
from headwater.tokens.batch import Inputs
from headwater.tokens.masks import causal, documents
from tests.oracles.pair import close, draw, padded, shaken

transformers: Any = pytest.importorskip("transformers")
pytestmark = pytest.mark.oracle

NAMES = {
    "attention_norm": "input_layernorm",
    "attention.query": "self_attn.q_proj",
    "attention.key": "self_attn.k_proj",
    "attention.value": "self_attn.v_proj",
    "attention.out": "self_attn.o_proj",
    "attention_out_norm": "post_attention_layernorm",
    "feed_forward_norm": "pre_feedforward_layernorm",
    "feed_forward.gate": "mlp.gate_proj",
    "feed_forward.up": "mlp.up_proj",
    "feed_forward.down": "mlp.down_proj",
    "feed_forward_out_norm": "post_feedforward_layernorm",
}


def gemma2(**changes: Any) -> ModelConfig:
    base: dict[str, Any] = {
        "layers": 3, "width": 32, "heads": 4, "kv_heads": 2, "head_width": 10, "context": 40, "vocab_size": 60,
        "norm": {"kind": "rms", "place": "sandwich", "eps": 1e-6}, "feed_forward": {"kind": "geglu", "width": 50},
        "embedding": {"scale": "width"}, "attention_scale": 24**-0.5, "attention_softcap": 2.0, "head": {"kind": "lm", "softcap": 3.0},
        "pattern": [{"kind": "window", "size": 6}, {"kind": "all"}], "tied": True, "init": {"std": 0.3},
    }  # fmt: skip
    return ModelConfig.model_validate({**base, **changes})


def test_gemma2_computes_the_same() -> None:
    network = shaken(gemma2())
    said = transformers.Gemma2Config(
        vocab_size=60, hidden_size=32, intermediate_size=50, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=10,
        max_position_embeddings=40, rms_norm_eps=1e-6, query_pre_attn_scalar=24, attn_logit_softcapping=2.0, final_logit_softcapping=3.0,
        sliding_window=6, pad_token_id=1, bos_token_id=0, eos_token_id=0, attn_implementation="eager",
    )  # fmt: skip
    theirs = transformers.Gemma2ForCausalLM(said).eval()
    ours = network.state_dict()
    weights = {"model.embed_tokens.weight": ours["embedding.tokens.weight"], "model.norm.weight": ours["stack.norm.weight"] - 1}
    for layer in range(3):
        for here, there in NAMES.items():
            tensor = ours[f"stack.blocks.{layer}.{here}.weight"]
            weights[f"model.layers.{layer}.{there}.weight"] = tensor - 1 if here.endswith("norm") else tensor
    report = theirs.load_state_dict(weights, strict=False)
    assert report.missing_keys == ["lm_head.weight"]
    assert not report.unexpected_keys
    theirs.tie_weights()
    real = padded([33, 21], 33)
    tokens = draw((2, 33), 60).masked_fill(~real, 1)
    with torch.no_grad():
        logits = theirs(input_ids=tokens, attention_mask=real.long()).logits
    close(network(Inputs(tokens, segments_BT=real.long(), mask=causal() & documents())), logits, real)
    for bent in ("attention_softcap", "head"):  # each cap is low enough to show
        flat = gemma2(**{bent: None if bent == "attention_softcap" else {"kind": "lm"}})
        other = flat.build(0)
        other.load_state_dict(ours)
        assert (other(tokens)[real] - logits[real]).abs().max() > 1e-2
