"""A network whose activation is switched computes what one that was built with it does, on the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from headwater.model.activation import switch_activation
from headwater.model.config import ModelConfig


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("swiglu", "geglu"), ("geglu", "glu"), ("reglu", "swiglu"), ("gelu", "relu2"), ("relu", "gelu"), ("relu2", "relu"),
    ],
)  # fmt: skip
def test_equals_a_network_that_was_built_so(before: str, after: str) -> None:
    def build(kind: str) -> Any:
        config: dict[str, Any] = {"layers": 2, "width": 32, "heads": 2, "context": 16, "vocab_size": 40, "feed_forward": {"kind": kind}}
        return ModelConfig.model_validate(config).build(3)

    switched, built = build(before), build(after)
    built.load_state_dict(switched.state_dict())
    tokens_BT = torch.arange(30).view(2, 15)
    unlike = switched(tokens_BT)
    switch_activation(switched, built.config.feed_forward)
    assert switched.config == built.config
    assert torch.equal(switched(tokens_BT), built(tokens_BT))
    assert not torch.equal(switched(tokens_BT), unlike)
