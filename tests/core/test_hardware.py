"""What the machine says of itself, against other ways to ask it."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

from headwater.core import hardware


def alone(test: str) -> None:
    """Run one function of this file in a process of its own: whoever has trained in this one keeps its pages (training/allocator.py)."""
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_hardware; test_hardware.{test}()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_peak_forgets_and_counts_anew() -> None:
    alone("forgets_and_counts_anew")


def forgets_and_counts_anew() -> None:
    hardware.reset_peak_memory()
    before = hardware.peak_memory_bytes()
    block = np.ones(64 << 20, np.uint8)
    high = hardware.peak_memory_bytes()
    del block
    assert high - before > 48 << 20
    assert high <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + (64 << 20)
    hardware.reset_peak_memory()
    assert hardware.peak_memory_bytes() < high


def test_the_environment_is_json_and_names_versions() -> None:
    environment = json.loads(json.dumps(hardware.environment()))
    assert environment["packages"]["numpy"] == np.__version__
    assert environment["cores"] >= 1
    assert environment["memory_gib"] > 0


def test_what_is_held_now_follows_what_is_held() -> None:
    alone("follows_what_is_held")


def follows_what_is_held() -> None:
    before = hardware.resident_bytes()
    block = np.ones(64 << 20, np.uint8)
    held = hardware.resident_bytes()
    assert before is not None and held is not None
    assert held - before > 48 << 20
    del block
