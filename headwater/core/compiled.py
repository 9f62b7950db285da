"""`njit`: Numba's compiler, with a cache on disk that cannot be stale.

Numba keeps a compiled function until its own file changes, and does not see a change in a function that it calls from another
file: after an update the old kernel would go on running. Here the cache of a module is kept under a hash of its code and of all
that it imports (core.fingerprint), in `$HEADWATER_CACHE/kernels` (~/.cache/headwater/kernels). Kernels are compiled at their first
call, once for each machine and version, and run without Python's lock.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, overload

import numba

from headwater.core.fingerprint import closure_of, hash_value

# Numba's folder for what it keeps is a setting of the whole process, read when a function is made.
SETTING = threading.RLock()

F = TypeVar("F", bound=Callable[..., Any])


@overload
def njit(function: F, /) -> F: ...


@overload
def njit(**options: Any) -> Callable[[F], F]: ...


def njit(function: Any = None, /, **options: Any) -> Any:
    """`@njit` or `@njit(fastmath=True)`: numba.njit, cached and without the lock."""
    if function is None:
        return lambda given: njit(given, **options)
    with SETTING:
        numba.config.CACHE_DIR = str(cache_of(function.__module__))  # type: ignore[attr-defined]
        return numba.njit(function, **{"cache": True, "nogil": True, **options})


def cache_of(module: str, kind: str = "kernels") -> Path:
    """Where the kernels of a module are kept (its tables: core.kept); another place as soon as any code that they can call is another."""
    root = Path(os.environ.get("HEADWATER_CACHE") or Path.home() / ".cache" / "headwater")
    return root / kind / f"{module.rpartition('.')[2]}-{hash_value(closure_of(module)[0])[:16]}"
