"""How fast can this machine multiply matrices at best? The measure that a run's speed is held against (its MFU).

    peak("bf16")  ->  1.71e12 FLOP/s        measured in half a second, then kept in $HEADWATER_CACHE/peak

A data sheet's figure would not do: nobody reaches it, clocks sink under load, and a container has a share of the cores. So it is the
best of some products at the shapes that models have (rows of tokens times a layer's weights), with as many threads as torch uses now.
Whatever else runs then makes it slower, never faster. So the first runs on a machine each measure it, and `headwater doctor` does again
whenever it is asked; the best is kept.

MFU, model FLOPs utilisation, is Chowdhery et al. 2022 (PaLM), appendix B: FLOPs that the model needs, over those of the peak.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

from headwater.core.errors import HeadwaterError
from headwater.core.fingerprint import hash_value
from headwater.core.hardware import cpu_has_bf16, processor
from headwater.core.storage import read_json, write_atomically

Format = Literal["fp32", "bf16"]

# (tokens, width in, width out). The small ones fit between two interruptions of a busy machine, the large ones are the fastest on a
# quiet one.
SHAPES = ((512, 384, 1536), (1024, 1024, 1024), (2048, 1024, 1024), (4096, 1536, 384))
SECONDS = 0.09  # for each shape and format: under a second in all
TIMES = 3  # that it is measured without being asked


def peak(format: Format) -> float | None:
    """FLOP/s of the fastest matrix product in this format on this machine; None for bf16 where there are no units."""
    kept = _kept()
    return (kept if kept.get("times", 0) >= TIMES else measure()).get(format)


def measure() -> dict[Format, float]:
    """Measure anew, and keep for each format the better of this and what was known: `{"fp32": 2.1e11, "bf16": 1.7e12}`."""
    formats: tuple[Format, ...] = ("fp32", "bf16") if cpu_has_bf16() else ("fp32",)
    found = {format: max(_rate(shape, format) for shape in SHAPES) for format in formats}
    kept = _kept()
    best = {format: max(rate, kept.get(format, 0.0)) for format, rate in found.items()}
    with suppress(OSError, HeadwaterError):  # a full or read-only disk costs half a second at the next start, no more
        _file().parent.mkdir(parents=True, exist_ok=True)
        write_atomically(_file(), json.dumps({**best, "times": kept.get("times", 0) + 1}))
    return best


def _kept() -> dict[str, float]:
    """What is known of this machine, and how many `times` it was measured; empty where nothing is, or what there is is damaged."""
    try:
        kept = read_json(_file())
        return {name: float(kept[name]) for name in (*(("fp32", "bf16") if cpu_has_bf16() else ("fp32",)), "times")}
    except (HeadwaterError, OSError, KeyError, TypeError, ValueError):
        return {}


def _file() -> Path:
    import torch

    root = Path(os.environ.get("HEADWATER_CACHE") or Path.home() / ".cache" / "headwater")
    return root / "peak" / f"{hash_value([processor(), torch.get_num_threads(), torch.__version__, SHAPES])[:16]}.json"


def _rate(shape: tuple[int, int, int], format: Format) -> float:
    """FLOP/s of the best of at least three products x_NI w_OIᵀ. Draws nothing from torch's own generator."""
    import torch

    rows, width_in, width_out = shape
    dtype = torch.bfloat16 if format == "bf16" else torch.float32
    draws = torch.Generator().manual_seed(0)
    x_NI = torch.randn(rows, width_in, generator=draws).to(dtype)
    w_OI = torch.randn(width_out, width_in, generator=draws).to(dtype)
    best = float("inf")
    with torch.inference_mode():
        torch.nn.functional.linear(x_NI, w_OI)  # the first call chooses a kernel
        until = time.perf_counter() + SECONDS
        done = 0
        while done < 3 or time.perf_counter() < until:
            started = time.perf_counter()
            torch.nn.functional.linear(x_NI, w_OI)
            best = min(best, time.perf_counter() - started)
            done += 1
    return 2.0 * rows * width_in * width_out / best
