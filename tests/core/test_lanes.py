"""headwater/core/lanes.py: rounding as torch rounds, powers as fp64 knows them."""

from __future__ import annotations

import math

import numpy as np
import torch

from headwater.core.lanes import exp2, exp2_at_most, half, half_of_sum, wide


def test_halves_are_rounded_as_torch_rounds() -> None:
    bits = np.random.default_rng(0).integers(1 << 32, size=20_000, dtype=np.uint64).astype(np.uint32)
    odd = np.array([0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001, 0x7F7FFFFF, 0x00007FFF, 0x00008000, 0x00018000, 0x80000000], np.uint32)
    x = np.concatenate((bits, odd)).view(np.float32)
    found = torch.tensor([int(half(number)) for number in x], dtype=torch.int32).to(torch.uint16).view(torch.bfloat16)
    torch.testing.assert_close(found, torch.from_numpy(x).bfloat16(), rtol=0, atol=0, equal_nan=True)


def test_sums_of_bf16_are_rounded_the_same() -> None:
    """Every bf16 number and what lies between it and the next; all NaNs that arithmetic makes of them stay NaN."""
    every = np.arange(1 << 16, dtype=np.uint32) << 16
    for behind in (0, 0x7FFF, 0x8000, 0x8001):
        x = (every | np.uint32(behind)).view(np.float32)
        x = x[np.isfinite(x)]
        assert all(half_of_sum(number) == half(number) for number in x[::7])
    lost = every.view(np.float32)[np.isnan(every.view(np.float32))]
    assert all(math.isnan(wide(half_of_sum(number))) for number in lost)


def test_powers() -> None:
    for x in np.linspace(-126, 126, 5001, dtype=np.float32):
        for power in (exp2(x), exp2_at_most(x)):
            assert abs(power / 2.0 ** float(x) - 1) < 4e-6
    for x in np.linspace(-127, -126, 101, dtype=np.float32)[:-1]:
        assert exp2(x) <= 2.0**-126 and 0 <= exp2_at_most(x) <= 2.0**-126
    for x in np.array([-np.inf, -1e30, -128, -127], dtype=np.float32):
        assert exp2(x) == exp2_at_most(x) == 0
    assert exp2(np.float32(np.inf)) == exp2(np.float32(127)) == math.inf
    assert math.isnan(exp2(np.float32(np.nan))) and math.isnan(exp2_at_most(np.float32(np.nan)))
