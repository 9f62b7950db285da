"""`kept`: tables that are the same at every start (what each character is …) are made once and read from the disk afterwards.

    @kept
    def classes() -> np.ndarray: …          an array, or a tuple of arrays, that depends on code, arguments and Python's Unicode data alone

Making one takes a tenth of a second, reading it a millisecond; a run needs half a dozen, in every process. The file stands in
`$HEADWATER_CACHE/tables`, under a hash of the code that makes it, the arguments and the versions (like a kernel, core.compiled): it cannot
be stale. Arrays are read-only. Where the file is damaged or cannot be written, the table is made anew.
"""

from __future__ import annotations

import functools
import io
import sys
import unicodedata
import zipfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

import numpy as np

from headwater.core.compiled import cache_of
from headwater.core.errors import HeadwaterError
from headwater.core.fingerprint import hash_value
from headwater.core.storage import write_atomically

F = TypeVar("F", bound=Callable[..., Any])
DAMAGE = (OSError, ValueError, EOFError, zipfile.BadZipFile)


def kept(function: F) -> F:
    """The function, with its results kept in memory and on the disk. Arguments are plain values."""

    @functools.cache
    def table(*arguments: Any) -> Any:
        key = hash_value([list(arguments), sys.version, unicodedata.unidata_version, np.__version__])[:16]
        path = cache_of(function.__module__, "tables") / f"{function.__name__}-{key}.npz"
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = [file[name] for name in file.files]
        except DAMAGE:
            made = function(*arguments)
            arrays = [*made] if isinstance(made, tuple) else [made]
            with suppress(OSError, HeadwaterError):  # a full or read-only disk costs time, no more
                data = io.BytesIO()
                np.savez(data, *arrays)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(path, data.getvalue())
        for array in arrays:
            array.flags.writeable = False
        return arrays[0] if len(arrays) == 1 else tuple(arrays)

    return cast(F, functools.wraps(function)(table))
