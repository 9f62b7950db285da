"""How does a kernel of ours multiply small bf16 matrices? By oneDNN's micro-kernel, which torch carries and uses in its own attention.

C = A B (+ C): A of bf16 rows, B of bf16 rows in pairs, C in fp32. A thread calls it for blocks that lie in its own cache, where one core of
a Xeon with AMX makes 1 TFLOP/s of it (256 x 64 by 64 x 256 in 8 us, 2026-11-22). `torch.bmm` is as fast at one product, but what comes
between two products then goes through memory.

torch exports the function under its C++ name and promises nothing of it: `found()` multiplies two known matrices before it says that it
is there. Where it is not, callers go their other way.

Rows in pairs (oneDNN's VNNI): `B[k // 2, n, k % 2]`, so that two neighbours of a column are one 32-bit word.
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch
from llvmlite import ir
from numba.extending import intrinsic

from headwater.core.compiled import njit
from headwater.core.lanes import LIKE_IEEE
from headwater.core.team import gathered, halves_at, words_at

# at::native::cpublas: could_pack(ScalarType), brgemm(M, N, K, lda, ldb, ldc, add_C, A, B, C, is_vnni), brgemm_release(is_vnni)
_HAS, _MULTIPLY, _RELEASE = (
    f"_ZN2at6native7cpublas{name}"
    for name in ("10could_packEN3c1010ScalarTypeE", "6brgemmEllllllbPKN3c108BFloat16ES5_Pfb", "14brgemm_releaseEb")
)
_BF16 = 15  # c10::ScalarType::BFloat16
_U = np.uint32
_WORD = ir.IntType(64)  # of which a C++ bool reads the lowest byte

types: Any = numba.types


def found() -> tuple[int, int] | None:
    """Where `product` and `release` are in memory; None where this torch or this processor (without AMX) has them not, or nobody runs
    kernels that would call them (core/team.py), or oneDNN is switched off."""
    return _known() if torch.backends.mkldnn.enabled and gathered() is not None else None


@functools.cache
def _known() -> tuple[int, int] | None:
    for path in sorted((Path(torch.__file__).parent / "lib").glob("libtorch_cpu.*")):
        library = ctypes.CDLL(str(path))
        has, multiply, release = (getattr(library, name, None) for name in (_HAS, _MULTIPLY, _RELEASE))
        if has is None or multiply is None or release is None:
            return None
        has.argtypes, has.restype = [ctypes.c_int8], ctypes.c_bool
        if not has(_BF16):
            return None
        multiply.argtypes, multiply.restype = [ctypes.c_int64] * 6 + [ctypes.c_bool] + [ctypes.c_void_p] * 3 + [ctypes.c_bool], None
        release.argtypes, release.restype = [ctypes.c_bool], None
        a_MK, b_KN = torch.arange(64.0).view(2, 32).bfloat16(), torch.arange(512.0).remainder(7).view(32, 16).bfloat16()
        pairs, c_MN = b_KN.view(16, 2, 16).transpose(1, 2).contiguous(), torch.ones(2, 16)
        multiply(2, 16, 32, 32, 16, 16, True, a_MK.data_ptr(), pairs.data_ptr(), c_MN.data_ptr(), True)
        release(True)
        if torch.equal(c_MN, (a_MK.float()[:, :, None] * b_KN.float()).sum(1) + 1):  # autocast would round a product of torch's
            return _address(multiply), _address(release)
    return None


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _of_product(typing_context: Any, entry: Any, add: Any, M: Any, N: Any, K: Any, a_line: Any, b_line: Any, c_line: Any, a: Any, b: Any, c: Any) -> Any:  # fmt: skip  # noqa: E501
    """C = A B, with `add` (1, not 0) C += A B; a line's length is in elements, of B in pairs."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        entry, add, M, N, K, a_line, b_line, c_line, a, b, c = arguments
        called = builder.inttoptr(entry, ir.FunctionType(ir.VoidType(), [_WORD] * 11).as_pointer())
        builder.call(called, [M, N, K, a_line, b_line, c_line, add, a, b, c, _WORD(1)])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 11), generate


def _of_release(typing_context: Any, entry: Any) -> Any:
    """The thread's tiles are free for other products, as they must be before torch's next."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.call(builder.inttoptr(arguments[0], ir.FunctionType(ir.VoidType(), [_WORD]).as_pointer()), [_WORD(1)])
        return context.get_dummy_value()

    return types.void(types.int64), generate


product: Any = intrinsic(_of_product)
release: Any = intrinsic(_of_release)


@njit(**LIKE_IEEE)
def in_pairs(x: int, line: int, rows: int, columns: int, out: int) -> None:
    """Rows of `line` bytes, one after the other, in pairs: `out[row // 2, column]` is one word of both."""
    for row in range(0, rows, 2):
        a, b = halves_at(x + row * line, columns), halves_at(x + (row + 1) * line, columns)
        to = words_at(out + row * columns * 2, columns)
        for column in range(columns):
            to[column] = _U(a[column]) | (_U(b[column]) << _U(16))


@njit(**LIKE_IEEE)
def turned(x: int, line: int, rows: int, columns: int, out: int, out_line: int) -> None:
    """The transpose, in lines of `out_line` bytes: `out[column, row]`. A word of two rows is written at once."""
    pairs = out_line // 4
    to = words_at(out, columns * pairs)
    for row in range(0, rows, 2):
        a, b = halves_at(x + row * line, columns), halves_at(x + (row + 1) * line, columns)
        for column in range(columns):
            to[column * pairs + row // 2] = _U(a[column]) | (_U(b[column]) << _U(16))


@njit(**LIKE_IEEE)
def turned_in_pairs(x: int, line: int, rows: int, columns: int, out: int, out_line: int) -> None:
    """The transpose, in pairs: `out[column // 2, row]` is the word of two neighbours in a row; lines of `out_line` bytes."""
    to = words_at(out, columns // 2 * (out_line // 4))
    for row in range(rows):
        words = words_at(x + row * line, columns // 2)
        for pair in range(columns // 2):
            to[pair * (out_line // 4) + row] = words[pair]
