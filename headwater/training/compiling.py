"""How are a network's blocks compiled? torch.compile, block by block, in training only; never a reason to fail.

    compiled(network, report.say)        # before the first step; the network is changed in place

What is compiled is kept in `$HEADWATER_CACHE/compiled` (~/.cache/headwater/compiled), so that the next run finds it. Where there is no C++
compiler, or compiling fails, one sentence says so and the blocks run as they are. Nothing is tuned by time, so the code, and with it every
bit, is the same whether the cache was cold or warm. Passes without gradients (validation, samples) run as they are: their shapes vary.
Compiled and plain blocks differ in rounding. Importing this module imports torch's compiler, which takes seconds: import it when asked for.

On a CPU it gains little beside the gradients that are written out by hand (model/kernels.py, model/products.py), and costs a minute or
more when cold: nobody should turn it on there without measuring (docs/history.md, 2026-11-22).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch._dynamo
import torch._inductor.exc
from torch import nn

from headwater.model.attention import Projected
from headwater.model.block import Block
from headwater.model.network import Network

COMPILERS = ("g++", "clang++", "c++")
Say = Callable[[str], None]


def compiled(network: Network, say: Say) -> None:
    """Compile the blocks at their first training pass."""
    if (reason := _hindrance(network)) is not None:
        say(f"the blocks run without being compiled: {reason}")
        return
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(cache())  # the compiler has put its own choice there when it was imported
    attempt = _Attempt(say)
    # Every layer's number is part of its graph; without this, the ninth would be left as it is.
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, 2 * sum(1 for _ in network.modules()))
    for module in network.modules():
        if isinstance(module, Block):
            attempt.take(module)
        elif isinstance(module, Projected):
            # Attention writes out its own gradient in buffers, which a compiler cannot follow: it is called as it is.
            _put(module, "mixed", torch.compiler.disable(module.mixed))  # type: ignore[no-untyped-call]


def cache() -> Path:
    """Where compiled blocks are kept."""
    return Path(os.environ.get("HEADWATER_CACHE") or Path.home() / ".cache" / "headwater") / "compiled"


def _hindrance(network: Network) -> str | None:
    """Why compiling cannot work here, or None."""
    if network.device.type == "cpu" and os.environ.get("CXX") is None and not any(shutil.which(name) for name in COMPILERS):
        return f"no C++ compiler is here ({' or '.join(COMPILERS)})"
    return None


class _Attempt:
    """Blocks that are compiled as long as that works for all of them."""

    def __init__(self, say: Say) -> None:
        self.say, self.works = say, True

    def take(self, block: Block) -> None:
        """Give one block a forward that is compiled where gradients are asked for; names of parameters stay as they are."""
        plain = block.forward
        fast = torch.compile(plain, dynamic=False)

        def forward(*given: Any, **named: Any) -> torch.Tensor:
            if self.works and torch.is_grad_enabled():
                try:
                    return fast(*given, **named)
                except (torch._dynamo.exc.TorchDynamoException, torch._inductor.exc.InductorError) as error:
                    self.works = False
                    first = str(error).strip().splitlines()[0][:200]
                    self.say(f"the blocks run without being compiled: {type(error).__name__}: {first}")
            return plain(*given, **named)

        _put(block, "forward", forward)


def _put(module: nn.Module, name: str, function: Callable[..., Any]) -> None:
    """In place of a method of this one module; its parameters keep their names."""
    setattr(module, name, function)
