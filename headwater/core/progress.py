"""Telling people (and machines) what goes on: one Reporter, three voices.

    report.say("3 of 7 stages are up to date")
    with report.bar("reading", total=42, unit="files") as bar:
        for file in files:
            bar.advance()                 # or bar.advance(n, loss=1.93)

On a terminal bars are live (rich); elsewhere a line is printed every ten seconds, so that a log says where it is; with
`--json` each event is one JSON object a line on stdout, and nothing else is printed there.
"""

from __future__ import annotations

import json
import math
import sys
import time
from types import TracebackType
from typing import Any

WIDE = 100  # columns of a terminal that has room for everything
QUIET_SECONDS = 10.0
JSON_SECONDS = 1.0


class Bar:
    """Progress of one piece of work; use as a context manager."""

    def __init__(self, reporter: Reporter, what: str, total: float | None, unit: str, done: float) -> None:
        self.reporter, self.what, self.total, self.unit = reporter, what, total, unit
        self.done = self.before = done
        self.figures: dict[str, Any] = {}
        self.started = time.monotonic()

    def __enter__(self) -> Bar:
        self.reporter._start(self)
        return self

    def advance(self, by: float = 1, **figures: Any) -> None:
        self.done += by
        self.figures.update(figures)
        self.reporter._update(self)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.reporter._finish(self, whole=kind is None)


class Reporter:
    """The plain voice: lines on stderr, a bar as a line every ten seconds."""

    def __init__(self) -> None:
        self._spoke: dict[Bar, float] = {}

    def say(self, message: str, **fields: Any) -> None:
        """One line for people; `fields` are what a machine would want to know of it."""
        print(message, file=sys.stderr, flush=True)

    def bar(self, what: str, total: float | None = None, unit: str = "", done: float = 0) -> Bar:
        """A bar of `total` units, of which `done` were done before (by a run that was interrupted, say)."""
        return Bar(self, what, total, unit, done)

    def _start(self, bar: Bar) -> None:
        self._spoke[bar] = bar.started

    def _update(self, bar: Bar) -> None:
        now = time.monotonic()
        if now - self._spoke[bar] >= QUIET_SECONDS:
            self._spoke[bar] = now
            self.say(_line(bar))

    def _finish(self, bar: Bar, whole: bool) -> None:
        if self._spoke.pop(bar) != bar.started and whole:
            self.say(_line(bar))

    def close(self) -> None:
        """Nothing to put back."""


class TerminalReporter(Reporter):
    """Live bars by rich; finished bars go away, lines stay."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.table import Column

        console = Console(stderr=True)
        self._wide = console.width >= WIDE
        # markup=False: file names have brackets, which rich would take for colours.
        columns = (
            TextColumn("  {task.description}", markup=False),
            BarColumn(bar_width=16 if self._wide else 4),
            TextColumn("{task.fields[count]}", markup=False),
            *((TimeElapsedColumn(), TextColumn("left", style="dim")) if self._wide else (TextColumn("left", style="dim"),)),
            TimeRemainingColumn(),
            TextColumn(
                "{task.fields[figures]}", style="dim", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)
            ),
        )
        self._live = Progress(*columns, expand=True, console=console, transient=True)
        self._tasks: dict[Bar, Any] = {}
        self._drawn: dict[Bar, float] = {}

    def say(self, message: str, **fields: Any) -> None:
        from rich.markup import escape

        self._live.console.print(escape(message), highlight=False, soft_wrap=True, emoji=False)

    def _start(self, bar: Bar) -> None:
        if not self._tasks:
            self._live.start()
        self._tasks[bar] = self._live.add_task(bar.what, total=bar.total, completed=int(bar.done), count="", figures="")
        self._drawn[bar] = 0.0

    def _update(self, bar: Bar) -> None:
        if (now := time.monotonic()) - self._drawn[bar] > 0.1:
            self._drawn[bar] = now
            count, figures = _count(bar, self._wide or not bar.figures), _figures(bar)
            self._live.update(self._tasks[bar], completed=bar.done, total=bar.total, count=count, figures=figures)

    def _finish(self, bar: Bar, whole: bool) -> None:
        task = self._tasks.pop(bar)
        if not self._tasks:
            self._live.stop()  # before the bar goes, else its last line stays on the screen
        self._live.remove_task(task)

    def close(self) -> None:
        self._live.stop()


class JsonReporter(Reporter):
    """Events as JSON lines on stdout."""

    def say(self, message: str, **fields: Any) -> None:
        self._write({"event": "message", "text": message, **fields})

    def _update(self, bar: Bar) -> None:
        now = time.monotonic()
        if now - self._spoke[bar] >= JSON_SECONDS:
            self._spoke[bar] = now
            self._progress(bar)

    def _finish(self, bar: Bar, whole: bool) -> None:
        self._spoke.pop(bar)
        self._progress(bar)

    def _progress(self, bar: Bar) -> None:
        seconds = round(max(0.0, time.monotonic() - bar.started), 2)
        self._write({"event": "progress", "what": bar.what, "done": bar.done, "total": bar.total, "unit": bar.unit, "seconds": seconds,
                     **bar.figures})  # fmt: skip

    def _write(self, event: dict[str, Any]) -> None:
        print(json.dumps(_finite(event), ensure_ascii=False, default=str, allow_nan=False), flush=True)


def reporter(as_json: bool = False) -> Reporter:
    """The voice that fits where we speak."""
    if as_json:
        return JsonReporter()
    return TerminalReporter() if sys.stderr.isatty() else Reporter()


def _finite(value: Any) -> Any:
    """JSON has no NaN: what is not finite is told as its name."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value


def _count(bar: Bar, with_unit: bool = True) -> str:
    total = f"/{bar.total:,.0f}" if bar.total else ""
    return f"{bar.done:,.0f}{total} {bar.unit if with_unit else ''}".strip()


def _figures(bar: Bar) -> str:
    return "  ".join(f"{name} {_said(value)}" for name, value in bar.figures.items())


def _said(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if type(value) is int else str(value)


def _line(bar: Bar) -> str:
    took = max(0.0, time.monotonic() - bar.started)
    now = bar.done - bar.before
    left = f", {took / now * (bar.total - bar.done):.0f} s left" if bar.total and now > 0 and bar.done < bar.total else ""
    return f"  {bar.what}: {_count(bar)}  {_figures(bar)}  ({took:.0f} s{left})"
