"""How is a frozen matrix kept in 8 or 4 bits a number?

In: weight_OI, fp32. Out: `Codes`, which `dense` turns back, not exactly. int8: each row's largest value is 127. NF4 (Dettmers et al.
2023, section 3): 16 levels at the quantiles of a normal distribution, for each block of numbers between minus and plus its largest.
Legend: O features out, I features in, N blocks.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn import functional

# Where the outermost levels lie in the cumulative distribution (the paper's appendix E as their library has it).
OUTERMOST = 0.9677083


@dataclass(frozen=True)
class Codes:
    """`codes`: int8 [O, I], or bytes of two NF4 codes each; `scales`: [O, 1], or [N]."""

    kind: Literal["int8", "nf4"]
    codes: torch.Tensor
    scales: torch.Tensor
    shape: tuple[int, int]

    @property
    def size(self) -> int:
        """In bytes."""
        return self.codes.numel() * self.codes.element_size() + self.scales.numel() * self.scales.element_size()

    def dense(self) -> torch.Tensor:
        """weight_OI, fp32."""
        if self.kind == "int8":
            return self.codes.float() * self.scales
        pairs = torch.stack((self.codes >> 4, self.codes & 15), dim=-1).flatten().int()
        numbers = levels(self.codes.device)[pairs].view(len(self.scales), -1) * self.scales[:, None]
        return numbers.flatten()[: self.shape[0] * self.shape[1]].view(self.shape)


def int8(weight_OI: torch.Tensor) -> Codes:
    scales_O1 = weight_OI.abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny) / 127
    return Codes("int8", (weight_OI / scales_O1).round().to(torch.int8), scales_O1, _shape(weight_OI))


def nf4(weight_OI: torch.Tensor, block: int = 64) -> Codes:
    numbers = weight_OI.flatten()
    blocks = functional.pad(numbers, (0, -len(numbers) % block)).view(-1, block)
    scales_N = blocks.abs().amax(dim=1).clamp_min(torch.finfo(torch.float32).tiny)
    table = levels(weight_OI.device)
    codes = torch.bucketize(blocks / scales_N[:, None], (table[1:] + table[:-1]) / 2).to(torch.uint8).flatten()
    return Codes("nf4", codes[::2] << 4 | codes[1::2], scales_N, _shape(weight_OI))


@functools.cache
def levels(device: torch.device | None = None) -> torch.Tensor:
    """The 16 numbers that an NF4 code may mean: 7 below zero, zero, 8 above, at equal steps of the normal distribution."""
    below = -torch.special.ndtri(torch.linspace(OUTERMOST, 0.5, 8, dtype=torch.float64))[:-1]
    above = torch.special.ndtri(torch.linspace(0.5, OUTERMOST, 9, dtype=torch.float64))
    table = torch.cat((below, above))
    return (table / table.abs().max()).to(device=device, dtype=torch.float32)


def _shape(weight_OI: torch.Tensor) -> tuple[int, int]:
    return weight_OI.shape[0], weight_OI.shape[1]
