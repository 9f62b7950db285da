"""The loss against torch's own formulas on all logits at once, in value and gradient; the same for any micro-batches."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch.nn import functional

from headwater.model.config import ModelConfig
from headwater.model.network import Network
from headwater.tokens.batch import Batch, Inputs
from headwater.tokens.masks import causal, full
from headwater.training import loss as module
from headwater.training.loss import Loss, follows_rate, mean_loss, token_loss
from headwater.training.loss_config import LossConfig
from headwater.training.precision import autocast

V, T, B = 50, 12, 6
MASKED: dict[str, Any] = {"kind": "encoder", "head": {"kind": "mlm"}, "norm": {"kind": "layer"}, "biases": True}
MOE: dict[str, Any] = {"feed_forward": {"kind": "moe", "experts": 4, "expert": {"kind": "swiglu", "width": 16}}}
HEADS: dict[str, dict[str, Any]] = {
    "tied": {},
    "untied with bias": {"tied": False, "biases": {"head": True}},
    "scaled and bent": {"head": {"kind": "lm", "scale": "width", "softcap": 5.0}},
    "narrow table": {"embedding": {"width": 8}},
    "masked": MASKED,
    "masked with BatchNorm": {**MASKED, "norm": {"kind": "batch"}},
    "tags": {"kind": "encoder", "head": {"kind": "tags", "classes": 7}},
}


def shape(**changes: Any) -> ModelConfig:
    return ModelConfig.model_validate(
        {"layers": 2, "width": 24, "heads": 2, "context": T, "vocab_size": V, "init": {"std": 0.3}, **changes}
    )


def batch_for(config: ModelConfig, learned: float = 1.0) -> Batch:
    draw = torch.Generator().manual_seed(0)
    classes = config.head.classes if config.head.kind == "tags" else V
    tokens_BT, targets_BT = torch.randint(0, V, (B, T), generator=draw), torch.randint(0, classes, (B, T), generator=draw)
    weights_BT = (torch.rand(B, T, generator=draw) < learned) * torch.rand(B, T, generator=draw)
    return Batch(Inputs(tokens_BT, mask=full() if config.kind == "encoder" else causal()), targets_BT, weights_BT)


def gradients(network: Network) -> dict[str, torch.Tensor]:
    found = {name: parameter.grad.clone() for name, parameter in network.named_parameters() if parameter.grad is not None}
    network.zero_grad()
    return found


def plainly(network: Network, batch: Batch, terms: LossConfig) -> torch.Tensor:
    """All logits at once, by torch's formulas."""
    logits_NV = network(batch.inputs, source=batch.source).flatten(0, 1)
    nats_N = functional.cross_entropy(logits_NV, batch.targets_BT.flatten(), reduction="none", label_smoothing=terms.label_smoothing)
    nats_N = nats_N + terms.z_loss * logits_NV.logsumexp(-1) ** 2
    return (nats_N * batch.weights_BT.flatten()).sum()


@pytest.mark.parametrize("learned", [1.0, 0.15])
@pytest.mark.parametrize(
    "terms", [LossConfig(), LossConfig(z_loss=0.1), LossConfig(label_smoothing=0.1, z_loss=0.03)], ids=["plain", "z", "both"]
)
@pytest.mark.parametrize("head", HEADS)
def test_value_and_gradient_are_torchs(head: str, terms: LossConfig, learned: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 5 * V)  # several pieces, the last one shorter
    config = shape(**HEADS[head])
    network, batch = config.build(0).train(), batch_for(config, learned)
    ours = Loss(terms)(network, batch)
    (ours / 7).backward()
    found = gradients(network)
    theirs = plainly(network, batch, terms)
    (theirs / 7).backward()
    expected = gradients(network)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    for name, gradient in expected.items():
        assert torch.allclose(found.get(name, torch.zeros_like(gradient)), gradient, rtol=1e-4, atol=1e-5), name
    with torch.no_grad():
        assert Loss(terms)(network.eval(), batch).item() == pytest.approx(plainly(network, batch, LossConfig()).item(), rel=1e-5)


def test_frozen_parts_are_left_alone() -> None:
    config = shape(tied=False)
    network, batch = config.build(0), batch_for(config)
    network.output.requires_grad_(False)
    token_loss(network, batch).backward()
    found = gradients(network)
    assert not any(name.startswith("output.") for name in found) and "embedding.tokens.weight" in found
    network.requires_grad_(False)
    network.output.requires_grad_(True)
    token_loss(network, batch).backward()
    assert {name.split(".")[0] for name in gradients(network)} == {"output"}


