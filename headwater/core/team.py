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

import contextlib
import ctypes
import functools
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

from headwater.core.compiled import SETTING, cache_of, njit

carray: Any = numba.carray  # type: ignore[attr-defined]
types: Any = numba.types
JOB = types.void(types.CPointer(types.int64))
_TAKEN, _JOINED, _SHARES, _FIRST = 0, 1, 2, 3  # what stands where in a job: shares begun, threads that came, shares, then the arguments


class Kernel:
    """`@Kernel`: a function of one argument, the job, compiled when it is first run, or `soon`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.compiled: Any = None

    @property
    def address(self) -> int:
        if self.compiled is None:
            with SETTING:
                if self.compiled is None:
                    numba.config.CACHE_DIR = str(cache_of(self.function.__module__))  # type: ignore[attr-defined]
                    make: Any = numba.cfunc(JOB, cache=True)
                    self.compiled = make(self.function)
        return self.compiled.address  # type: ignore[no-any-return]


def soon(kernels: Iterable[Kernel]) -> threading.Thread:
    """Compile these beside what goes on; whoever runs one that is not ready waits for it."""

    def compile_them() -> None:
        for kernel in kernels:
            if threading.main_thread().is_alive():  # the program has not ended meanwhile
                with contextlib.suppress(Exception):  # who runs it is told
                    _ = kernel.address

    thread = threading.Thread(target=compile_them, name="kernels")
    thread.start()
    return thread


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
    Job(kernel, shares, *[at.data_ptr() if isinstance(at, torch.Tensor) else at for at in arguments]).run()


class Job:
    """A kernel with its arguments, for whoever runs it again and again: `job.tell(place, address)` changes one of them."""

    def __init__(self, kernel: Kernel, shares: int, *arguments: int) -> None:
        self.address, self.shares = kernel.address, shares
        self.words = np.array([0, 0, shares, *arguments], dtype=np.int64)
        self.at = self.words.ctypes.data

    def tell(self, place: int, argument: int) -> None:
        self.words[_FIRST + place] = argument

    def run(self) -> None:
        self.words[:_SHARES] = 0
        gathered()(self.address, self.at, min(self.shares, torch.get_num_threads()), 0)


def scratch(room: int) -> tuple[torch.Tensor, int]:
    """So many bytes for each thread (see `join`), and how many lie from one thread's to the next's: whole pages."""
    pages = -(-room // 4096) * 4096
    return torch.empty(torch.get_num_threads() * pages, dtype=torch.uint8), pages


def word_of(x: float) -> int:
    """The bits of an fp32 number, as a job takes them."""
    return int(np.float32(x).view(np.int32))


def _of_add_one(typing_context: Any, pointer: Any, place: Any) -> Any:
    """The number at that place behind the pointer, which grows by one for all threads at once."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.atomic_rmw("add", builder.gep(arguments[0], [arguments[1]]), ir.Constant(ir.IntType(64), 1), "seq_cst")

    return types.int64(pointer, types.int64), generate


def _of_pointer(typing_context: Any, address: Any, kind: Any) -> Any:
    """An address as a pointer to numbers of the kind."""
    pointed = types.CPointer(kind.dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(pointed))

    return pointed(types.int64, kind), generate


def _of_fetch(typing_context: Any, address: Any) -> Any:
    """The line of cache at that address is wanted soon."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")  # type: ignore[no-untyped-call]
        builder.call(fetch, [builder.inttoptr(arguments[0], pointer), number(0), number(2), number(1)])  # to read; second level; data
        return context.get_dummy_value()

    return types.void(types.int64), generate


_add_one: Any = intrinsic(_of_add_one)
_fetch: Any = intrinsic(_of_fetch)
_pointer: Any = intrinsic(_of_pointer)


@njit(inline="always")
def take(job: Any) -> int:
    """The next share that nobody has begun; -1 when none is left."""
    share: int = _add_one(job, _TAKEN)
    return share if share < job[_SHARES] else -1


@njit(inline="always")
def argument(job: Any, place: int) -> int:
    return job[_FIRST + place]  # type: ignore[no-any-return]


@njit(inline="always")
def begin(job: Any, share: int, count: int) -> int:
    """Where the share begins, of `count` that are shared out; it ends where the next one begins."""
    return share * count // job[_SHARES]  # type: ignore[no-any-return]


@njit(inline="always")
def join(job: Any) -> int:
    """Which thread of the team this is, from 0 on: whose scratch memory it may use. To be asked once."""
    return _add_one(job, _JOINED)  # type: ignore[no-any-return]


@njit
def fetch(x: int, line: int, rows: int, length: int) -> None:
    """So many bytes of each row are wanted soon; a processor does not guess where the next row is if it is far."""
    for row in range(rows):
        for at in range(0, length, 64):
            _fetch(x + row * line + at)


@njit(inline="always")
def halves(job: Any, place: int, first: int, last: int) -> np.ndarray:
    """From `first` to `last` of a bf16 tensor, as uint16."""
    return halves_at(job[_FIRST + place], last)[first:last]


@njit(inline="always")
def floats(job: Any, place: int, first: int, last: int) -> np.ndarray:
    """From `first` to `last` of an fp32 tensor."""
    return floats_at(job[_FIRST + place], last)[first:last]


@njit(inline="always")
def halves_at(address: int, count: int) -> np.ndarray:
    return carray(_pointer(address, np.uint16), count)  # type: ignore[no-any-return]


@njit(inline="always")
def floats_at(address: int, count: int) -> np.ndarray:
    return carray(_pointer(address, np.float32), count)  # type: ignore[no-any-return]


@njit(inline="always")
def words_at(address: int, count: int) -> np.ndarray:
    return carray(_pointer(address, np.uint32), count)  # type: ignore[no-any-return]


@njit(inline="always")
def flags_at(address: int, count: int) -> np.ndarray:
    return carray(_pointer(address, np.uint8), count)  # type: ignore[no-any-return]
