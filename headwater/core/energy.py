"""How much energy does the processor use? In: the kernel's counters (Linux: RAPL under /sys/class/powercap). Out: joules since last asked.

Packages are counted (with the cores and caches inside them) and memory that stands beside them; a counter of the whole platform stands
in for both where there is no other. Most systems let only root read them: what cannot be read is not told (None), never guessed.
Energy is the machine's, other programs' on it included.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")
MICRO = 1e-6


@dataclass
class _Counter:
    """A counter of microjoules that starts again at 0 above `largest`."""

    file: Path
    largest: int
    last: int

    def advance(self) -> int:
        """Microjoules since the last call."""
        now = int(self.file.read_text())
        passed = now - self.last if now >= self.last else now + self.largest + 1 - self.last
        self.last = now
        return passed


class Energy:
    """The counters of this machine; `joules` is what they counted since it was last called (or since the beginning)."""

    def __init__(self, root: Path = POWERCAP) -> None:
        self._counters = _open(root)

    @property
    def told(self) -> bool:
        """Whether this machine tells it, and to us."""
        return bool(self._counters)

    def joules(self) -> float | None:
        if not self._counters:
            return None
        try:
            return sum(counter.advance() for counter in self._counters) * MICRO
        except (OSError, ValueError):  # taken away while we looked
            self._counters = []
            return None


def _open(root: Path) -> list[_Counter]:
    """Counters that add up without counting anything twice; none where one of them cannot be read."""
    try:
        zones = {zone: (zone / "name").read_text().strip() for zone in sorted(root.glob("*-rapl:*")) if (zone / "energy_uj").exists()}
        packages = [zone for zone, name in zones.items() if name.startswith("package")]
        # `dram` stands inside a package's folder, but not in its count; `core` and `uncore` are in it.
        chosen = packages + [zone for zone, name in zones.items() if name == "dram"]
        if not packages:
            chosen = [zone for zone, name in zones.items() if name == "psys"]
        return [
            _Counter(zone / "energy_uj", int((zone / "max_energy_range_uj").read_text()), int((zone / "energy_uj").read_text()))
            for zone in chosen
        ]
    except (OSError, ValueError):
        return []
