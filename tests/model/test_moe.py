from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from headwater.model.moe import Experts, rebalance, router_losses
from headwater.model.notes import Notes
from headwater.model.parts import MoE
from headwater.objectives.rows import Layout, Row, lay
from headwater.tokens.batch import Inputs
from tests.model.conftest import tiny

GPT2_BIASES = {"queries": True, "out": True, "feed_forward": True}


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def experts(seed: int = 0, width: int = 16, biases: Any = False, **changes: Any) -> Experts:
    """Experts whose weights are large enough for an error to show."""
    config = tiny(width=width, heads=2, kv_heads=1, biases=biases, feed_forward={"kind": "moe", "expert": {"width": 24}, **changes})
    part = Experts(config, config.feed_forward, "layer 0")
    with torch.no_grad():
        for number, tensor in enumerate(part.parameters()):
            tensor.copy_(0.4 * draw(*tensor.shape, seed=100 * seed + number))
        if part.balance is not None:
            part.balance.copy_(0.3 * draw(len(part.balance), seed=seed + 7))
    return part.eval()


def one_by_one(part: Experts, x_BTD: torch.Tensor) -> torch.Tensor:
    """Every token through its own experts, as the papers' equations have it; no room, no padding."""
    config, rows = part.part, []
    for x_D in x_BTD.flatten(0, 1):
        logits_E = part.router.weight @ x_D
        scores_E = logits_E.softmax(0) if config.scores == "softmax" else 1 / (1 + torch.exp(-logits_E))
        preferred = scores_E if part.balance is None else scores_E + part.balance
        chosen = sorted(range(config.experts), key=lambda e, preferred=preferred: -preferred[e].item())[: config.top_k]
        total = sum(scores_E[e] for e in chosen) if config.renormalise else 1.0
        y_D = torch.zeros_like(x_D)
        for e in chosen:
            up = part.up[e] @ x_D + (0 if part.up_bias is None else part.up_bias[e])
            gated = None if part.gate is None else part.gate[e] @ x_D + (0 if part.gate_bias is None else part.gate_bias[e])
            h = part.f(up) if gated is None else part.f(gated) * up
            y_D = y_D + config.scale * scores_E[e] / total * (part.down[e] @ h + (0 if part.down_bias is None else part.down_bias[e]))
        rows.append(y_D if part.shared is None else y_D + part.shared(x_D))
    return torch.stack(rows).view(x_BTD.shape)


VARIANTS: dict[str, dict[str, Any]] = {
    "mixtral": {},
    "switch": {"top_k": 1, "renormalise": False, "expert": {"kind": "relu", "width": 20}},
    "glam": {"experts": 5, "expert": {"kind": "geglu", "width": 20}, "biases": GPT2_BIASES},
    "gelu with biases": {"expert": {"kind": "gelu", "width": 20}, "biases": GPT2_BIASES},
    "deepseek": {"experts": 12, "top_k": 3, "shared": 2, "renormalise": False, "scale": 1.7},
    "deepseek-v3": {"experts": 12, "top_k": 4, "shared": 1, "scores": "sigmoid", "balance_rate": 0.001, "scale": 2.5},
    "all of them": {"experts": 3, "top_k": 3},
}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS.keys())
def test_each_token_goes_through_its_own_experts(variant: dict[str, Any]) -> None:
    part, x = experts(**variant), draw(2, 9, 16, seed=1).requires_grad_()
    ours, theirs = part(x), one_by_one(part, x)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    weighed, learned = draw(2, 9, 16, seed=2), [x, *part.parameters()]
    for one, other in zip(
        torch.autograd.grad((ours * weighed).sum(), learned),
        torch.autograd.grad((theirs * weighed).sum(), learned, allow_unused=True),
        strict=True,
    ):
        torch.testing.assert_close(one, torch.zeros_like(one) if other is None else other, atol=2e-5, rtol=1e-4)


