"""Counters of energy: added up without counting twice, across their overflow; what cannot be read is not told."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.core.energy import Energy


def zone(root: Path, folder: str, name: str, microjoules: int, largest: int = 1_000_000_000) -> Path:
    """A counter as the kernel shows it: all zones stand side by side, a package's parts under its number."""
    path = root / folder
    path.mkdir(parents=True)
    (path / "name").write_text(name + "\n")
    (path / "max_energy_range_uj").write_text(f"{largest}\n")
    (path / "energy_uj").write_text(f"{microjoules}\n")
    return path / "energy_uj"


@pytest.fixture
def two_sockets(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "intel-rapl").mkdir()  # the control type itself: no counter
    names = {"intel-rapl:0": "package-0", "intel-rapl:1": "package-1", "intel-rapl:0:0": "core", "intel-rapl:0:1": "dram",
             "intel-rapl:1:0": "dram", "intel-rapl:2": "psys"}  # fmt: skip
    return {folder: zone(tmp_path, folder, name, 500) for folder, name in names.items()}


def test_packages_and_memory_add_up_and_nothing_counts_twice(two_sockets: dict[str, Path], tmp_path: Path) -> None:
    energy = Energy(tmp_path)
    assert energy.told
    for power, file in zip((1, 2, 4, 8, 16, 32), two_sockets.values(), strict=True):
        file.write_text(str(500 + power * 1_000_000))
    assert energy.joules() == pytest.approx(1 + 2 + 8 + 16)  # not the cores, which are in the package, nor the platform
    assert energy.joules() == 0.0


def test_a_counter_that_begins_again(tmp_path: Path) -> None:
    file = zone(tmp_path, "intel-rapl:0", "package-0", 9_000_000, largest=9_999_999)
    energy = Energy(tmp_path)
    file.write_text("2000000")
    assert energy.joules() == pytest.approx(3.0)
    file.write_text("2500000")
    assert energy.joules() == pytest.approx(0.5)


def test_the_platform_stands_in_where_there_is_no_package(tmp_path: Path) -> None:
    file = zone(tmp_path, "intel-rapl:0", "psys", 0)
    energy = Energy(tmp_path)
    file.write_text("7000000")
    assert energy.joules() == pytest.approx(7.0)


@pytest.mark.fault
@pytest.mark.parametrize("what", ["nothing", "forbidden", "garbage"])
def test_what_cannot_be_read_is_not_told(tmp_path: Path, what: str) -> None:
    if what == "forbidden":  # as for anyone but root; tests may run as root, whom a mode does not stop, so a folder stands in
        file = zone(tmp_path, "intel-rapl:0", "package-0", 0)
        file.unlink()
        file.mkdir()
    elif what == "garbage":
        zone(tmp_path, "intel-rapl:0", "package-0", 0).write_text("many")
    energy = Energy(tmp_path)
    assert not energy.told
    assert energy.joules() is None


@pytest.mark.fault
def test_a_counter_that_goes_away_ends_the_telling(two_sockets: dict[str, Path], tmp_path: Path) -> None:
    energy = Energy(tmp_path)
    two_sockets["intel-rapl:1"].unlink()
    assert energy.joules() is None
    assert not energy.told
