"""A sharded copy holds the network's bits, and gives them back; moments lie as their parameters do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from headwater.model.adapters import adapt
from headwater.model.config import ModelConfig
from headwater.model.moe import Experts
from headwater.model.tuning_config import LoRA
from headwater.parallel.config import Parallel
from headwater.parallel.layout import entire, like, local, own_piece
from headwater.parallel.several import Several
from headwater.parallel.stand_ins import StandIns
from headwater.tokens.batch import Batch, Inputs
from headwater.tokens.masks import causal, full
from headwater.training.loss import Loss, token_loss
from tests.parallel.processes import CONFIG, SHAPE, Counting, together, values


def spread_and_gather(rank: int, shard: int) -> list[str]:
    """Names of what came back with other bits, and of what lies elsewhere than it should."""
    group = Several(Parallel(shard=shard))
    network, back = SHAPE.build(1), SHAPE.build(2)
    spread = group.spread(network)
    group.gather(spread, back)
    wrong = [name for name, tensor in back.state_dict().items() if not torch.equal(tensor, network.state_dict()[name])]
    for name, parameter in spread.named_parameters():
        piece = own_piece(network.get_parameter(name).detach(), parameter)
        if not torch.equal(local(parameter), piece) or not torch.equal(entire(like(piece, parameter)), network.get_parameter(name)):
            wrong.append(f"piece of {name}")
        room = group.room_for(spread, name, parameter.shape, torch.float32)
        if local(room).shape != piece.shape or group.room_for(spread, name, (7, 7), torch.float64).shape != (7, 7):
            wrong.append(f"room for {name}")
    with torch.no_grad():
        token_loss(spread, Counting(CONFIG).batch(0))
    wrong += [f"whole {name}" for name, parameter in spread.named_parameters() if not hasattr(parameter, "to_local")]
    if shard == 2 and local(spread.get_parameter("embedding.tokens.weight")).numel() * 2 != network.embedding.tokens.weight.numel():
        wrong.append("nothing is sharded")
    return wrong


def gradients(rank: int) -> list[str]:
    """Names of parameters whose gradient over two processes is not the sum that one has, or that differ after a second pass."""
    group = Several(Parallel())
    network, batch = SHAPE.build(1), Counting(CONFIG).batch(0)
    token_loss(network, batch).backward()
    spread = group.spread(network)
    assert all(parameter.grad is None for parameter in spread.parameters()), "gradients are copied"
    for micro in group.passes(batch, 2):
        token_loss(spread, micro).backward()
    wrong = []
    for name, parameter in spread.named_parameters():
        assert parameter.grad is not None
        whole, expected = entire(parameter.grad), network.get_parameter(name).grad
        assert expected is not None
        if not torch.allclose(whole, expected, rtol=1e-4, atol=1e-5):
            wrong.append(name)
    return wrong


def moved(rank: int) -> bool:
    """Whether a step on whole stand-ins is to the bit the step on the whole parameter."""
    group = Several(Parallel())
    network = SHAPE.build(1)
    spread = group.spread(network)
    name = "stack.blocks.0.attention.out.weight"
    parameter, plain = spread.get_parameter(name), network.get_parameter(name)
    gradient = torch.randn(plain.shape, generator=torch.Generator().manual_seed(1))
    parameter.grad, plain.grad = like(own_piece(gradient, parameter), parameter), gradient
    stand_ins = StandIns()
    stand_in = stand_ins.of(parameter, whole=True)
    stand_ins.take()
    for each in (stand_in, plain):
        with torch.no_grad():
            assert each.grad is not None
            each.sub_(torch.linalg.matrix_exp(each.grad))  # needs all of it
    stand_ins.give()
    return torch.equal(entire(parameter.detach()), plain.detach())


def all_of_it(rank: int, folder: Path) -> tuple[list[str], list[str], bool]:
    return [*spread_and_gather(rank, 2), *spread_and_gather(rank, 1)], gradients(rank), moved(rank)


def test_two_processes_hold_the_network_and_sum_its_gradients(tmp_path: Path) -> None:
    assert values(together(2, all_of_it, tmp_path)) == [([], [], True)] * 2


def batch_of(shape: ModelConfig, *, own: bool = False, rows: int = 6) -> Batch:
    """Random rows with all that this model's loss reads."""
    draw = torch.Generator().manual_seed(5)

    def tokens(*size: int) -> torch.Tensor:
        return torch.randint(0, shape.vocabulary, size, generator=draw)

    length, pair = shape.context, shape.kind == "encoder-decoder"
    future = getattr(shape.head, "future", 0)
    inputs = Inputs(tokens(rows, length), mask=full() if shape.kind == "encoder" else causal())
    weights = (torch.rand(rows, length, generator=draw) < 0.8).float()
    return Batch(
        inputs,
        tokens(rows, length),
        weights,
        source=Inputs(tokens(rows, length), mask=full()) if pair else None,
        ahead_BTF=tokens(rows, length, future) if future else None,
        ahead_weights_BTF=weights[..., None].expand(-1, -1, future).contiguous() if future else None,
        own_BT=torch.rand(rows, length, generator=draw) < 0.3 if own else None,
        labels=torch.arange(rows) % 2 if getattr(shape.head, "next_sentence", False) or shape.head.kind == "classes" else None,
    )


