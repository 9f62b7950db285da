"""GLM-4, with sandwich norms and without, against transformers: logits, gradients, both ways of the checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from headwater.model.config import ModelConfig
from headwater.model.families import family_of
from headwater.model.families.family import Family
from headwater.model.families.glm4 import GLM, GLM4
from headwater.tokens.batch import Inputs
from headwater.tokens.masks import causal, documents
from tests.oracles.pair import back, close, cross_entropy, draw, opened, padded, same_gradients, same_network, shaken

transformers: Any = pytest.importorskip("transformers")
pytestmark = pytest.mark.oracle


def glm4(**changes: Any) -> ModelConfig:
    base: dict[str, Any] = {
        "layers": 3, "width": 32, "heads": 4, "kv_heads": 2, "head_width": 12, "context": 40, "vocab_size": 60, "tied": False,
        "biases": {"queries": True}, "norm": {"kind": "rms", "place": "sandwich", "eps": 1e-6}, "feed_forward": {"kind": "swiglu",
        "width": 50}, "positions": {"kind": "rope", "base": 500.0, "share": 0.5, "pairs": "neighbours"}, "init": {"std": 0.2},
    }  # fmt: skip
    return ModelConfig.model_validate({**base, **changes})


YARN = {"kind": "yarn", "factor": 4.0, "original_context": 10}
ROPE = {"kind": "rope", "base": 500.0, "share": 0.5, "pairs": "neighbours"}


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        (GLM4, {}),
        (GLM4, {"tied": True, "biases": False, "kv_heads": 1}),
        (GLM4, {"positions": {**ROPE, "share": 1.0}}),
        (GLM4, {"positions": {**ROPE, "scaling": YARN}}),
        (GLM, {"norm": {"kind": "rms"}}),
        (GLM, {"norm": {"kind": "rms"}, "tied": True, "head_width": None, "kv_heads": None}),
    ],
)
def test_it_computes_the_same(tmp_path: Path, family: Family, changes: dict[str, Any]) -> None:
    network = shaken(glm4(**changes))
    assert family_of(network.config) is family
    theirs = opened(tmp_path, transformers, family, network)
    assert type(theirs).__name__ == family.opens
    real = padded([33, 20], 33)
    tokens = draw((2, 33), 60).masked_fill(~real, 1)
    ours = network(Inputs(tokens, segments_BT=real.long(), mask=causal() & documents()))
    said = theirs(input_ids=tokens, attention_mask=real.long()).logits
    close(ours, said, real)
    targets = draw((2, 33), 60, seed=1)
    same_gradients(family, network, cross_entropy(ours, targets, real), theirs, cross_entropy(said, targets, real))
    same_network(network, back(tmp_path, theirs, family))


def test_the_published_sizes_are_read() -> None:
    """THUDM/GLM-4-9B-0414's config.json."""
    said = {
        "architectures": ["Glm4ForCausalLM"], "attention_bias": True, "attention_dropout": 0.0, "eos_token_id": [151329, 151336, 151338],
        "head_dim": 128, "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02, "intermediate_size": 13696,
        "max_position_embeddings": 32768, "model_type": "glm4", "num_attention_heads": 32, "num_hidden_layers": 40,
        "num_key_value_heads": 2, "pad_token_id": 151329, "partial_rotary_factor": 0.5, "rms_norm_eps": 1e-05, "rope_theta": 10000.0,
        "tie_word_embeddings": False, "vocab_size": 151552,
    }  # fmt: skip
    config = GLM4.parse(said)
    assert config.positions.model_dump(include={"share", "pairs", "base"}) == {"share": 0.5, "pairs": "neighbours", "base": 10_000.0}
    with torch.device("meta"):
        theirs = transformers.Glm4ForCausalLM(transformers.Glm4Config(**said))
    assert config.parameter_count() == sum(tensor.numel() for tensor in theirs.parameters())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"positions": {"kind": "rope", "share": 0.5}}, "positions.pairs"),
        ({"norm": {"kind": "rms", "place": "post"}}, "norm.place"),
        ({"feed_forward": {"kind": "gelu"}}, "feed_forward.kind"),
        ({"biases": {"queries": True, "out": True}}, "biases.out"),
        ({"positions": {"kind": "alibi"}}, "positions.kind"),
        ({"qk_norm": True}, "qk_norm"),
    ],
)
def test_what_it_cannot_say(changes: dict[str, Any], reason: str) -> None:
    assert f"has {reason} " in str(GLM4.mismatch(glm4(**changes)))