def compare(ours: Experts, theirs: torch.nn.Module, names: dict[str, torch.Tensor | None], x: torch.Tensor) -> None:
    """Output, gradient of x and gradient of every matrix; `names` pairs our parameters with their gradients' source."""
    out, expected = ours(x), theirs(x)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
    weighed = draw(*x.shape, seed=5)
    mine = dict(ours.named_parameters())
    grads = torch.autograd.grad((out * weighed).sum(), [x, *(mine[name] for name in names)])
    (expected * weighed).sum().backward()
    torch.testing.assert_close(grads[0], x.grad, atol=2e-5, rtol=1e-4)
    given = dict(theirs.named_parameters())
    for (name, where), grad in zip(names.items(), grads[1:], strict=True):
        path, _, half = where.partition("#")
        source = given[path].grad
        if half:
            source = source.chunk(2, dim=-2)[int(half)]
        torch.testing.assert_close(grad, source, atol=2e-5, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}")


ROUTED = {
    "router.weight": "gate.weight",
    "gate": "experts.gate_up_proj#0",
    "up": "experts.gate_up_proj#1",
    "down": "experts.down_proj",
}
SHARED = {f"shared.{name}.weight": f"shared_experts.{name}_proj.weight" for name in ("gate", "up", "down")}


def give(ours: Experts, theirs: torch.nn.Module, *, shared: bool) -> None:
    with torch.no_grad():
        theirs.gate.weight.copy_(ours.router.weight)
        theirs.experts.gate_up_proj.copy_(torch.cat([ours.gate, ours.up], dim=1))
        theirs.experts.down_proj.copy_(ours.down)
        if shared:
            for name in ("gate", "up", "down"):
                getattr(theirs.shared_experts, f"{name}_proj").weight.copy_(getattr(ours.shared, name).weight)
        if ours.balance is not None:
            theirs.gate.e_score_correction_bias.copy_(ours.balance)


@pytest.mark.oracle
@pytest.mark.parametrize("seed", range(3))
def test_mixtral(transformers: Any, seed: int) -> None:
    from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

    config = transformers.MixtralConfig(hidden_size=16, intermediate_size=24, num_local_experts=6, num_experts_per_tok=2)
    config._experts_implementation = "eager"
    ours, theirs = experts(seed, experts=6), MixtralSparseMoeBlock(config)
    give(ours, theirs, shared=False)
    compare(ours, theirs, ROUTED, draw(2, 11, 16, seed=seed).requires_grad_())


@pytest.mark.oracle
@pytest.mark.parametrize("renormalise", [True, False])
def test_deepseek_v3(transformers: Any, renormalise: bool) -> None:
    from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3MoE

    config = transformers.DeepseekV3Config(
        hidden_size=16, moe_intermediate_size=24, n_routed_experts=8, n_shared_experts=2, num_experts_per_tok=3, n_group=1, topk_group=1,
        norm_topk_prob=renormalise, routed_scaling_factor=2.5,
    )  # fmt: skip
    config._experts_implementation = "eager"
    changes = {"shared": 2, "top_k": 3, "scores": "sigmoid", "scale": 2.5, "balance_rate": 0.001, "renormalise": renormalise}
    ours, theirs = experts(**changes), DeepseekV3MoE(config)
    give(ours, theirs, shared=True)
    x = draw(2, 11, 16, seed=3).requires_grad_()
    with torch.no_grad():
        unbiased = experts(**{**changes, "balance_rate": 0.0})
        assert not torch.equal(ours._route(x.flatten(0, 1), None)[1], unbiased._route(x.flatten(0, 1), None)[1]), "the bias decides nothing"
    compare(ours, theirs, {**ROUTED, **SHARED}, x)


@pytest.mark.oracle
def test_deepseek_v2(transformers: Any) -> None:
    from transformers.models.deepseek_v2.modeling_deepseek_v2 import DeepseekV2Moe

    config = transformers.DeepseekV2Config(
        hidden_size=16, moe_intermediate_size=24, n_routed_experts=8, n_shared_experts=2, num_experts_per_tok=3, topk_method="greedy",
        routed_scaling_factor=1.5, num_attention_heads=2,
    )  # fmt: skip
    config._experts_implementation = "eager"
    ours, theirs = experts(shared=2, top_k=3, scale=1.5, renormalise=False), DeepseekV2Moe(config)
    give(ours, theirs, shared=True)
    compare(ours, theirs, {**ROUTED, **SHARED}, draw(2, 11, 16, seed=3).requires_grad_())


