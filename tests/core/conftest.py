"""Disks that misbehave."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a small tmpfs with these options. Only root can; others get what permissions and RLIMIT_FSIZE give."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"may not mount ({done.stderr.strip()})")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def forbidden(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder that may not be written: by its permissions, or for root (who is above those) a read-only filesystem."""
    if os.geteuid() == 0:
        yield request.getfixturevalue("disk")("size=64k,ro")
        return
    place = tmp_path / "forbidden"
    place.mkdir(mode=0o555)
    yield place
    place.chmod(0o755)
