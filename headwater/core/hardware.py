"""What this machine is: for `doctor`, for choosing a number format, and for the environment beside every artifact."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import resource
import shutil
import sys
from pathlib import Path
from typing import Any

MATRIX_FLAGS = ("amx_bf16", "avx512_bf16")


def cpu_flags() -> frozenset[str]:
    """The processor's feature flags (Linux; empty elsewhere)."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return frozenset(line.partition(":")[2].split())
    except OSError:
        pass
    return frozenset()


def cpu_has_bf16() -> bool:
    """Whether bf16 matrix products run in hardware; emulated ones would be slower than fp32."""
    return bool(cpu_flags() & set(MATRIX_FLAGS))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> int:
    """Memory this process may use: the machine's, or the container's limit."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            total = min(total, int(Path(limit).read_text()))
        except (OSError, ValueError):
            continue
    return total


def resident_bytes() -> int | None:
    """Memory that this process holds now (its resident set); None where the system does not say (not Linux)."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def peak_memory_bytes() -> int:
    """Most memory this process has held at once, since `reset_peak_memory` where the kernel can do that (Linux)."""
    if (told := _told_bytes("/proc/self/status", "VmHWM")) is not None:
        return told
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def data_bytes() -> int | None:
    """What RLIMIT_DATA counts of this process (Linux; else None)."""
    return _told_bytes("/proc/self/status", "VmData")


def available_bytes() -> int | None:
    """Memory that the machine could give without swapping (Linux; else None)."""
    return _told_bytes("/proc/meminfo", "MemAvailable")


def _told_bytes(file: str, name: str) -> int | None:
    """The kernel's `name: … kB`."""
    try:
        found = [line.split()[1] for line in Path(file).read_text().splitlines() if line.startswith(f"{name}:")]
    except OSError:
        return None
    return int(found[0]) * 1024 if found else None


def reset_peak_memory() -> None:
    """Start counting the peak anew, so that each stage has its own."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def environment() -> dict[str, Any]:
    """Machine, Python and package versions: enough to say where an artifact was made."""
    names = ("headwater", "torch", "numpy", "pyarrow", "tokenizers", "safetensors", "pydantic", "numba", "transformers")
    packages: dict[str, str] = {}
    for name in names:
        try:
            packages[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "platform": platform.platform(),
        "processor": processor(),
        "bf16": sorted(cpu_flags() & set(MATRIX_FLAGS)),
        "cores": cores(),
        "memory_gib": round(memory_bytes() / 2**30, 1),
        "disk_free_gib": round(shutil.disk_usage(".").free / 2**30, 1),
        "python": platform.python_version(),
        "packages": packages,
    }


def processor() -> str:
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
