"""BERT against transformers: every head, types, padding; logits and the gradient of every parameter; both ways of the checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from headwater.core.errors import HeadwaterError
from headwater.model.config import ModelConfig
from headwater.model.families import family_of
from headwater.model.families.bert import BERT
from headwater.model.families.family import store
from headwater.model.importing import open_checkpoint
from headwater.tokens.batch import Inputs
from headwater.tokens.masks import documents, full
from tests.oracles.pair import back, close, draw, opened, padded, same_gradients, same_network, shaken

transformers: Any = pytest.importorskip("transformers")
pytestmark = pytest.mark.oracle

REAL = padded([9, 14, 11], 14)
TOKENS = draw((3, 14), 60).masked_fill(~REAL, 1)
TYPES = (torch.arange(14)[None] >= torch.tensor([4, 9, 6])[:, None]).long()
INPUTS = Inputs(TOKENS, segments_BT=REAL.long(), mask=full() & documents(), types_BT=TYPES)


def bert(head: dict[str, Any], **changes: Any) -> ModelConfig:
    base: dict[str, Any] = {
        "kind": "encoder", "layers": 3, "width": 32, "heads": 4, "context": 20, "vocab_size": 60, "biases": True,
        "feed_forward": {"kind": "gelu", "approximate": "none", "width": 50}, "norm": {"kind": "layer", "place": "post", "eps": 1e-12},
        "positions": {"kind": "learned"}, "embedding": {"norm": True, "types": 2}, "init": {"std": 0.2}, "head": head,
    }  # fmt: skip
    return ModelConfig.model_validate({**base, **changes})


def their_outputs(theirs: Any) -> Any:
    return theirs(input_ids=TOKENS, attention_mask=REAL.long(), token_type_ids=TYPES)


def test_masked_language_and_next_sentence(tmp_path: Path) -> None:
    network = shaken(bert({"kind": "mlm", "next_sentence": True}))
    theirs = opened(tmp_path, transformers, BERT, network)
    assert type(theirs).__name__ == "BertForPreTraining"
    x_BTD = network.hidden(INPUTS)
    logits, follows, said = network.head(x_BTD, REAL), network.follows(x_BTD), their_outputs(theirs)
    close(logits, said.prediction_logits, REAL)
    close(follows, said.seq_relationship_logits)
    targets, next_B = draw((3, 14), 60, seed=1), torch.tensor([0, 1, 1])
    losses = [
        torch.nn.functional.cross_entropy(a[REAL], targets[REAL]) + torch.nn.functional.cross_entropy(b, next_B)
        for a, b in ((logits, follows), (said.prediction_logits, said.seq_relationship_logits))
    ]
    same_gradients(BERT, network, losses[0], theirs, losses[1])
    same_network(network, back(tmp_path, theirs, BERT))


@pytest.mark.parametrize(
    ("head", "name", "at"),
    [
        ({"kind": "mlm"}, "BertForMaskedLM", REAL),
        ({"kind": "classes", "classes": 5}, "BertForSequenceClassification", None),
        ({"kind": "classes", "classes": 1}, "BertForSequenceClassification", None),
        ({"kind": "tags", "classes": 7}, "BertForTokenClassification", REAL),
        ({"kind": "span"}, "BertForQuestionAnswering", REAL),
    ],
)
def test_every_head(tmp_path: Path, head: dict[str, Any], name: str, at: torch.Tensor | None) -> None:
    network = shaken(bert(head), seed=3)
    theirs = opened(tmp_path, transformers, BERT, network)
    assert type(theirs).__name__ == name
    said = their_outputs(theirs)
    logits = torch.stack((said.start_logits, said.end_logits), -1) if head["kind"] == "span" else said.logits
    ours = network(INPUTS)
    close(ours, logits, at)
    probe = torch.randn(ours.shape, generator=torch.Generator().manual_seed(5)) * (1.0 if at is None else at[..., None])
    # Any loss will do: this one weighs every output by another number, its square keeps biases from having the same gradient.
    same_gradients(BERT, network, (probe * ours**2).mean(), theirs, (probe * logits**2).mean())
    same_network(network, back(tmp_path, theirs, BERT))
    assert family_of(network.config) is BERT


def test_types_and_positions_default_to_theirs(tmp_path: Path) -> None:
    network = shaken(bert({"kind": "mlm"}))
    theirs = opened(tmp_path, transformers, BERT, network)
    tokens = draw((2, 10), 60, seed=2)
    close(network(tokens), theirs(input_ids=tokens).logits)


def test_googles_first_checkpoints_are_read(tmp_path: Path) -> None:
    """bert-base-uncased keeps TensorFlow's names of norms, its pooler, its other head, and the tied matrix once more."""
    network = shaken(bert({"kind": "mlm"}))
    config = network.config
    kept = store(BERT.tensors(config), network.state_dict())
    kept = {name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): kept[name] for name in kept}
    kept["cls.predictions.decoder.weight"] = kept["bert.embeddings.word_embeddings.weight"].clone()
    kept |= {"bert.pooler.dense.weight": torch.zeros(32, 32), "bert.pooler.dense.bias": torch.zeros(32)}
    kept |= {"cls.seq_relationship.weight": torch.zeros(2, 32), "cls.seq_relationship.bias": torch.zeros(2)}
    kept["bert.embeddings.position_ids"] = torch.arange(20)[None]
    save_file(kept, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(BERT.config(config)))
    found = open_checkpoint(tmp_path)
    assert found.config == BERT.parse(BERT.config(config))
    assert found.names["bert.embeddings.LayerNorm.weight"] == "bert.embeddings.LayerNorm.gamma"
    assert found.names.keys() == {entry.name for entry in BERT.tensors(config)}


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_act": "gelu_new"},
        {"position_embedding_type": "relative_key"},
        {"is_decoder": True},
        {"tie_word_embeddings": False},
        {"architectures": ["BertForMultipleChoice"]},
    ],
)
def test_another_network_is_refused(change: dict[str, Any]) -> None:
    said = BERT.config(bert({"kind": "mlm"}))
    BERT.parse(said)
    with pytest.raises(HeadwaterError, match=r"gelu_new|relative_key|True|False|BertForMultipleChoice"):
        BERT.parse({**said, **change})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"norm": {"kind": "layer", "place": "pre", "eps": 1e-12}}, "norm.place"),
        ({"norm": {"kind": "layer", "place": "post", "final": True}}, "norm.final"),
        ({"feed_forward": {"kind": "gelu", "approximate": "tanh"}}, "feed_forward.approximate"),
        ({"biases": False}, "biases.queries"),
        ({"tied": False}, "tied"),
        ({"embedding": {"types": 2}}, "embedding.norm"),
        ({"embedding": {"norm": True}}, "embedding.types"),
        ({"head_width": 4}, "head_width"),
        ({"head": {"kind": "classes", "pool": "mean"}}, "head.pool"),
        ({"head": {"kind": "classes", "hidden": False}}, "head.hidden"),
        ({"head": {"kind": "scalar"}}, "head.kind"),
    ],
)
def test_what_it_cannot_say(changes: dict[str, Any], reason: str) -> None:
    said = BERT.mismatch(bert(changes.get("head", {"kind": "mlm"}), **{key: value for key, value in changes.items() if key != "head"}))
    assert said is not None
    assert f"has {reason} " in said
