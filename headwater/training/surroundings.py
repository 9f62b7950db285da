"""Where is this run, and does it differ from where its checkpoint was written? For reproducing it, and for one sentence of warning.

In: this machine, the packages, the git commit of the folder that the command was given in. Out: a dict for the checkpoint's state; it
is compared with nothing but its like.
"""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Mapping
from typing import Any

from headwater.core.hardware import cpu_flags, environment

# Feature flags by which libraries choose among kernels, and kernels differ in the order of their sums.
CHOOSING = ("amx", "avx", "f16c", "fma", "sse", "asimd", "neon", "sve", "bf16", "i8mm")


def surroundings(processes: int) -> dict[str, Any]:
    """Machine, packages, commit, and how many processes train."""
    return {**_machine(os.getcwd()), "processes": processes}


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str | None:
    """What may change bits: "torch 2.12 (here 2.13) and another processor"; None when nothing does."""
    told = []
    was, now = there["packages"].get("torch"), here["packages"].get("torch")
    if was != now:
        told.append(f"torch {was} (here {now})")
    if there["flags"] != here["flags"]:
        told.append(f"another kind of processor ({there['processor']}, here {here['processor']})")
    if there["processes"] != here["processes"]:
        told.append(f"{there['processes']} process{'es' if there['processes'] > 1 else ''} (here {here['processes']})")
    return " and ".join(told) or None


@functools.cache
def _machine(folder: str) -> dict[str, Any]:
    flags = sorted(flag for flag in cpu_flags() if flag.startswith(CHOOSING))
    return {**environment(), "flags": flags, "commit": _commit(folder)}


def _commit(folder: str) -> str | None:
    """The commit that a folder is at, with `-dirty` where files differ from it; None outside of a git repository."""
    command = ["git", "--no-optional-locks", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):  # no git here, or a repository too large to ask
        return None
    return done.stdout.strip() or None
