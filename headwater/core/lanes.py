"""What arithmetic does a loop in Numba use, so that LLVM computes many numbers at once? bf16 is read as what it is: half an fp32.

LLVM makes wide instructions of a loop as long as nothing in it may raise: division follows IEEE (`error_model`; Python's division, which
looks for zeros, makes the same loop twelve times slower), and e^x is a polynomial.
"""

from __future__ import annotations

import numpy as np

from headwater.core.compiled import njit

LIKE_IEEE = {"error_model": "numpy", "fastmath": {"contract", "nsz"}}
SUMS = {"error_model": "numpy", "fastmath": {"contract", "nsz", "reassoc"}}  # in any order: a sum can then be made in lanes

_F = np.float32
LOG2_E = _F(1.4426950408889634)
_ROUND = _F(12582912.0)  # 1.5 * 2^23: adding it leaves the nearest whole number in the last bits


@njit
def wide(x: np.uint16) -> np.float32:
    return np.uint32(np.uint32(x) << np.uint32(16)).view(np.float32)


@njit
def half(x: np.float32) -> np.uint16:
    """Rounded to the nearest, ties to even; NaN stays NaN, whatever its last bits are."""
    bits = np.float32(x).view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    return np.uint16(rounded) if x == x else np.uint16(0x7FC0)


@njit
def half_of_sum(x: np.float32) -> np.uint16:
    """As `half`, in fewer instructions: for what was computed from bf16, whose NaNs have zeros for their last bits."""
    bits = np.float32(x).view(np.uint32)
    return np.uint16((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16))


@njit(**LIKE_IEEE)
def exp2(x: np.float32) -> np.float32:
    """2^x to 4e-6 of itself; 0 below -126, infinity above 126. A bf16's NaN stays NaN."""
    power = exp2_at_most(_F(126.0) if x > _F(126.0) else x)
    return _F(np.inf) if x > _F(126.0) else power


@njit(**LIKE_IEEE)
def exp2_at_most(x: np.float32) -> np.float32:
    """2^x for x up to 126, to 4e-6 of itself from -126 on; below, at most 2^-126, and 0 from -127 on. A bf16's NaN stays NaN."""
    y = _F(-127.0) if x < _F(-127.0) else x
    shifted = y + _ROUND
    r = y - (shifted - _ROUND)
    p = _F(0.0013333558)
    p = p * r + _F(0.009618129)
    p = p * r + _F(0.05550411)
    p = p * r + _F(0.24022651)
    p = p * r + _F(0.6931472)
    p = p * r + _F(1.0)
    # at -127 p is 1, whose exponent this takes away: 0
    return np.uint32(np.float32(p).view(np.uint32) + (np.float32(shifted).view(np.uint32) << np.uint32(23))).view(np.float32)
