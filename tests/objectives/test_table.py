"""Every architecture with every objective: what fits learns, what does not is refused with the reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from headwater.core.errors import HeadwaterError
from headwater.model.config import ModelConfig
from headwater.objectives.build import build, check
from headwater.objectives.rows import make
from headwater.objectives.seq2seq import PairData, PairRows
from headwater.objectives.specials import Specials
from headwater.objectives.table import REFUSED, architecture
from headwater.tokens.batch import Batch
from headwater.tokens.tokenizer import Tokenizer
from headwater.training.loss import Loss, mean_loss
from headwater.training.loss_config import LossConfig
from tests.objectives.conftest import config, streams

CLASSIC: dict[str, Any] = {"norm": {"kind": "layer"}, "feed_forward": {"kind": "gelu"}, "positions": {"kind": "learned"}, "biases": True}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "decoder": {},
    "decoder-glm": {**CLASSIC, "norm": {"kind": "layer", "place": "deep"}, "positions": {"kind": "glm"}},
    "decoder-future": {"head": {"kind": "lm", "future": 2}},
    "decoder-moe": {"feed_forward": {"kind": "moe", "experts": 4, "expert": {"kind": "swiglu", "width": 32}}},
    "lstm": {"mixer": {"kind": "lstm"}, "positions": {"kind": "none"}},
    "convolution": {"mixer": {"kind": "convolution"}, "positions": {"kind": "none"}},
    "encoder": {**CLASSIC, "kind": "encoder", "norm": {"kind": "layer", "place": "post"}, "head": {"kind": "mlm"}},
    "encoder-nsp": {**CLASSIC, "kind": "encoder", "head": {"kind": "mlm", "next_sentence": True}, "embedding": {"types": 2}},
    "encoder-decoder": {"kind": "encoder-decoder", "positions": {"kind": "t5"}},
}
OBJECTIVES: dict[str, dict[str, Any]] = {
    **{kind: {"kind": kind} for kind in REFUSED},
    "masked-nsp": {"kind": "masked", "next_sentence": True},
    "mixture": {"kind": "mixture", "of": [{"objective": {"kind": "causal"}}, {"objective": {"kind": "fim"}, "weight": 0.5}]},
    "mixture-written": {"kind": "mixture", "of": [{"objective": {"kind": "span"}}, {"objective": {"kind": "prefix"}}]},
}

ONE_STACK = {"causal", "prefix", "span", "denoise", "ul2", "glm", "fim", "seq2seq", "mixture", "mixture-written"}
LEARNS: dict[str, set[str]] = {
    "decoder": ONE_STACK,
    "decoder-glm": {"glm"},
    "decoder-future": {"multi_token"},
    "decoder-moe": ONE_STACK,
    "lstm": {"causal", "fim", "mixture"},
    "convolution": {"causal", "fim", "mixture"},
    "encoder": {"masked"},
    "encoder-nsp": {"masked-nsp"},
    "encoder-decoder": {"prefix", "span", "denoise", "ul2", "seq2seq", "mixture-written"},
}
PAIRS = [(shape, objective) for shape in ARCHITECTURES for objective in OBJECTIVES]
VALID = [pair for pair in PAIRS if pair[1] in LEARNS[pair[0]]]
INVALID = [pair for pair in PAIRS if pair[1] not in LEARNS[pair[0]]]


def shape_of(name: str, vocab_size: int = 400) -> ModelConfig:
    base = {"layers": 2, "width": 32, "heads": 2, "context": 48, "vocab_size": vocab_size, "init": {"std": 0.05}}
    return ModelConfig.model_validate({**base, **ARCHITECTURES[name]})


def text(tokenizer: Tokenizer) -> np.ndarray[Any, Any]:
    """Short documents of a few words, each closed by the end token."""
    words = ["river ", "stone ", "light ", "water. ", "song "]
    draw = np.random.default_rng(0)
    ids: list[int] = []
    while len(ids) < 6000:
        ids += [*tokenizer.encode("".join(draw.choice(words, 12))), tokenizer.special("end")]
    return np.array(ids)


def batches(objective: str, shape: ModelConfig, tokenizer: Tokenizer) -> list[Batch]:
    """One to measure by, and 20 to learn from."""
    asked = config(**OBJECTIVES[objective])
    ids = text(tokenizer)
    draw = np.random.default_rng(1)
    if objective == "seq2seq":
        pieces = [ids[start : start + 10].tolist() for start in draw.integers(0, 5000, 200)]
        how = PairRows.of(asked, shape, Specials.of(tokenizer))
        data = PairData([(piece, piece[:6]) for piece in pieces], [str(n) for n in range(200)], how, lambda step: (8 * step, 8), seed=0)
        return [data.batch(step) for step in range(21)]
    made = build(asked, shape, tokenizer)
    found = []
    for step in range(21):
        starts = draw.integers(0, len(ids) - made.raw - 1, (8, made.windows))
        texts = [[ids[start : start + made.raw + 1] for start in row] for row in starts]
        found.append(make(made, texts, streams(range(8 * step, 8 * step + 8))))
    return found


@pytest.mark.parametrize(("name", "objective"), VALID, ids=["-with-".join(pair) for pair in VALID])
def test_what_fits_learns_in_20_steps(name: str, objective: str, byte_tokenizer: Tokenizer) -> None:
    shape = shape_of(name, byte_tokenizer.vocab_size)
    network = shape.build(0)
    held, *lessons = batches(objective, shape, byte_tokenizer)
    optimizer, loss = torch.optim.AdamW(network.parameters(), lr=1e-2), Loss(LossConfig())
    before = mean_loss(network.eval(), [held])
    network.train()
    for batch in lessons:
        optimizer.zero_grad()
        (loss(network, batch) / batch.weight).backward()
        assert all(parameter.grad is not None for parameter in network.parameters()), "a part that learns nothing"
        optimizer.step()
    after = mean_loss(network.eval(), [held])
    assert after < 0.8 * before


@pytest.mark.parametrize(("name", "objective"), INVALID, ids=["-with-".join(pair) for pair in INVALID])
def test_what_does_not_fit_is_refused_with_the_reason(name: str, objective: str) -> None:
    shape, asked = shape_of(name), config(**OBJECTIVES[objective])
    reason = asked.fits(shape)
    assert reason is not None and 20 < len(reason) < 160 and "\n" not in reason
    mends = ("use ", "set ", "leave ")
    assert any(mend in reason for mend in mends) or "through a head of kind" in reason
    with pytest.raises(HeadwaterError, match="cannot learn"):
        check(asked, shape)


def test_architectures() -> None:
    kinds = {name: architecture(shape_of(name)) for name in ARCHITECTURES}
    assert kinds["lstm"] == kinds["convolution"] == "recurrent" and kinds["encoder-nsp"] == "encoder"
    assert kinds["encoder-decoder"] == "encoder-decoder" and kinds["decoder-moe"] == "decoder"
