"""Every random draw has its own keyed stream, so that no draw can shift another.

    stream(seed, "pretrain", "order")          numpy Generator (Philox, counter-based)
    torch_stream(seed, "init", "layers.0.wq")  torch Generator on the CPU

A key is any mix of strings and integers. Equal keys give equal draws on every machine (numpy) or on every CPU of one
torch version (torch); different keys give independent ones.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def key_bits(seed: int, *key: str | int) -> int:
    """128 well-mixed bits for `(seed, *key)`; ambiguity-free, since lengths and types are part of what is hashed."""
    material = "\x1f".join(f"{type(part).__name__}:{len(str(part))}:{part}" for part in (seed, *key))
    return int.from_bytes(hashlib.blake2b(material.encode(), digest_size=16).digest(), "little")


def stream(seed: int, *key: str | int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=key_bits(seed, *key)))


def torch_stream(seed: int, *key: str | int) -> torch.Generator:
    import torch

    return torch.Generator().manual_seed(key_bits(seed, *key) & (2**63 - 1))