def shaped(**changes: Any) -> ModelConfig:
    return ModelConfig.model_validate({**SHAPE.model_dump(), **changes})


EXPERTS = {"kind": "moe", "experts": 4, "balance_loss": 0.0, "router_z_loss": 0.0, "balance_rate": 0.01}
SHAPES = {
    "own head, biases, layer norm": shaped(tied=False, biases=True, norm={"kind": "layer"}, positions={"kind": "learned"}),
    "own words": shaped(),
    "two ahead": shaped(head={"kind": "lm", "future": 2}),
    "pair": shaped(kind="encoder-decoder", positions={"kind": "t5"}),
    "masked, next sentence": shaped(kind="encoder", head={"kind": "mlm", "next_sentence": True}),
    "classes": shaped(kind="encoder", head={"kind": "classes", "classes": 2}),
    "experts": shaped(feed_forward=EXPERTS),
    "lstm": shaped(mixer={"kind": "lstm"}, positions={"kind": "none"}),
    "few rows": shaped(width=6, heads=1, vocab_size=5, feed_forward={"kind": "swiglu", "width": 3}),
    "adapters": shaped(),
}


def gradients_of_all(rank: int) -> dict[str, str]:
    """What is wrong with the gradients of each shape: the largest difference, or the error."""
    group = Several(Parallel())
    wrong = {}
    for name, shape in SHAPES.items():
        network, batch = shape.build(1), batch_of(shape, own=name == "own words")
        if name == "adapters":
            adapt(network, LoRA(rank=2, targets=("*attention*",)))
        spread = group.spread(network)
        loss = Loss()
        loss(network, batch).backward()
        for micro in group.passes(batch, 2):
            loss(spread, micro).backward()
        group.pool(spread)
        for key, parameter in spread.named_parameters():
            expected = network.get_parameter(key).grad
            assert (parameter.grad is None) == (expected is None), f"{name}: {key}"
            if expected is None or parameter.grad is None:
                continue
            away = float((entire(parameter.grad) - expected).abs().max() / expected.abs().max().clamp(min=1e-3))
            if not away < 1e-4:
                wrong[f"{name}: {key}"] = f"{away}"
        counts = [part.chosen_E for part in network.modules() if isinstance(part, Experts)]
        pooled = [part.chosen_E for part in spread.modules() if isinstance(part, Experts)]
        if str(counts) != str(pooled):
            wrong[f"{name}: counts"] = f"{counts} {pooled}"
    return wrong


@pytest.mark.slow
def test_every_architecture_has_the_gradients_of_one_process() -> None:
    assert values(together(2, gradients_of_all, seconds=300)) == [{}, {}]