@pytest.mark.oracle
def test_balance_loss_of_one_layer_is_mixtrals_per_choice(transformers: Any) -> None:
    from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

    logits = draw(50, 8, seed=4)
    part = MoE(balance_loss=1.0, router_z_loss=0.0)
    load = torch.bincount(logits.topk(2).indices.flatten(), minlength=8) / 100
    (ours,) = router_losses(part, logits, logits.softmax(-1), load)
    torch.testing.assert_close(2 * ours, load_balancing_loss_func((logits,), num_experts=8, top_k=2))


@pytest.mark.parametrize("scores", ["softmax", "sigmoid"])
def test_losses_where_tokens_are_spread_evenly(scores: str) -> None:
    """Balance is 1 · its coefficient, and E · its coefficient where all go to one; z is log(E)² for logits of 0."""
    part = MoE(experts=4, top_k=1, renormalise=False, scores=scores, balance_loss=0.25, router_z_loss=0.5)
    zero = torch.zeros(12, 4)
    even = zero.softmax(-1) if scores == "softmax" else zero.sigmoid()
    balance, z = router_losses(part, zero, even, torch.full((4,), 0.25))
    assert balance.item() == pytest.approx(0.25)
    assert z.item() == pytest.approx(0.5 * math.log(4) ** 2)
    one = torch.tensor([1.0, 0.0, 0.0, 0.0])
    balance, _ = router_losses(part, zero, one.expand(12, 4), one)
    assert balance.item() == pytest.approx(4 * 0.25)


def sorted_by_hand(part: Experts, first: list[int], second: list[int] | None = None) -> torch.Tensor:
    """Tokens that prefer these experts: the router reads expert e in feature e."""
    with torch.no_grad():
        part.router.weight.copy_(torch.eye(part.part.experts, 16))
    x = torch.zeros(1, len(first), 16)
    for token, expert in enumerate(first):
        x[0, token, expert] = 3.0
        if second is not None:
            x[0, token, second[token]] = 2.0
    x[0, :, 8] = 1.0  # so that no token's output is 0
    return x


def test_tokens_beyond_an_experts_room_pass_by_in_order_of_position() -> None:
    """8 tokens, 4 experts, top-1, factor 1: room for 2 each. Tokens 0, 1, 2, 4, 6 want expert 0: only 0 and 1 find room."""
    part = experts(experts=4, top_k=1, capacity_factor=1.0, renormalise=False).train()
    x = sorted_by_hand(part, [0, 0, 0, 1, 0, 2, 0, 3])
    notes = Notes()
    y = part(x, notes=notes)
    assert y[0].abs().sum(-1).gt(0).tolist() == [True, True, False, True, False, True, False, True]
    assert notes.figures == {"dropped in layer 0": pytest.approx(3 / 8)}
    assert notes.loads["layer 0"].tolist() == [5 / 8, 1 / 8, 1 / 8, 1 / 8], "loads count what was chosen, not what found room"
    kept = [0, 1, 3, 5, 7]
    torch.testing.assert_close(y[:, kept], part.eval()(x)[:, kept])
    assert part(x)[0].abs().sum(-1).gt(0).all(), "reading drops no token"


def test_first_choices_come_before_second_ones() -> None:
    """4 tokens, 2 experts, top-2, factor 0.5: room for 2 each. Token 3 is last, but wants expert 1 first; token 0 wants it second."""
    part = experts(experts=2, top_k=2, capacity_factor=0.5, renormalise=False).train()
    x = sorted_by_hand(part, [0, 0, 0, 1], [1, 1, 1, 0])
    y = part(x)
    alone = [part.eval()(x), experts(experts=2, top_k=1, renormalise=False).requires_grad_(False)]
    alone[1].load_state_dict(part.state_dict())
    both, first = alone[0], alone[1](x)
    # expert 0: tokens 0 and 1 by their first choice, then no room. Expert 1: token 3 first, then token 0's second choice.
    torch.testing.assert_close(y[0, 0], both[0, 0])
    torch.testing.assert_close(y[0, [1, 3]], first[0, [1, 3]])
    assert y[0, 2].abs().sum() == 0


def test_enough_room_is_as_good_as_none() -> None:
    x = draw(2, 10, 16, seed=3)
    part, roomy = experts().train(), experts(capacity_factor=4.0).train()  # 8 experts, top 2: at most 20 of 20 tokens choose one
    notes = Notes()
    torch.testing.assert_close(part(x), roomy(x, notes=notes), rtol=0, atol=0)
    assert notes.figures["dropped in layer 0"] == 0


