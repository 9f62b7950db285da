"""The same weights in our network and in transformers': both directions of a family's list of tensors, and gradients name by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from headwater.model.config import ModelConfig
from headwater.model.families.family import Family, essence, restore, store
from headwater.model.init import kept_shapes
from headwater.model.network import Network

PAD = 1


def shaken(config: ModelConfig, seed: int = 0) -> Network:
    """Biases and norm weights begin at 0 and 1, where a swapped or forgotten one would not show."""
    network = config.build(seed)
    with torch.no_grad():
        for number, tensor in enumerate(network.parameters()):
            if tensor.ndim == 1:
                tensor.add_(torch.randn(tensor.shape, generator=torch.Generator().manual_seed(seed + number)) * 0.3)
    return network.eval()


def opened(folder: Path, transformers: Any, family: Family, network: Network) -> Any:
    """transformers' network with our weights, of the class that the family names; no tensor may be missing or left over."""
    config = network.config
    said = {**family.config(config), "pad_token_id": PAD, "eos_token_id": 0, "bos_token_id": 0, "decoder_start_token_id": PAD}
    (folder / "config.json").write_text(json.dumps(said))
    save_file(store(family.tensors(config), network.state_dict()), folder / "model.safetensors", metadata={"format": "pt"})
    theirs, report = getattr(transformers, said["architectures"][0]).from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert not report["mismatched_keys"]
    return theirs.eval()


def back(folder: Path, theirs: Any, family: Family) -> Network:
    """Our network from what transformers saves, by its config.json alone."""
    theirs.save_pretrained(folder)
    said = json.loads((folder / "config.json").read_text())
    assert said["model_type"] in family.types
    config = family.parse(said)
    kept = load_file(folder / "model.safetensors")
    tensors = family.tensors(config)
    assert {entry.name for entry in tensors} == kept.keys()
    network = config.build(1)
    network.load_state_dict(restore(tensors, kept, kept_shapes(config)))
    return network.eval()


def same_network(network: Network, other: Network) -> None:
    assert essence(network.config) == essence(other.config)
    theirs = other.state_dict()
    assert network.state_dict().keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in network.state_dict().items())


def same_gradients(family: Family, network: Network, loss: torch.Tensor, theirs: Any, their_loss: torch.Tensor) -> None:
    """Of every parameter of theirs, by name. None may be nothing but a key's bias, which adds the same to all scores of a query."""
    assert (loss - their_loss).abs() <= 1e-5 * max(1.0, loss.item())
    network.zero_grad()
    loss.backward()
    their_loss.backward()
    ours = {name: torch.zeros_like(tensor) if tensor.grad is None else tensor.grad for name, tensor in network.named_parameters()}
    stored = store(family.tensors(network.config), ours)
    named = dict(theirs.named_parameters())
    assert stored.keys() == named.keys()
    for name, tensor in named.items():
        grad = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
        assert (stored[name] - grad).abs().max() <= 1e-4, name
        if not name.endswith("key.bias"):
            assert stored[name].abs().max() > 1e-6, f"{name} learns nothing, so that the comparison is empty"


def cross_entropy(logits_BTV: torch.Tensor, targets_BT: torch.Tensor, learned_BT: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(logits_BTV[learned_BT], targets_BT[learned_BT])


def close(ours: torch.Tensor, theirs: torch.Tensor, at: torch.Tensor | None = None) -> None:
    """Equal to 1e-4 where `at`, and far enough from nothing that this says something."""
    ours, theirs = (ours, theirs) if at is None else (ours[at], theirs[at])
    assert ours.std() > 0.1
    assert (ours - theirs).abs().max() <= 1e-4


def draw(shape: tuple[int, ...], below: int, seed: int = 0, least: int = 6) -> torch.Tensor:
    """Tokens, none of them special."""
    return torch.randint(least, below, shape, generator=torch.Generator().manual_seed(seed))


def padded(lengths: list[int], longest: int) -> torch.Tensor:
    """`real_BT`, padding on the right."""
    return torch.arange(longest)[None] < torch.tensor(lengths)[:, None]