def test_under_bf16_as_torch_under_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 10 * V)
    config = shape()
    network, batch = config.build(0).train(), batch_for(config)
    with autocast("bf16", torch.device("cpu")):
        ours = token_loss(network, batch)
    ours.backward()
    found = gradients(network)
    with autocast("bf16", torch.device("cpu")):
        theirs = plainly(network, batch, LossConfig())
    theirs.backward()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-3)
    for name, gradient in gradients(network).items():
        assert (found[name] - gradient).norm() <= 0.02 * gradient.norm(), name


def test_nothing_learned_is_a_zero_with_gradients() -> None:
    config = shape()
    network, batch = config.build(0).train(), batch_for(config, learned=0.0)
    total = token_loss(network, batch)
    total.backward()
    assert total.item() == 0 and all(not gradient.any() for gradient in gradients(network).values())


def test_a_row_of_nan_weights_gives_nan() -> None:
    """The guard must see it."""
    batch = batch_for(shape())
    assert token_loss(shape().build(0).train(), dataclasses.replace(batch, weights_BT=batch.weights_BT * torch.nan)).isnan()


def test_few_learned_positions_are_all_that_the_head_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    config = shape()
    network, seen = config.build(0).train(), []
    head = network.output.products
    monkeypatch.setattr(network.output, "products", lambda x, table, real=None: seen.append(x.shape[1]) or head(x, table, real))
    few, most = batch_for(config, 0.15), batch_for(config, 0.9)
    token_loss(network, few)
    token_loss(network, most)
    assert seen == [int((few.weights_BT != 0).sum()), B * T]


def labelled(kind: str) -> tuple[ModelConfig, Batch]:
    """A batch of each kind that carries more than tokens."""
    changes: dict[str, dict[str, Any]] = {
        "tokens": {},
        "future": {"head": {"kind": "lm", "future": 2}},
        "next sentence": {**MASKED, "head": {"kind": "mlm", "next_sentence": True}, "embedding": {"types": 2}},
        "classes": {"kind": "encoder", "head": {"kind": "classes", "classes": 3}},
        "value": {"kind": "encoder", "head": {"kind": "classes", "classes": 1, "pool": "mean"}},
        "span": {"kind": "encoder", "head": {"kind": "span"}},
        "source": {"kind": "encoder-decoder"},
    }
    config = shape(**changes[kind])
    batch = batch_for(config, 0.3 if kind == "next sentence" else 0.8)
    draw = torch.Generator().manual_seed(1)
    if kind == "future":
        ahead = torch.randint(0, V, (B, T, 2), generator=draw), torch.rand(B, T, 2, generator=draw)
        batch = dataclasses.replace(batch, ahead_BTF=ahead[0], ahead_weights_BTF=ahead[1])
    elif kind == "source":
        batch = dataclasses.replace(batch, source=Inputs(torch.randint(0, V, (B, T), generator=draw), mask=full()))
    elif kind != "tokens":
        labels = {
            "next sentence": torch.randint(0, 2, (B,), generator=draw),
            "classes": torch.randint(0, 3, (B,), generator=draw),
            "value": torch.randn(B, generator=draw),
            "span": torch.randint(0, T, (B, 2), generator=draw),
        }[kind]
        weights = batch.weights_BT if kind == "next sentence" else torch.zeros(B, T)
        batch = dataclasses.replace(batch, labels=labels, label_weight=2.5, weights_BT=weights)
    return config, batch


@pytest.mark.parametrize("kind", ["tokens", "future", "next sentence", "classes", "value", "span", "source"])
def test_any_micro_batches_give_the_same_gradient(kind: str) -> None:
    config, batch = labelled(kind)
    network, loss = config.build(0).train(), Loss(LossConfig(z_loss=1e-2, label_smoothing=0.1))
    totals, found = [], []
    for rows in (B, 4, 1):
        total = 0.0
        for micro in batch.micro(rows):
            part = loss(network, micro) / batch.weight
            part.backward()
            total += part.detach().item()
        totals.append(total)
        found.append(gradients(network))
    assert totals[1] == pytest.approx(totals[0], rel=1e-5) and totals[2] == pytest.approx(totals[0], rel=1e-5)
    for other in found[1:]:
        for name, gradient in found[0].items():
            assert torch.allclose(other[name], gradient, rtol=1e-3, atol=1e-6), name


