"""A parameter of one process stands for itself. (Those of several: test_layout.py.)"""

from __future__ import annotations

import torch
from torch import nn

from headwater.parallel.stand_ins import StandIns


def test_alone_everything_is_itself() -> None:
    parameter = nn.Parameter(torch.ones(3))
    parameter.grad = torch.ones(3)
    stand_ins = StandIns()
    assert stand_ins.of(parameter, whole=True) is stand_ins.get(parameter) is parameter
    stand_ins.take()
    stand_ins.give()
    moment = torch.arange(3.0)
    assert stand_ins.saved(parameter, moment) is moment
    copy = stand_ins.loaded(parameter, moment)
    assert torch.equal(copy, moment)
    assert copy.data_ptr() != moment.data_ptr()
