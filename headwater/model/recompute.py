"""What if the activations of all layers do not fit into memory? A block's are forgotten, and made anew for its gradient (Chen et al. 2016).

In: a block, the stream that enters it, the frame of the pass. Out: what the block makes of them, to the bit, and the same gradients.
One layer's activations exist at a time, beside the stream between layers; a step computes each block's forward pass twice.

A pass also leaves traces beside its result, and the second one must not leave them again: dropout draws the same numbers (the
generator is put back), routers' losses and loads are noted by the first pass alone, counts and running means of BatchNorm are put back.

Legend: B batch, T time, D width.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from headwater.model.attention import Frame
from headwater.model.moe import Experts
from headwater.model.norms import BatchNorm
from headwater.model.notes import Notes


def recomputed(block: nn.Module, x_BTD: torch.Tensor, frame: Frame) -> torch.Tensor:
    """`block(x_BTD, frame)`, which keeps nothing but its input where gradients are taken and nothing is written to a cache."""
    if not torch.is_grad_enabled() or frame.cache is not None:
        return _through(block, x_BTD, frame)
    passes = 0

    def once_more(x_BTD: torch.Tensor) -> torch.Tensor:
        nonlocal passes
        passes += 1
        if passes == 1:
            return _through(block, x_BTD, frame)
        # Losses are computed again, because their gradients need what lies on the way to them; they are counted by the first pass.
        unheard = dataclasses.replace(frame, notes=None if frame.notes is None else Notes())
        with without_trace(block):
            return _through(block, x_BTD, unheard)

    out_BTD: torch.Tensor = checkpoint(once_more, x_BTD, use_reentrant=False)
    return out_BTD


def _through(block: nn.Module, x_BTD: torch.Tensor, frame: Frame) -> torch.Tensor:
    out_BTD: torch.Tensor = block(x_BTD, frame)
    return out_BTD


@contextlib.contextmanager
def without_trace(block: nn.Module) -> Iterator[None]:
    """Put back what a pass counts: the running means of BatchNorm, and how often experts were chosen."""
    buffers = [(buffer, buffer.clone()) for part in block.modules() if isinstance(part, BatchNorm) for buffer in part.buffers()]
    counted = [(part, part.chosen_E) for part in block.modules() if isinstance(part, Experts)]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
        for part, chosen_E in counted:
            part.chosen_E = chosen_E
