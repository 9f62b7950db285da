"""The number format of matrix products: bf16 where the processor has units for it, else fp32. Weights and sums stay fp32."""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Literal

import torch

from headwater.core.errors import HeadwaterError
from headwater.core.hardware import cpu_has_bf16
from headwater.model.config import ModelConfig

Precision = Literal["bf16", "fp32"]


def resolve(asked: Literal["auto", "bf16", "fp32"]) -> Precision:
    """What `asked` means on this machine. Raises HeadwaterError for bf16 where there are no units for it."""
    there = torch.cuda.is_bf16_supported() if torch.cuda.is_available() else cpu_has_bf16()
    if asked == "auto":
        return "bf16" if there else "fp32"
    if asked == "bf16" and not there:
        raise HeadwaterError("this processor has no bf16 units", where="precision", mend="choose auto or fp32")
    return asked


def autocast(precision: Precision, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Matrix products on the network's device in this format."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()


def compiled_beside(config: ModelConfig, precision: Precision, device: str) -> threading.Thread:
    """Kernels that the steps of a network will run, on the way beside what comes before them; the thread ends when they are there."""
    if precision == "bf16" and device == "cpu":
        from headwater.model.ahead import compile_soon  # imports Numba

        return compile_soon(config)
    (nothing := threading.Thread()).start()
    return nothing
