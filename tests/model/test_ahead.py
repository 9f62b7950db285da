"""headwater/model/ahead.py: what is foreseen is what a step runs, in its order."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from headwater.core import brgemm, team
from headwater.core.team import Kernel, gathered
from headwater.model import passes, tiles
from headwater.model.ahead import foreseen
from headwater.tokens.batch import Inputs
from headwater.tokens.masks import full
from tests.model.conftest import GPT2_LIKE, tiny
from tests.model.test_network import tokens

CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {"heads": 2, "kv_heads": 2},
    "gpt2": {**GPT2_LIKE, "heads": 2, "kv_heads": 2},
    "alibi": {"positions": {"kind": "alibi"}},
    "t5": {"kind": "encoder-decoder", "positions": {"kind": "t5"}, "heads": 2, "kv_heads": 2},
    "experts": {"heads": 2, "kv_heads": 2, "feed_forward": {"kind": "moe", "experts": 4}},
    "no norms, relu": {"norm": {"kind": "none"}, "feed_forward": {"kind": "relu"}},
    "lstm": {"mixer": {"kind": "lstm"}, "positions": {"kind": "none"}, "feed_forward": {"kind": "none"}},
}


@pytest.mark.skipif(gathered() is None, reason="torch has no OpenMP library here that we know")
@pytest.mark.parametrize("name", CONFIGS)
def test_what_a_step_runs_is_foreseen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Kernel] = []

    def noting(kernel: Kernel, *more: Any) -> None:
        ran.append(kernel)
        team.run(kernel, *more)

    for module in (passes, tiles):
        monkeypatch.setattr(module, "run", noting)
    config = tiny(**CONFIGS[name])
    with torch.autocast("cpu", torch.bfloat16):
        network = config.build(0)
        source = Inputs(tokens(2, 6), mask=full()) if network.encoder is not None else None
        network(Inputs(tokens(2, 8)), source=source).float().square().mean().backward()
    first_used = list(dict.fromkeys(ran))
    found = foreseen(config)
    assert set(first_used) <= set(found)
    if name in ("llama", "gpt2") and brgemm.found() is not None:
        assert first_used == found
