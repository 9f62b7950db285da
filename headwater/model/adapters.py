"""How does a large network learn little? Low-rank adapters beside its frozen matrices (Hu et al. 2022; Dettmers et al. 2023).

    adapt(network, LoRA(rank=8), seed)       # in place: what its targets name computes W x + alpha/rank · B A x; only A and B learn
    save_adapters(folder, network, lora)     # a small file of its own
    load_adapters(folder, network)           # onto the same base
    merge(network)                           # in place: one matrix again, which computes the same

In and out: the same network under the same names; `lora_down` (A) and `lora_up` (B) stand beside `weight`, unless the base is kept in
codes, when `codes` and `scales` stand in its place. Legend: O features out, I features in, R rank.
"""

from __future__ import annotations

import fnmatch
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_safetensors
from safetensors.torch import save as to_safetensors
from torch import nn
from torch.nn import functional

from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.core.random import stream
from headwater.core.storage import disk_trouble, read_bytes, read_json, write_atomically, write_json
from headwater.model.codes import Codes, int8, nf4
from headwater.model.network import Network
from headwater.model.norms import as_operand
from headwater.model.tuning_config import LoRA

WEIGHTS, ABOUT, FORMAT = "adapters.safetensors", "adapters.json", 1


class Adapted(nn.Module):
    """A linear layer with an adapter. B begins at 0, so that nothing changes at first."""

    def __init__(self, linear: nn.Linear, config: LoRA, down_RI: torch.Tensor) -> None:
        super().__init__()
        self.bias = linear.bias
        self.scale, self.shape, self.kind = config.alpha / config.rank, (linear.out_features, linear.in_features), config.base
        if config.base == "as-is":
            self.weight = linear.weight
        else:
            kept = int8(linear.weight.detach()) if config.base == "int8" else nf4(linear.weight.detach(), config.block)
            self.register_buffer("codes", kept.codes)
            self.register_buffer("scales", kept.scales)
        self.lora_down = nn.Parameter(down_RI.to(linear.weight))
        self.lora_up = nn.Parameter(linear.weight.new_zeros(linear.out_features, config.rank))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        plain = self.kind == "as-is"
        y = functional.linear(x, self.weight, self.bias) if plain else _Coded.apply(as_operand(x), self.kept(), self.bias)  # type: ignore[no-untyped-call]
        low = functional.linear(functional.linear(self.dropout(x), self.lora_down), self.lora_up)
        return torch.add(y, low, alpha=self.scale)

    def kept(self) -> Codes:
        """The base where it is kept in codes."""
        assert self.kind != "as-is"
        codes, scales = self.get_buffer("codes"), self.get_buffer("scales")
        return Codes(self.kind, codes, scales, self.shape)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """The plain layer that computes the same (without dropout)."""
        base_OI = self.weight if self.kind == "as-is" else self.kept().dense()
        linear = nn.Linear(self.shape[1], self.shape[0], bias=self.bias is not None, device="meta")
        linear.weight = nn.Parameter(torch.addmm(base_OI, self.lora_up, self.lora_down, alpha=self.scale))
        linear.bias = self.bias
        return linear


