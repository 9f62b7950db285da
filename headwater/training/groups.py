"""Which parameter is moved how? Who is frozen, who decays, whose rate is lower.

In: a network's named parameters and the config's words. Out: names, factors of the rate, and groups for torch's optimizers.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from torch import nn

from headwater.core.errors import HeadwaterError
from headwater.training.optimizer_config import Common

Named = list[tuple[str, nn.Parameter]]


def freeze(network: nn.Module, patterns: Iterable[str]) -> list[str]:
    """Take the gradients from the parameters that the globs name; the names of those. Raises HeadwaterError for a glob that names none."""
    names = [name for name, _ in network.named_parameters()]
    frozen: set[str] = set()
    for pattern in patterns:
        found = fnmatch.filter(names, pattern)
        if not found:
            mend = f"names run from '{names[0]}' to '{names[-1]}', and * stands for any part"
            raise HeadwaterError(f"no parameter is called '{pattern}'", where="rates.frozen", mend=mend)
        frozen.update(found)
    if len(frozen) == len(names):
        raise HeadwaterError("every parameter is frozen, nothing is left to learn", where="rates.frozen", mend="name fewer")
    for name, parameter in network.named_parameters():
        if name in frozen:
            parameter.requires_grad_(False)
    return sorted(frozen)


def decays(name: str, parameter: nn.Parameter, which: str) -> bool:
    """Whether weight decay and penalties hold for a parameter. Experts' biases and tables of biases are 2-D, and biases all the same."""
    if which != "matrices":
        return which == "all"
    return parameter.ndim >= 2 and not is_bias(name) and "norm" not in name


def is_bias(name: str) -> bool:
    """`up.bias`, `experts.up_bias`, `stack.bias.table.weight`."""
    return any(part == "bias" or part.endswith("_bias") for part in name.split("."))


def groups(config: Common, named: Named, factors: Mapping[str, float]) -> list[dict[str, Any]]:
    """One optimizer's parameters by whether they decay and by the factor of their rate."""
    by_kind: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for name, parameter in named:
        by_kind.setdefault((decays(name, parameter, config.decay), factors.get(name, 1.0)), []).append(parameter)
    decay = getattr(config, "weight_decay", 0.0)
    return [
        {
            "params": parameters,
            "lr": config.lr * factor,
            "weight_decay": decay if decaying else 0.0,
            "l1": config.l1 if decaying else 0.0,
            "l2": config.l2 if decaying else 0.0,
        }
        for (decaying, factor), parameters in by_kind.items()
    ]


def layer_factors(names: Iterable[str], decay: float) -> dict[str, float]:
    """`decay^(layers above)` by name: 1 for what comes after the blocks, `decay` for the last block, and least for the embeddings.

    Each stack of blocks counts its own layers; embeddings and positions lie below the deepest.
    """
    names = list(names)
    depths: dict[str, int] = {}
    for stack, layer in filter(None, map(block_of, names)):
        depths[stack] = max(depths.get(stack, 0), layer + 1)
    factors = {}
    for name in names:
        if (block := block_of(name)) is not None:
            factors[name] = decay ** (depths[block[0]] - block[1])
        else:
            below = any(part.startswith(("embedding", "positions")) for part in name.split("."))
            factors[name] = decay ** (max(depths.values(), default=0) + 1) if below else 1.0
    return factors


def block_of(name: str, stacks: tuple[str, ...] = ("blocks",)) -> tuple[str, int] | None:
    """`("encoder.blocks", 3)` of `encoder.blocks.3.attention.out.weight`; None outside the blocks."""
    parts = name.split(".")
    for place, (part, number) in enumerate(pairwise(parts)):
        if part in stacks and number.isdecimal():
            return ".".join(parts[: place + 1]), int(number)
    return None
