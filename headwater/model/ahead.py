"""Which kernels will training in bf16 on a CPU run? They are compiled beside what comes before the first step, once on a machine.

A kernel that nobody foresaw is compiled when it is first run.
"""

from __future__ import annotations

import threading

from headwater.core import brgemm
from headwater.core.team import Kernel, gathered, soon
from headwater.model import passes, tiles
from headwater.model.config import ModelConfig


def compile_soon(config: ModelConfig) -> threading.Thread:
    """Seven seconds of one core for all there are; nothing where they cannot run. The thread ends when all are compiled."""
    return soon(foreseen(config) if gathered() is not None else [])


def foreseen(config: ModelConfig) -> list[Kernel]:
    """In the order in which a step runs them."""
    part = config.feed_forward
    function = part.expert if part.kind == "moe" else part
    tanh = function.kind == "gelu" and function.approximate == "tanh"
    attends = config.mixer.kind == "attention" and config.attention_softcap is None and config.head_features % 16 == 0
    without_bias = config.positions.kind not in ("alibi", "t5", "xl") or config.kind == "encoder-decoder"  # across to the encoder
    plain = attends and without_bias and not config.weight_dropout and brgemm.found() is not None
    forward = {
        passes.NORM: config.norm.kind in ("rms", "layer"),
        passes.ROTATED: config.positions.kind == "rope",
        tiles.FORWARD: plain,
        passes.ADDED: True,
        passes.SWIGLU: function.kind == "swiglu",
        passes.TANH_GELU: tanh,
    }
    backward = {
        passes.SWIGLU_GRADIENTS: function.kind == "swiglu",
        passes.TANH_GELU_GRADIENT: tanh,
        passes.NORM_GRADIENT: config.norm.kind in ("rms", "layer"),
        tiles.BACKWARD: plain,
    }
    return [kernel for kernel, wanted in {**forward, **backward}.items() if wanted]
