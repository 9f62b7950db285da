"""Who computes a kernel of ours? The threads that torch already has: a second pool beside them would wait for the same cores.

    @Kernel
    def _doubled(job):                 # runs on every thread of the team
        count = argument(job, 0)
        share = take(job)              # shares are taken one by one, each by one thread
        while share >= 0:
            x_N = floats(job, 1, begin(job, share, count), begin(job, share + 1, count))
            x_N[:] = 2 * x_N
            share = take(job)

    run(_doubled, 32, x.numel(), x)

torch's operators run on GNU's OpenMP, whose workers spin for a moment after each of them, so threads of Numba's own would run beside
spinning ones. `GOMP_parallel` (an entry of its stable binary interface since GCC 4.9, and of LLVM's library too) takes a C function
and runs it on the caller's team: the same workers, woken as for an operator of torch.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch
from llvmlite import ir
from numba.extending import intrinsic

from headwater.core.compiled import cache_of, njit

carray: Any = numba.carray  # type: ignore[attr-defined]
types: Any = numba.types
JOB = types.void(types.CPointer(types.int64))
_TAKEN, _SHARES, _FIRST = 0, 1, 2  # what stands where in a job: shares begun, shares there are, then the arguments


class Kernel:
    """`@Kernel`: a function of one argument, the job, compiled when it is first run."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    @functools.cached_property
    def address(self) -> int:
        numba.config.CACHE_DIR = str(cache_of(self.function.__module__))  # type: ignore[attr-defined]
        compiled: Any = numba.cfunc(JOB, cache=True)
        self.compiled = compiled(self.function)  # kept: its code must not go
        return self.compiled.address  # type: ignore[no-any-return]


@functools.cache
def gathered() -> Any:
    """How a function is run on torch's team; None where torch has no OpenMP library of its own that we know how to ask."""
    for path in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*")):
        parallel = getattr(ctypes.CDLL(str(path)), "GOMP_parallel", None)
        if parallel is not None:
            parallel.argtypes, parallel.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint], None
            return parallel
    return None


def run(kernel: Kernel, shares: int, *arguments: torch.Tensor | int) -> None:
    """`kernel` on torch's threads until all `shares` are done; tensors are told by where they begin.

    What a kernel does with memory nobody checks: it knows how its tensors lie, and their dtypes.
    """
    assert all(at.is_contiguous() for at in arguments if isinstance(at, torch.Tensor))
    said = [at.data_ptr() if isinstance(at, torch.Tensor) else at for at in arguments]
    job = np.array([0, shares, *said], dtype=np.int64)
    gathered()(kernel.address, job.ctypes.data, min(shares, torch.get_num_threads()), 0)


def _of_add_one(typing_context: Any, pointer: Any) -> Any:
    """The number at the pointer, which grows by one for all threads at once."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.atomic_rmw("add", arguments[0], ir.Constant(ir.IntType(64), 1), "seq_cst")

    return types.int64(pointer), generate


def _of_pointer(typing_context: Any, address: Any, kind: Any) -> Any:
    """An address as a pointer to numbers of the kind."""
    pointed = types.CPointer(kind.dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(pointed))

    return pointed(types.int64, kind), generate


_add_one: Any = intrinsic(_of_add_one)
_pointer: Any = intrinsic(_of_pointer)


@njit(inline="always")
def take(job: Any) -> int:
    """The next share that nobody has begun; -1 when none is left."""
    share: int = _add_one(job)
    return share if share < job[_SHARES] else -1


@njit(inline="always")
def argument(job: Any, place: int) -> int:
    return job[_FIRST + place]  # type: ignore[no-any-return]


@njit(inline="always")
def begin(job: Any, share: int, count: int) -> int:
    """Where the share begins, of `count` that are shared out; it ends where the next one begins."""
    return share * count // job[_SHARES]  # type: ignore[no-any-return]


@njit(inline="always")
def halves(job: Any, place: int, first: int, last: int) -> np.ndarray:
    """From `first` to `last` of a bf16 tensor, as uint16."""
    return carray(_pointer(job[_FIRST + place], np.uint16), last)[first:last]  # type: ignore[no-any-return]


@njit(inline="always")
def floats(job: Any, place: int, first: int, last: int) -> np.ndarray:
    """From `first` to `last` of an fp32 tensor."""
    return carray(_pointer(job[_FIRST + place], np.float32), last)[first:last]  # type: ignore[no-any-return]
