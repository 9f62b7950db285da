"""Adapters against the dense formula; who learns, what merging and a file on the way keep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from headwater.core.errors import HeadwaterError
from headwater.core.storage import read_json, write_json
from headwater.model.adapters import Adapted, adapt, learned, load_adapters, merge, save_adapters
from headwater.model.directory import load, save
from headwater.model.network import Network
from headwater.model.tuning_config import LoRA
from headwater.tokens.tokenizer import Tokenizer
from tests.model.conftest import GPT2_LIKE, tiny

TOKENS = torch.arange(40).view(2, 20)
ALL = ("stack.*.attention.*", "stack.*.feed_forward.*")


def shaken(network: Network) -> Network:
    """B begins at zero, where nothing would show."""
    for number, (name, tensor) in enumerate(network.named_parameters()):
        if name.endswith("lora_up"):
            tensor.data.normal_(generator=torch.Generator().manual_seed(number)).mul_(0.3)
    return network


@pytest.mark.parametrize("changes", [{}, {**GPT2_LIKE, "kv_heads": None}])
def test_an_adapter_is_w_plus_ba(changes: dict[str, Any]) -> None:
    network, dense = tiny(**changes).build(0), tiny(**changes).build(0)
    config = LoRA(rank=3, alpha=6, targets=ALL)
    names = adapt(network, config, seed=5)
    assert len(names) == 2 * (6 if changes else 7)
    assert torch.equal(network(TOKENS), dense(TOKENS)), "B is zero at first"
    shaken(network)
    for name in names:
        layer, plain = network.get_submodule(name), dense.get_submodule(name)
        assert isinstance(layer, Adapted)
        with torch.no_grad():
            plain.weight += 2.0 * layer.lora_up @ layer.lora_down  # type: ignore[operator]
    assert (network(TOKENS) - dense(TOKENS)).abs().max() <= 1e-4
    assert (dense(TOKENS) - tiny(**changes).build(0)(TOKENS)).abs().max() > 0.1


def test_only_adapters_learn_and_by_the_chain_rule() -> None:
    network, dense = tiny().build(0), tiny().build(0)
    adapt(network, LoRA(rank=3, alpha=6))
    shaken(network)
    base = {name: tensor.clone() for name, tensor in network.named_parameters() if "lora" not in name}
    for name, layer in network.named_modules():
        if isinstance(layer, Adapted):
            dense.get_submodule(name).weight.data += (2.0 * layer.lora_up @ layer.lora_down).detach()  # type: ignore[operator]
    for one in (network, dense):
        one(TOKENS).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert (parameter.grad is not None) is ("lora" in name)
    for name, layer in network.named_modules():
        if isinstance(layer, Adapted):
            grad_OI = dense.get_submodule(name).weight.grad
            assert isinstance(grad_OI, torch.Tensor) and layer.lora_up.grad is not None and layer.lora_down.grad is not None
            assert torch.allclose(layer.lora_up.grad, 2.0 * grad_OI @ layer.lora_down.T, rtol=1e-3, atol=1e-3)
            assert torch.allclose(layer.lora_down.grad, 2.0 * layer.lora_up.T @ grad_OI, rtol=1e-3, atol=1e-3)
    optimizer = torch.optim.SGD(learned_parameters(network), lr=0.1)
    optimizer.step()
    assert all(torch.equal(tensor, network.get_parameter(name)) for name, tensor in base.items())


def learned_parameters(network: Network) -> list[torch.nn.Parameter]:
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


@pytest.mark.parametrize("base", ["as-is", "int8", "nf4"])
def test_merged_computes_the_same_and_is_a_plain_network(tmp_path: Path, tokenizer: Tokenizer, base: str) -> None:
    config = tiny(**{**GPT2_LIKE, "kv_heads": None})
    network = config.build(0)
    adapt(network, LoRA.model_validate({"rank": 4, "targets": ALL, "base": base}))
    before = shaken(network).eval()(TOKENS).detach()
    with pytest.raises(AssertionError, match="adapters are merged"):
        save(tmp_path / "too early", network, config, tokenizer)
    merge(network)
    assert (network(TOKENS) - before).abs().max() <= 1e-4
    assert network.state_dict().keys() == config.build(0).state_dict().keys()
    assert all(parameter.requires_grad for parameter in network.parameters())
    save(tmp_path, network, config, tokenizer)
    assert torch.equal(load(tmp_path).network(TOKENS), network(TOKENS))


@pytest.mark.parametrize(("base", "bytes_each"), [("int8", 1.2), ("nf4", 0.6)])
@pytest.mark.parametrize("autocast", [False, True])
def test_a_base_in_codes_computes_with_what_the_codes_mean(base: str, bytes_each: float, autocast: bool) -> None:
    network, dense = tiny(width=64, heads=4).build(0), tiny(width=64, heads=4).build(0)
    adapt(network, LoRA.model_validate({"rank": 4, "targets": ALL, "base": base}))
    shaken(network)
    for name, layer in network.named_modules():
        if isinstance(layer, Adapted):
            kept = layer.kept()
            assert kept.size <= bytes_each * layer.shape[0] * layer.shape[1]
            plain = dense.get_submodule(name)
            with torch.no_grad():
                plain.weight.copy_(kept.dense() + layer.scale * layer.lora_up @ layer.lora_down)  # type: ignore[operator]
    assert not any(name.endswith("attention.query.weight") for name in network.state_dict())
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        ours, theirs = network(TOKENS), dense(TOKENS)
    assert (ours - theirs).abs().max() <= (0.4 if autocast else 1e-4)
    embedded = network.embedding.tokens.weight.requires_grad_()
    grads = []
    for one, table in ((network, embedded), (dense, dense.embedding.tokens.weight)):
        grads.append(torch.autograd.grad(one(TOKENS).square().mean(), table)[0])
    assert (grads[0] - grads[1]).abs().max() <= 1e-4 * grads[1].abs().max()


def test_the_seed_says_where_adapters_begin() -> None:
    states = []
    for seed in (0, 0, 1):
        network = tiny().build(0)
        adapt(network, LoRA(), seed)
        states.append(learned(network))
    first, again, other = states
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())
    assert not any(torch.equal(tensor, other[name]) for name, tensor in first.items() if name.endswith("down"))


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    network = tiny().build(0)
    config = LoRA(rank=2, learned=("stack.norm.weight",), base="nf4")
    adapt(network, config)
    shaken(network)
    network.stack.norm.weight.data += 0.3  # type: ignore[union-attr, operator]
    save_adapters(tmp_path, network, config, base="abc")
    other = tiny().build(0)
    assert load_adapters(tmp_path, other, base="abc") == config
    assert torch.equal(other(TOKENS), network(TOKENS))
    assert not other.embedding.tokens.weight.requires_grad
    assert (tmp_path / "adapters.safetensors").stat().st_size < 10_000


def test_dropout_is_in_training_only() -> None:
    network = tiny().build(0)
    adapt(network, LoRA(dropout=0.5))
    shaken(network)
    assert not torch.equal(network(TOKENS), network(TOKENS))
    network.eval()
    assert torch.equal(network(TOKENS), network(TOKENS))


FAULTS: dict[str, tuple[Any, str]] = {
    "another model": (
        lambda path: write_json(path / "adapters.json", {**read_json(path / "adapters.json"), "base": "xyz"}),
        "of another model",
    ),
    "another format": (lambda path: write_json(path / "adapters.json", {"format": 7}), "does not describe adapters in format 1"),
    "a wrong config": (lambda path: change(path, rank=0), "rank: input should be greater than 0"),
    "another rank": (lambda path: change(path, rank=5), "do not fit this network (stack.blocks.0.attention.query.lora_down)"),
    "other targets": (lambda path: change(path, targets=["*.out"]), "do not fit this network (stack.blocks.0.attention.out.lora_down)"),
    "a cut file": (lambda path: (path / "adapters.safetensors").write_bytes(b"\0" * 20), "is not a whole safetensors file"),
    "a pickle": (lambda path: torch.save({}, path / "adapters.safetensors"), "is not a whole safetensors file"),
    "no file": (lambda path: (path / "adapters.safetensors").unlink(), "no such file"),
}


def change(path: Path, **changes: Any) -> None:
    about = read_json(path / "adapters.json")
    write_json(path / "adapters.json", {**about, "config": {**about["config"], **changes}})


@pytest.mark.fault
@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_belong_together_is_refused(tmp_path: Path, fault: str) -> None:
    network = tiny().build(0)
    adapt(network, LoRA())
    save_adapters(tmp_path, network, LoRA(), base="abc")
    break_it, sentence = FAULTS[fault]
    break_it(tmp_path)
    other = tiny().build(0)
    with pytest.raises(HeadwaterError) as caught:
        load_adapters(tmp_path, other, base="abc")
    assert sentence in str(caught.value)
    assert torch.equal(other(TOKENS), tiny().build(0)(TOKENS))


@pytest.mark.fault
def test_a_glob_that_names_nothing_is_refused() -> None:
    with pytest.raises(HeadwaterError, match=r"lora.targets: no linear layer is called '\*.attention.q'; names run from"):
        adapt(tiny().build(0), LoRA(targets=("*.attention.q",)))
    with pytest.raises(HeadwaterError, match=r"lora.learned: no tensor is called 'head'"):
        adapt(tiny().build(0), LoRA(learned=("head",)))
    with pytest.raises(ValidationError, match="cannot be kept two to a byte"):
        LoRA(block=63)


def test_routers_have_no_adapters_and_every_adapter_learns() -> None:
    network = tiny(feed_forward={"kind": "moe", "experts": 4, "top_k": 2}).build(0)
    names = adapt(network, LoRA(rank=2, targets=("*",)))
    assert names
    assert not [name for name in names if "router" in name]
    network(torch.arange(6)[None]).sum().backward()
    assert [name for name, parameter in network.named_parameters() if parameter.requires_grad and parameter.grad is None] == []
