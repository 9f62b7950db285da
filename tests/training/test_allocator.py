"""The allocator: a tensor that is freed and made again does not cost its pages again."""

from __future__ import annotations

import subprocess
import sys

import pytest

from headwater.training.allocator import keep_pages

FAULTS = """
import resource, sys, torch
from headwater.training.allocator import keep_pages
if sys.argv[1] == "keep":
    assert keep_pages()
def use():
    first, second = torch.ones(12 << 20), torch.ones(3 << 20)  # 48 MB, which glibc maps apart, and 12 MB
    return first.sum() + second.sum()
for _ in range(3):
    use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    return int(subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_pages_of_freed_tensors_are_used_again() -> None:
    """5 x 60 MB are 76,800 pages of 4 kB."""
    left = faults("leave")
    assert left > 10_000
    assert faults("keep") < left / 4


def test_another_system_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_pages() is False
