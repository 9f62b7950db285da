"""RoBERTa against transformers: its head and its positions from 2, with padding; logits, gradients, both ways of the checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch

from headwater.core.errors import HeadwaterError
from headwater.model.config import ModelConfig
from headwater.model.directory import save
from headwater.model.families import family_of
from headwater.model.families.roberta import ROBERTA
from headwater.tokens.batch import Inputs
from headwater.tokens.config import File
from headwater.tokens.masks import documents, full
from headwater.tokens.tokenizer import train
from tests.oracles.pair import PAD, back, close, cross_entropy, draw, opened, padded, same_gradients, same_network, shaken

transformers: Any = pytest.importorskip("transformers")
pytestmark = pytest.mark.oracle

REAL = padded([9, 14, 11], 14)
TOKENS = draw((3, 14), 60).masked_fill(~REAL, PAD)
INPUTS = Inputs(TOKENS, segments_BT=REAL.long(), mask=full() & documents())


def roberta(head: dict[str, Any], **changes: Any) -> ModelConfig:
    base: dict[str, Any] = {
        "kind": "encoder", "layers": 2, "width": 32, "heads": 4, "context": 14, "vocab_size": 60, "biases": True,
        "feed_forward": {"kind": "gelu", "approximate": "none", "width": 50}, "norm": {"kind": "layer", "place": "post"},
        "positions": {"kind": "learned"}, "embedding": {"norm": True, "types": 1}, "init": {"std": 0.2}, "head": head,
    }  # fmt: skip
    return ModelConfig.model_validate({**base, **changes})


@pytest.mark.parametrize(
    ("head", "name", "at"),
    [
        ({"kind": "mlm"}, "RobertaForMaskedLM", REAL),
        ({"kind": "classes", "classes": 4}, "RobertaForSequenceClassification", None),
        ({"kind": "tags", "classes": 7}, "RobertaForTokenClassification", REAL),
        ({"kind": "span"}, "RobertaForQuestionAnswering", REAL),
    ],
)
def test_every_head(tmp_path: Path, head: dict[str, Any], name: str, at: torch.Tensor | None) -> None:
    network = shaken(roberta(head))
    assert family_of(network.config) is ROBERTA
    theirs = opened(tmp_path, transformers, ROBERTA, network)
    assert type(theirs).__name__ == name
    said = theirs(input_ids=TOKENS, attention_mask=REAL.long())
    logits = torch.stack((said.start_logits, said.end_logits), -1) if head["kind"] == "span" else said.logits
    ours = network(INPUTS)
    close(ours, logits, at)
    if head["kind"] == "mlm":
        targets = draw((3, 14), 60, seed=1)
        losses = [cross_entropy(out, targets, REAL) for out in (ours, logits)]
    else:
        probe = torch.randn(ours.shape, generator=torch.Generator().manual_seed(5)) * (1.0 if at is None else at[..., None])
        losses = [(probe * out**2).mean() for out in (ours, logits)]
    same_gradients(ROBERTA, network, losses[0], theirs, losses[1])
    same_network(network, back(tmp_path, theirs, ROBERTA))


def test_its_positions_fill_the_whole_context(tmp_path: Path) -> None:
    network = shaken(roberta({"kind": "mlm"}))
    theirs = opened(tmp_path, transformers, ROBERTA, network)
    tokens = draw((2, 14), 60, seed=2)
    close(network(tokens), theirs(input_ids=tokens).logits)
    assert theirs.config.max_position_embeddings == 16


def test_one_that_pads_otherwise_is_refused() -> None:
    said = ROBERTA.config(roberta({"kind": "mlm"}))
    with pytest.raises(HeadwaterError, match="pads with token 0"):
        ROBERTA.parse({**said, "pad_token_id": 0})
    with pytest.raises(HeadwaterError, match="RobertaForCausalLM"):
        ROBERTA.parse({**said, "architectures": ["RobertaForCausalLM"]})


@pytest.mark.parametrize(("tokens", "name"), [(["<end>", "<pad>"], "RobertaForMaskedLM"), (["<pad>", "<end>"], "BertForMaskedLM")])
def test_with_another_padding_it_is_kept_as_a_bert(tmp_path: Path, tokens: list[str], name: str) -> None:
    """transformers counts RoBERTa's positions from its padding token, so that any but token 1 would move them all."""
    words = {token: id for id, token in enumerate([*tokens, "[UNK]", *(f"w{number}" for number in range(40))])}
    tokenizers.Tokenizer(tokenizers.models.WordLevel(words, "[UNK]")).save(str(tmp_path / "words.json"))
    tokenizer = train(File(path=str(tmp_path / "words.json"), names={"end": "<end>", "pad": "<pad>"}), [])
    network = shaken(roberta({"kind": "mlm"}, vocab_size=tokenizer.vocab_size))
    save(tmp_path / "model", network, network.config, tokenizer)
    theirs = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "model").eval()
    assert type(theirs).__name__ == name
    assert theirs.config.pad_token_id == tokenizer.special("pad")
    read = draw((2, 12), 40, seed=2)
    close(network(read), theirs(input_ids=read).logits)


@pytest.mark.parametrize("head", [{"kind": "mlm", "next_sentence": True}, {"kind": "embedding"}])
def test_what_it_cannot_say(head: dict[str, Any]) -> None:
    assert "head." in str(ROBERTA.mismatch(roberta(head)))
    assert "embedding.types" in str(ROBERTA.mismatch(roberta({"kind": "mlm"}, embedding={"norm": True, "types": 2})))