def test_multi_token_is_the_mean_over_futures() -> None:
    config, batch = labelled("future")
    network = config.build(0).train()
    assert batch.ahead_BTF is not None and batch.ahead_weights_BTF is not None
    x_BTD = network.hidden(batch.inputs)
    expected = plainly(network, batch, LossConfig()).item()
    ahead = 0.0
    for place, logits in enumerate(network.future(x_BTD, batch.inputs)):
        nats = functional.cross_entropy(logits.flatten(0, 1), batch.ahead_BTF[..., place].flatten(), reduction="none")
        ahead += ((nats * batch.ahead_weights_BTF[..., place].flatten()).sum()).item() / 2
    assert Loss(LossConfig())(network, batch).item() == pytest.approx(expected + ahead, rel=1e-5)
    assert Loss(LossConfig(future=0.3))(network, batch).item() == pytest.approx(expected + 0.3 * ahead, rel=1e-5)
    assert Loss(LossConfig())(network.eval(), batch).item() == pytest.approx(expected, rel=1e-5), "held-out figures are of the next token"


def test_next_sentence_is_berts_sum_of_two_means() -> None:
    config, batch = labelled("next sentence")
    network = config.build(0).eval()
    weight = batch.weights_BT.sum().item()
    batch = dataclasses.replace(batch, label_weight=weight / B)
    assert batch.labels is not None
    follows = functional.cross_entropy(network.follows(network.hidden(batch.inputs)), batch.labels)
    expected = plainly(network, batch, LossConfig()).item() / weight + follows.item()
    assert token_loss(network, batch).item() / batch.weight == pytest.approx(expected, rel=1e-5)


def test_held_out_figures_of_next_sentence_are_apart() -> None:
    config, batch = labelled("next sentence")
    network = config.build(0).eval()
    without = dataclasses.replace(batch, labels=None)
    assert mean_loss(network, [batch]) == mean_loss(network, [without]) < token_loss(network, batch).item() / batch.weight
    assert batch.labels is not None
    said = network.follows(network.hidden(batch.inputs)).argmax(-1)
    told = dataclasses.replace(batch, labels=torch.cat([said[:2], 1 - said[2:]]))
    assert follows_rate(network, [told, told]) == pytest.approx(2 / B)
    assert follows_rate(shape().build(0).eval(), [without]) is None


def test_losses_of_labels() -> None:
    config, batch = labelled("classes")
    network = config.build(0).eval()
    assert batch.labels is not None
    expected = functional.cross_entropy(network(batch.inputs), batch.labels)
    assert token_loss(network, batch).item() / batch.weight == pytest.approx(expected.item(), rel=1e-5)
    config, batch = labelled("value")
    network = config.build(0).eval()
    assert batch.labels is not None
    expected = functional.mse_loss(network(batch.inputs)[:, 0], batch.labels)
    assert token_loss(network, batch).item() / batch.weight == pytest.approx(expected.item(), rel=1e-5)


def test_an_answers_first_and_last_token_are_looked_for_among_real_ones() -> None:
    config, batch = labelled("span")
    network = config.build(0).eval()
    segments_BT = torch.ones(B, T, dtype=torch.long)
    segments_BT[:, 8:] = 0
    labels = torch.tensor([[1, 3]] * B)
    batch = dataclasses.replace(batch, inputs=dataclasses.replace(batch.inputs, segments_BT=segments_BT), labels=labels)
    logits_BT2 = network(batch.inputs)[:, :8]
    expected = (functional.cross_entropy(logits_BT2[..., 0], labels[:, 0]) + functional.cross_entropy(logits_BT2[..., 1], labels[:, 1])) / 2
    assert token_loss(network, batch).item() / batch.weight == pytest.approx(expected.item(), rel=1e-5)


def test_losses_of_routers_count_once_and_only_in_training() -> None:
    config = shape(**MOE)
    network, batch = config.build(0), batch_for(config)
    told = []
    loss = Loss(LossConfig(), tell=told.append)
    plain = loss(network.eval(), batch).item()
    assert not told and plain == pytest.approx(plainly(network, batch, LossConfig()).item(), rel=1e-5)
    trained = loss(network.train(), batch).item()
    (notes,) = told
    assert trained == pytest.approx(plain + notes.loss.item() * batch.weight, rel=1e-5) and notes.loss.item() > 0
    parts = [loss(network, micro).item() for micro in batch.micro(2)]
    expected = plain + sum(each.loss.item() * micro.weight for each, micro in zip(told[1:], batch.micro(2), strict=True))
    assert sum(parts) == pytest.approx(expected, rel=1e-5), "each pass by its share of the batch"


def test_mean_loss_is_per_target() -> None:
    config = shape()
    network = config.build(0).eval()
    one, two = batch_for(config, 0.9), batch_for(config, 0.2)
    expected = (plainly(network, one, LossConfig()) + plainly(network, two, LossConfig())) / (one.weight + two.weight)
    assert mean_loss(network, [one, two]) == pytest.approx(expected.item(), rel=1e-5)
    with pytest.raises(AssertionError, match="eval"):
        mean_loss(network.train(), [one])
