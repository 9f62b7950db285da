"""A reporter that keeps what was said, for tests that look at it."""

from __future__ import annotations

from typing import Any

from headwater.core.progress import Reporter


class Heard(Reporter):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def say(self, message: str, **fields: Any) -> None:
        self.lines.append(message)
