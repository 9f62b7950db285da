"""When should a run stop before its end, keep what it has, and go on later?

At Ctrl-C, SIGTERM, SIGUSR1 (which schedulers send some time ahead of their limit: `sbatch --signal=USR1@120`), and when the time that the
recipe gives it (`checkpoints.time_limit`) is over. The step is finished, a checkpoint written, and the command ends with exit code 130.
A second Ctrl-C or SIGTERM leaves at once; SIGUSR1 is heard once and does not count as the first.
"""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
AHEAD = signal.SIGUSR1


class Interrupts:
    """Context manager; `requested` turns true at the first signal, or `seconds` after it was entered."""

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds = seconds
        self.reason: str | None = None

    @property
    def requested(self) -> bool:
        if self.reason is None and self.seconds is not None and time.monotonic() - self._began >= self.seconds:
            self.reason = f"the time limit of {self.seconds:,g} s is reached"
        return self.reason is not None

    def __enter__(self) -> Interrupts:
        self._began = time.monotonic()  # no clock that somebody can set
        self._before: dict[signal.Signals, Any] = {}
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
            self._before[AHEAD] = signal.signal(AHEAD, self._hear)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._hear(number, frame)
        self._restore(SIGNALS)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.reason = self.reason or f"{signal.Signals(number).name} came"

    def _restore(self, numbers: tuple[signal.Signals, ...]) -> None:
        for number in numbers:
            if number in self._before:
                signal.signal(number, self._before[number])

    def __exit__(self, *_: object) -> None:
        self._restore((*SIGNALS, AHEAD))
