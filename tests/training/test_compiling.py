"""Compiled blocks: the same bits from a cold and a warm cache, and a sentence instead of a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from headwater.model.config import ModelConfig
from headwater.model.network import Network
from headwater.tokens.batch import Batch, Inputs
from headwater.training import compiling
from headwater.training.compiling import compiled
from headwater.training.loss import token_loss

SHAPE = ModelConfig(layers=1, width=32, heads=2, context=16, vocab_size=50)

BITS = """
import hashlib, sys, torch
torch.set_num_threads(1)
from tests.training.test_compiling import SHAPE, gradients
from headwater.training.compiling import compiled
network = SHAPE.build(0).train()
if sys.argv[1] == "compiled":
    compiled(network, lambda said: sys.exit(said))
names = list(network.state_dict())
found = gradients(network)
largest = max(float(value.abs().max()) for value in found)
print(hashlib.sha256(b"".join(value.numpy().tobytes() for value in found)).hexdigest(), round(largest, 4), *names)
"""


def gradients(network: Network) -> list[torch.Tensor]:
    tokens = torch.randint(50, (2, 17), generator=torch.Generator().manual_seed(0))
    batch = Batch(Inputs(tokens[:, :-1]), tokens[:, 1:], torch.ones(2, 16))
    token_loss(network, batch).backward()
    return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]


def failing(*_: Any, **__: Any) -> Callable[..., torch.Tensor]:
    def call(*_: Any, **__: Any) -> torch.Tensor:
        raise torch._inductor.exc.InductorError(RuntimeError("the compiler ran out of memory"), None)

    return call


def test_without_a_compiler_a_sentence_and_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    said: list[str] = []
    network = SHAPE.build(0).train()
    compiled(network, said.append)
    assert said == ["the blocks run without being compiled: no C++ compiler is here (g++ or clang++ or c++)"]
    assert all(map(torch.equal, gradients(network), gradients(SHAPE.build(0).train())))


def test_a_failing_compiler_is_told_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "g++")
    monkeypatch.setattr(torch, "compile", failing)
    said: list[str] = []
    network = SHAPE.model_copy(update={"layers": 3}).build(0).train()
    compiled(network, said.append)
    found = gradients(network)
    assert len(said) == 1 and "InductorError" in said[0]
    assert all(map(torch.equal, found, gradients(SHAPE.model_copy(update={"layers": 3}).build(0).train())))


def test_passes_without_gradients_are_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "g++")
    monkeypatch.setattr(torch, "compile", failing)
    said: list[str] = []
    network = SHAPE.build(0)
    compiled(network, said.append)
    with torch.no_grad():
        network(torch.zeros(1, 4, dtype=torch.long))
    assert said == []


def test_the_cache_lies_with_the_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HEADWATER_CACHE", str(tmp_path))
    assert compiling.cache() == tmp_path / "compiled"


@pytest.mark.slow
@pytest.mark.skipif(not any(shutil.which(name) for name in compiling.COMPILERS), reason="needs a C++ compiler")
def test_cold_and_warm_cache_give_equal_bits(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "HEADWATER_CACHE": str(tmp_path), "PYTHONPATH": str(root)}
    environment.pop("TORCHINDUCTOR_CACHE_DIR", None)

    def said(how: str) -> list[str]:
        run = subprocess.run([sys.executable, "-c", BITS, how], cwd=root, env=environment, capture_output=True, text=True, check=True)
        return run.stdout.split()

    plain, cold, warm = said("plain"), said("compiled"), said("compiled")
    assert any((tmp_path / "compiled").iterdir())
    assert cold == warm
    assert cold[2:] == plain[2:] and float(cold[1]) == pytest.approx(float(plain[1]), rel=1e-3)