def test_padding_is_routed_nowhere_and_counted_nowhere() -> None:
    part = experts(shared=1, capacity_factor=0.5, balance_rate=0.01).train()
    x, real = draw(2, 10, 16, seed=3), torch.ones(2, 10, dtype=torch.bool)
    real[0, :2], real[1, 6:] = False, False
    notes, packed = Notes(), Notes()
    y = part(x, real, notes)
    counted = part.chosen_E
    part.chosen_E = None
    alone = part(x[real][None], None, packed)[0]
    torch.testing.assert_close(y[real], alone)
    torch.testing.assert_close(y[~real], part.shared(x[~real]))
    assert notes.figures == packed.figures
    assert torch.equal(notes.loads["layer 0"], packed.loads["layer 0"])
    assert torch.equal(torch.stack(notes.losses), torch.stack(packed.losses))
    assert torch.equal(counted, part.chosen_E)
    assert counted.sum() == 14 * 2
    nothing = Notes()
    assert torch.equal(part(x, torch.zeros_like(real), nothing), part.shared(x))
    assert torch.isfinite(nothing.loads["layer 0"]).all() and nothing.losses == []


def test_padding_of_a_decoder_with_a_source_is_counted_nowhere() -> None:
    """Its rows are laid as an objective lays them; whatever stands behind the targets, experts are loaded as by the targets alone."""
    moe = {"kind": "moe", "experts": 4, "top_k": 2, "expert": {"width": 16}}
    network = tiny(kind="encoder-decoder", encoder_layers=1, kv_heads=None, feed_forward=moe).build(0).train()
    layout = Layout(12, pad=0, source_length=6)
    rows = [Row(np.arange(5, 5 + n), np.arange(6, 6 + n), source=np.arange(20, 26)) for n in (9, 12, 4)]
    batch = lay(rows, layout)

    def loads(inputs: Inputs) -> list[torch.Tensor]:
        notes = Notes()
        network.hidden(inputs, source=batch.source, notes=notes)
        return [load for name, load in notes.loads.items() if "encoder" not in name]

    padding = batch.inputs.padding_BT
    assert padding is not None and int(padding.sum()) == 36 - 25
    others = torch.where(padding, 77, batch.inputs.tokens_BT)
    for one, other in zip(loads(batch.inputs), loads(dataclasses.replace(batch.inputs, tokens_BT=others)), strict=True):
        assert torch.equal(one, other)
        assert float((one * 25 * 2).sum()) == pytest.approx(50)
    counted = loads(dataclasses.replace(batch.inputs, padding_BT=None))
    assert not all(torch.equal(one, other) for one, other in zip(loads(batch.inputs), counted, strict=True))


def test_notes_are_taken_when_asked_and_losses_in_training() -> None:
    part, x = experts(), draw(1, 6, 16)
    notes = Notes()
    part(x, notes=notes)
    assert notes.losses == [] and notes.loads["layer 0"].sum() == pytest.approx(1)
    part.train()(x, notes=notes)
    assert len(notes.losses) == 2 and all(loss.requires_grad for loss in notes.losses)


def test_the_balancing_bias_is_decided_by_a_step_and_heard_by_the_next() -> None:
    part = experts(experts=4, top_k=1, balance_rate=0.5, renormalise=False).train()
    part.balance.zero_()
    x = sorted_by_hand(part, [0, 0, 0, 0, 0, 1, 1, 2])
    before = part(x)
    assert torch.equal(part(x), before), "a second pass of the same step knows nothing yet"
    assert part.chosen_E.tolist() == [10, 4, 2, 0]
    rebalance(part)
    assert part.balance.tolist() == [-0.5, 0, 0.5, 0.5], "a fair share is 4"
    assert not torch.equal(part(x), before)
    rebalance(part, applied=False)
    assert part.balance.tolist() == [-0.5, 0, 0.5, 0.5] and part.chosen_E is None
    part.eval()(x)
    assert part.chosen_E is None, "reading counts nothing"
    assert torch.equal(part.state_dict()["balance"], part.balance)


