"""T5 and T5 v1.1 against transformers: encoder–decoder with a padded source; logits, gradients, both ways of the checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from headwater.core.errors import HeadwaterError
from headwater.model.config import ModelConfig
from headwater.model.families import family_of
from headwater.model.families.t5 import T5
from headwater.tokens.batch import Inputs
from headwater.tokens.masks import causal, documents, full
from tests.oracles.pair import PAD, back, close, cross_entropy, draw, opened, padded, same_gradients, same_network, shaken

transformers: Any = pytest.importorskip("transformers")
pytestmark = pytest.mark.oracle

READ, WRITTEN = padded([30, 17, 44], 44), padded([21, 9, 33], 33)
SOURCE, TARGETS = draw((3, 44), 60).masked_fill(~READ, PAD), draw((3, 33), 60, seed=1)
GIVEN = torch.cat([torch.full((3, 1), PAD), TARGETS[:, :-1]], dim=1)
# Padding of the decoder belongs to the row's document, so that it too has a source to look at.
INPUTS = Inputs(GIVEN, segments_BT=torch.ones(3, 33, dtype=torch.int64), mask=causal() & documents())
FIRST = {"feed_forward": {"kind": "relu", "width": 50}, "head": {"kind": "lm", "scale": "width"}}
V1_1 = {"feed_forward": {"kind": "geglu", "width": 50}, "tied": False}


def t5(**changes: Any) -> ModelConfig:
    base: dict[str, Any] = {
        "kind": "encoder-decoder", "layers": 3, "encoder_layers": 2, "width": 32, "heads": 4, "head_width": 6, "context": 64,
        "vocab_size": 60, "attention_scale": 1.0, "norm": {"kind": "rms", "eps": 1e-6}, "positions": {"kind": "t5", "buckets": 12,
        "max_distance": 20}, "init": {"std": 0.2},
    }  # fmt: skip
    return ModelConfig.model_validate({**base, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        FIRST,
        V1_1,
        {**FIRST, "feed_forward": {"kind": "gelu", "approximate": "none", "width": 50}, "encoder_layers": None, "head_width": None},
        {**FIRST, "feed_forward": {"kind": "gelu", "approximate": "tanh", "width": 50}},
        {**V1_1, "feed_forward": {"kind": "swiglu", "width": 50}, "encoder_layers": 3},
        {**V1_1, "feed_forward": {"kind": "reglu", "width": 50}},
    ],
)
def test_it_computes_the_same(tmp_path: Path, changes: dict[str, Any]) -> None:
    network = shaken(t5(**changes))
    assert family_of(network.config) is T5
    theirs = opened(tmp_path, transformers, T5, network)
    assert type(theirs).__name__ == "T5ForConditionalGeneration"
    source = Inputs(SOURCE, segments_BT=READ.long(), mask=full() & documents())
    ours = network(INPUTS, source=source)
    said = theirs(input_ids=SOURCE, attention_mask=READ.long(), decoder_input_ids=GIVEN, decoder_attention_mask=WRITTEN.long()).logits
    close(ours, said, WRITTEN)
    close(network.encode(source), theirs.encoder(input_ids=SOURCE, attention_mask=READ.long())[0], READ)
    same_gradients(T5, network, cross_entropy(ours, TARGETS, WRITTEN), theirs, cross_entropy(said, TARGETS, WRITTEN))
    same_network(network, back(tmp_path, theirs, T5))


def test_the_decoder_starts_from_padding(tmp_path: Path) -> None:
    """What transformers makes of labels is what our decoder is given."""
    network = shaken(t5(**FIRST))
    theirs = opened(tmp_path, transformers, T5, network)
    assert torch.equal(theirs.prepare_decoder_input_ids_from_labels(TARGETS), GIVEN)
    close(network(GIVEN, source=SOURCE), theirs(input_ids=SOURCE, labels=TARGETS).logits)


def test_the_published_sizes_of_v1_1_come_back() -> None:
    """google/t5-v1_1-xl's config.json, as it stands there."""
    said = {
        "architectures": ["T5ForConditionalGeneration"], "d_ff": 5120, "d_kv": 64, "d_model": 2048, "decoder_start_token_id": 0,
        "dropout_rate": 0.1, "eos_token_id": 1, "feed_forward_proj": "gated-gelu", "initializer_factor": 1.0,
        "is_encoder_decoder": True, "layer_norm_epsilon": 1e-06, "model_type": "t5", "num_decoder_layers": 24, "num_heads": 32,
        "num_layers": 24, "output_past": True, "pad_token_id": 0, "relative_attention_num_buckets": 32, "tie_word_embeddings": False,
        "use_cache": True, "vocab_size": 32128,
    }  # fmt: skip
    config = T5.parse(said)
    with torch.device("meta"):
        theirs = transformers.T5ForConditionalGeneration(transformers.T5Config(**said))
    head = config.vocabulary * config.width  # transformers 5 ties it until it reads a checkpoint that does not
    assert config.parameter_count() == sum(tensor.numel() for tensor in theirs.parameters()) + head == 2_849_757_184
    assert not config.tied
    assert T5.mismatch(config) is None


def test_another_feed_forward_part_is_refused() -> None:
    with pytest.raises(HeadwaterError, match="'gated-tanh'"):
        T5.parse({**T5.config(t5(**FIRST)), "feed_forward_proj": "gated-tanh"})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({**FIRST, "tied": False}, "head.scale"),
        ({**FIRST, "head": {"kind": "lm"}}, "head.scale"),
        ({**FIRST, "positions": {"kind": "t5", "buckets": 12, "max_distance": 20, "per_layer": True}}, "positions.per_layer"),
        ({**FIRST, "attention_scale": None}, "attention_scale"),
        ({**FIRST, "feed_forward": {"kind": "glu"}}, "feed_forward.kind"),
        ({**V1_1, "feed_forward": {"kind": "geglu", "approximate": "none"}}, "feed_forward.approximate"),
        ({**FIRST, "kv_heads": 2}, "kv_heads"),
        ({**FIRST, "biases": True}, "biases.queries"),
        ({**FIRST, "positions": {"kind": "alibi"}}, "positions.kind"),
    ],
)
def test_what_it_cannot_say(changes: dict[str, Any], reason: str) -> None:
    assert f"has {reason} " in str(T5.mismatch(t5(**changes)))
