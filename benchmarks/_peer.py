"""What every benchmark needs besides its own matter: a peer in an environment of its own, the machine, and the last line."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CACHE = Path(os.environ.get("HEADWATER_CACHE", Path.home() / ".cache" / "headwater")) / "peers"
PINS = Path(__file__).parents[1] / "constraints.txt"


def environment(*requirements: str) -> Path:
    """The Python of a virtual environment that has these packages; made at the first call (pip install), cached afterwards."""
    key = hashlib.sha256("\n".join([sys.version, *sorted(requirements)]).encode()).hexdigest()[:12]
    folder = CACHE / f"{requirements[0].partition('=')[0].partition('[')[0]}-{key}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", PINS, *requirements], check=True)
        (folder / "complete").touch()
    return python


def checkout(name: str) -> Path:
    """A peer that is only a repository: `$HEADWATER_PEERS/<name>`. Without it the script says so and exits 3."""
    folder = Path(os.environ.get("HEADWATER_PEERS", "")) / name
    if "HEADWATER_PEERS" not in os.environ or not folder.is_dir():
        print(f"no checkout of {name}: put one into a folder and set HEADWATER_PEERS to that folder", file=sys.stderr)
        raise SystemExit(3)
    return folder


def machine() -> str:
    """CPU model and number of cores in use."""
    names = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {len(os.sched_getaffinity(0))} cores"


def summary(name: str, ours: Sequence[float], peer: Sequence[float], unit: str, **more: Any) -> None:
    """Print the last line: medians of rates (higher is better), their ratio, and the spread of the ratio over the rounds."""
    ratios = [mine / theirs for mine, theirs in zip(ours, peer, strict=True)]
    spread = [round(min(ratios), 3), round(max(ratios), 3)]
    figures = {"ours": round(statistics.median(ours), 4), "peer": round(statistics.median(peer), 4)}
    line = {"name": name, **figures, "unit": unit, "ratio": round(statistics.median(ratios), 3), "seeds": len(ratios), "spread": spread}
    print(json.dumps({**line, **more, "machine": machine()}))