def test_the_balancing_bias_evens_loads() -> None:
    """Tokens that nearly all prefer the same two of eight experts are spread to within a tenth of a fair share; no weight is learned."""
    part = experts(balance_rate=0.005, scores="sigmoid").train()
    part.balance.zero_()
    x = draw(8, 64, 16, seed=1) + part.router.weight[:2].sum(0).detach()
    loads = []
    for _ in range(300):
        notes = Notes()
        with torch.no_grad():
            part(x, notes=notes)
        loads.append(notes.loads["layer 0"].max().item() * 8)
        rebalance(part)
    assert loads[0] > 2.5
    assert sum(loads[-20:]) / 20 < 1.1


def test_two_passes_give_the_same_bits() -> None:
    part, x = experts().train(), draw(4, 32, 16)

    def run() -> list[torch.Tensor]:
        part.zero_grad()
        y = part(x)
        y.square().sum().backward()
        return [y.detach(), *(tensor.grad.clone() for tensor in part.parameters())]

    assert all(torch.equal(one, other) for one, other in zip(run(), run(), strict=True))


def test_routers_stay_in_fp32() -> None:
    """Under autocast choices are those of the same bf16 operand in fp32, and the result is near the fp32 one."""
    part, x = experts(width=32), draw(2, 40, 32, seed=6)
    with torch.autocast("cpu", torch.bfloat16):
        weights, choice, _ = part._route(x.flatten(0, 1), None)
        y = part(x)
    assert weights.dtype == torch.float32
    assert torch.equal(choice, functional.linear(x.flatten(0, 1), part.router.weight).topk(2).indices)
    exact = part(x)
    assert (y - exact).norm() / exact.norm() < 0.02
    halved = experts(width=32).bfloat16()
    assert halved(x.bfloat16()).dtype == torch.bfloat16


def test_layers_with_and_without_experts() -> None:
    """GLaM has experts in every second layer, DeepSeekMoE in all but the first."""
    glam = tiny(layers=4, feed_forward={"kind": "moe", "every": 2}).build(0)
    assert [isinstance(block.feed_forward, Experts) for block in glam.stack.blocks] == [False, True, False, True]
    deepseek = tiny(layers=3, feed_forward={"kind": "moe", "first_dense": 1, "dense": {"kind": "swiglu", "width": 80}}).build(0)
    assert [isinstance(block.feed_forward, Experts) for block in deepseek.stack.blocks] == [False, True, True]
    assert deepseek.stack.blocks[0].feed_forward.up.weight.shape == (80, 32)


def test_a_network_with_experts_learns_by_both_its_losses() -> None:
    network = tiny(init={"std": 0.02}, feed_forward={"kind": "moe", "experts": 4, "expert": {"width": 32}}).build(0).train()
    x = torch.tensor([[11, 47, 3, 200, 9] * 4])
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(60):
        notes = Notes()
        loss = functional.cross_entropy(network(x[:, :-1], notes=notes).flatten(0, 1), x[:, 1:].flatten())
        optimizer.zero_grad()
        (loss + notes.loss).backward()
        optimizer.step()
    assert loss.item() < 0.05
    assert set(notes.loads) == {"layer 0", "layer 1"}


@pytest.mark.parametrize("biases", [False, GPT2_BIASES], ids=str)
@pytest.mark.parametrize("kind", ["swiglu", "gelu"])
def test_what_evens_an_experts_rows_says_and_learns_nothing(kind: str, biases: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    part = experts(biases=biases, expert={"width": 24, "kind": kind}).train()
    x_BTD = draw(2, 37, 16).bfloat16()

    def learned() -> list[torch.Tensor]:
        part.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            y_BTD = part(x_BTD)
        (y_BTD.float() * draw(2, 37, 16, seed=1)).sum().backward()
        return [y_BTD.detach().float(), *(parameter.grad for parameter in part.parameters() if parameter.grad is not None)]

    evened = learned()
    monkeypatch.setattr("headwater.model.moe.evened", lambda x: x)
    plain = learned()
    assert len(evened) == len(plain) > 3
    for mine, theirs in zip(evened, plain, strict=True):
        assert torch.linalg.vector_norm(mine - theirs) <= 0.005 * torch.linalg.vector_norm(theirs)
