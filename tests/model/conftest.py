"""Small models and their parts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headwater.model.config import ModelConfig
from headwater.model.parts import Gated, Learned, Norm, Plain, RoPE
from headwater.tokens.config import Bytes
from headwater.tokens.tokenizer import Tokenizer, train

GPT2_LIKE: dict[str, Any] = {"norm": Norm(kind="layer"), "positions": Learned(), "feed_forward": Plain(), "biases": True}


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return train(Bytes(), [])


@pytest.fixture(scope="session")
def transformers() -> Any:
    return pytest.importorskip("transformers")


def random_config(seed: int, family: str) -> ModelConfig:
    """A tiny config of a family, its free choices drawn at random."""
    rng = np.random.default_rng([seed, len(family)])
    heads = int(rng.choice([2, 4, 6]))
    common = {
        "layers": int(rng.integers(1, 4)),
        "context": 40,
        "tied": bool(rng.integers(2)),
        "heads": heads,
        "vocab_size": int(rng.integers(262, 300)),
        "init": {"std": 0.2},  # far from uniform predictions, so that an error shows
    }
    if family == "gpt2":
        approximate = str(rng.choice(["tanh", "none"]))
        return ModelConfig.model_validate(
            {**common, **GPT2_LIKE, "width": heads * int(rng.integers(3, 9)), "feed_forward": {"kind": "gelu", "approximate": approximate}}
        )
    return ModelConfig.model_validate(
        {
            **common,
            "width": heads * int(rng.integers(5, 12)),
            "kv_heads": int(rng.choice([count for count in (1, 2, 3, 6) if heads % count == 0])),
            "head_width": 2 * int(rng.integers(2, 9)),
            "biases": {"queries": (bias := bool(rng.integers(2))), "out": bias, "feed_forward": bool(rng.integers(2))},
            "feed_forward": Gated(width=int(rng.integers(10, 60))),
            "norm": Norm(eps=float(rng.choice([1e-6, 1e-5]))),
            "positions": RoPE(base=float(rng.choice([500.0, 10_000.0]))),
        }
    )


def tiny(**changes: Any) -> ModelConfig:
    base = {"layers": 2, "width": 32, "heads": 4, "kv_heads": 2, "context": 24, "vocab_size": 262, "init": {"std": 0.2}}
    return ModelConfig.model_validate({**base, **changes})
