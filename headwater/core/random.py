"""Every random draw has its own keyed stream, so that no draw can shift another.

    stream(seed, "init", "blocks.0.attention.out.weight")     numpy Generator (Philox, counter-based)

A key is any mix of strings and integers. Equal keys give equal draws on every machine, different keys independent ones.
(torch's own generator on the CPU is not used: it keeps 32 bits of its seed.)
"""

from __future__ import annotations

import hashlib

import numpy as np


def key_bits(seed: int, *key: str | int) -> int:
    """128 well-mixed bits for `(seed, *key)`; ambiguity-free, since lengths and types are part of what is hashed."""
    assert all(type(part) in (int, str) for part in (seed, *key)), "a key is made of plain ints and strings"
    material = "\x1f".join(f"{type(part).__name__}:{len(str(part))}:{part}" for part in (seed, *key))
    return int.from_bytes(hashlib.blake2b(material.encode(), digest_size=16).digest(), "little")


def stream(seed: int, *key: str | int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=key_bits(seed, *key)))
