"""What does an optimizer move when a parameter lies over several processes? A plain tensor that stands in for it.

    stand_ins = StandIns()
    plain = stand_ins.of(parameter, whole=False)      # what the optimizer is given
    stand_ins.take(); optimizer.step(); stand_ins.give()

An optimizer that moves each weight by itself (Adam, Lion …) is given this process's piece, in the same memory. One that looks at whole
matrices (Muon, Adafactor) is given the whole, brought together for the step on each process, so that each does the same and keeps its
piece; such an optimizer's moments are whole on each process. Either way the step computes what it does in one process, to the bit. A
parameter that lies in one process stands for itself.
"""

from __future__ import annotations

import torch
from torch import nn


class StandIns:
    def __init__(self) -> None:
        self._pieces: dict[nn.Parameter, nn.Parameter] = {}
        self._wholes: dict[nn.Parameter, nn.Parameter] = {}

    def of(self, parameter: nn.Parameter, whole: bool) -> nn.Parameter:
        """What an optimizer moves in place of the parameter; the same whenever it is asked."""
        if not hasattr(parameter, "to_local"):
            return parameter
        from headwater.parallel.layout import local

        known = self._wholes if whole else self._pieces
        if parameter not in known:
            known[parameter] = nn.Parameter(torch.empty(parameter.shape, device=parameter.device) if whole else local(parameter))
        return known[parameter]

    def get(self, parameter: nn.Parameter) -> nn.Parameter:
        """What was made for it, else itself."""
        return self._pieces.get(parameter, self._wholes.get(parameter, parameter))

    @torch.no_grad()
    def take(self) -> None:
        """Give the stand-ins the values and gradients of their parameters."""
        if not self._pieces and not self._wholes:
            return
        from headwater.parallel.layout import entire, local

        for parameter, piece in self._pieces.items():
            piece.grad = None if parameter.grad is None else local(parameter.grad)
        for parameter, plain in self._wholes.items():
            if parameter.grad is not None:
                plain.data, plain.grad = entire(parameter.detach()), entire(parameter.grad)

    @torch.no_grad()
    def give(self) -> None:
        """Give the parameters what the optimizer made of their stand-ins."""
        if not self._pieces and not self._wholes:
            return
        from headwater.parallel.layout import local, own_piece

        for piece in self._pieces.values():
            piece.grad = None  # the weights are the parameter's own memory
        for parameter, plain in self._wholes.items():
            if plain.grad is not None:
                local(parameter).copy_(own_piece(plain.detach(), parameter))
                plain.grad = None
                plain.data = plain.data.new_empty(0)  # brought together anew at the next step

    def saved(self, parameter: nn.Parameter, value: torch.Tensor) -> torch.Tensor:
        """A moment as it is kept: laid out as its parameter where it is a piece of that shape."""
        piece = self._pieces.get(parameter)
        if piece is None or value.shape != piece.shape:
            return value
        from headwater.parallel.layout import like

        return like(value, parameter)

    def loaded(self, parameter: nn.Parameter, value: torch.Tensor) -> torch.Tensor:
        """A moment that was kept, as the optimizer wants it; a copy."""
        if parameter in self._wholes:
            from headwater.parallel.layout import entire

            return entire(value).clone()
        if parameter in self._pieces and value.shape == parameter.shape:
            from headwater.parallel.layout import own_piece

            return own_piece(value, parameter).clone()
        return value.clone()