class _Coded(torch.autograd.Function):
    """x Wᵀ + b with W in codes; what is kept for the backward pass is the codes, not W."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, kept: Codes, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.kept = kept
        return functional.linear(x, kept.dense().to(x.dtype), None if bias is None else bias.to(x.dtype))

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (grad,) = grads
        return grad @ ctx.kept.dense().to(grad.dtype), None, None


def named(network: Network, config: LoRA) -> tuple[dict[str, nn.Linear], set[str]]:
    """The linear layers that get an adapter, by name, and the tensors that learn whole. Raises HeadwaterError for a glob that names
    nothing."""
    # A router computes in fp32 by itself (model/moe.py), so that an adapter on it would be passed by.
    layers = {name: module for name, module in network.named_modules() if isinstance(module, nn.Linear) and not name.endswith(".router")}
    chosen = {name for pattern in config.targets for name in _named(pattern, list(layers), "targets")}
    parameters = [name for name, _ in network.named_parameters()]
    whole = {name for pattern in config.learned for name in _named(pattern, parameters, "learned")}
    return {name: layers[name] for name in sorted(chosen)}, whole


def adapt(network: Network, config: LoRA, seed: int = 0) -> list[str]:
    """Put an adapter on each linear layer that a target names, freeze all else; the names of those layers.

    Raises HeadwaterError for a glob that names nothing.
    """
    layers, whole = named(network, config)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in whole)
    for name, linear in layers.items():
        normal = stream(seed, "lora", name).standard_normal((config.rank, linear.in_features), dtype=np.float32)
        _replace(network, name, Adapted(linear, config, torch.from_numpy(normal) / math.sqrt(3 * linear.in_features)))
    return list(layers)


def merge(network: Network) -> Network:
    """The same network with plain layers, all of it learnable again."""
    for name, module in list(network.named_modules()):
        if isinstance(module, Adapted):
            _replace(network, name, module.merged())
    return network.requires_grad_(True)


def learned(network: Network) -> dict[str, torch.Tensor]:
    """What a run with adapters changes, by name."""
    return {name: parameter.detach() for name, parameter in network.named_parameters() if parameter.requires_grad}


def save_adapters(folder: Path, network: Network, config: LoRA, base: str | None = None) -> None:
    """`base` says of which model they are (the hash of its weights, as headwater.json has it); adapters.json is written last."""
    folder = Path(folder)
    with disk_trouble(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ABOUT).unlink(missing_ok=True)
    tensors = {name: tensor.to("cpu", torch.float32).contiguous() for name, tensor in sorted(learned(network).items())}
    write_atomically(folder / WEIGHTS, to_safetensors(tensors, metadata={"format": "pt"}))
    write_json(folder / ABOUT, {"format": FORMAT, "config": config.model_dump(mode="json"), "base": base})


def load_adapters(folder: Path, network: Network, base: str | None = None) -> LoRA:
    """Adapt the network as the folder says, with the folder's numbers. Raises HeadwaterError where they do not belong together."""
    folder = Path(folder)
    about = read_json(folder / ABOUT)
    if not isinstance(about, dict) or about.get("format") != FORMAT or not {"config", "base"} <= about.keys():
        raise HeadwaterError(f"does not describe adapters in format {FORMAT}", where=folder / ABOUT,
                             mend="it was damaged, or written by another version of Headwater")  # fmt: skip
    if base is not None and about["base"] is not None and about["base"] != base:
        raise HeadwaterError("are adapters of another model", where=folder, mend="load them onto the model that they were trained on")
    config = validate(LoRA, about["config"], where=str(folder / ABOUT))
    try:
        tensors = from_safetensors(read_bytes(str(folder / WEIGHTS)))
    except SafetensorError as error:
        raise HeadwaterError(f"is not a whole safetensors file ({error})", where=folder / WEIGHTS, mend="make or fetch it again") from None
    adapt(network, config)
    ours = learned(network)
    odd = sorted(ours.keys() ^ tensors.keys()) + sorted(n for n in ours.keys() & tensors.keys() if ours[n].shape != tensors[n].shape)
    if odd:
        merge(network)
        raise HeadwaterError(f"do not fit this network ({odd[0]})", where=folder, mend="load them onto the model that they were trained on")
    with torch.no_grad():
        for name, tensor in ours.items():
            tensor.copy_(tensors[name])
    return config


def _named(pattern: str, names: list[str], key: str) -> list[str]:
    found = fnmatch.filter(names, pattern)
    if not found:
        mend = f"names run from '{names[0]}' to '{names[-1]}', and * stands for any part" if names else "merge the adapters that it has"
        raise HeadwaterError(f"no {'linear layer' if key == 'targets' else 'tensor'} is called '{pattern}'", where=f"lora.{key}", mend=mend)
    return found


def _replace(network: Network, name: str, module: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(network.get_submodule(parent), last, module)
