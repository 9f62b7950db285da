"""Where does the time of a step go? torch's profiler around a few steps, told as two tables.

In: `watch.profile` and the network. Out: journal/profile.md (our own ranges by time, operators by their own time) and
journal/profile.json.gz, a trace for chrome://tracing or ui.perfetto.dev. The tables are said when the last of the steps is done.

Ranges stand inside each other (`forward and loss` holds layers, and these attention), operators do not: their own times add up to the
whole. Where a block is compiled its parts cannot be told apart. Profiling makes a step slower; before and after it nothing of it is there.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function

from headwater.core.progress import Reporter
from headwater.model.network import Network
from headwater.training.watch_config import ProfileConfig

OPERATORS = 15  # in the table
OURS = "headwater/"  # what the names of our ranges begin with in the trace
MODULES = {  # ranges of the forward pass, by what a module's name ends with
    "embedding": "forward: embedding",
    "encoder": "forward: encoder",
    "stack": "forward: layers",
    "attention": "forward: attention",
    "cross": "forward: cross-attention",
    "feed_forward": "forward: feed-forward",
}
BEFORE_HEAD = ("forward: embedding", "forward: encoder", "forward: layers")  # what is left of `forward and loss` is the head and the loss


@dataclass(frozen=True)
class Row:
    """A range or an operator: milliseconds of one step (the whole, or its own), share of the step's time, calls in a step."""

    name: str
    milliseconds: float
    share: float
    calls: float


class Profiler:
    """Call `begin` before each step and `end` after it; `span` names a range while it is on, and costs nothing while it is not."""

    def __init__(self, config: ProfileConfig | None, journal: Path, name: str, network: Network, report: Reporter) -> None:
        self.config = None if (journal / "profile.md").exists() else config
        self.journal, self.name, self.network, self.report = journal, name, network, report
        self._on: profile | None = None
        self._hooks = contextlib.ExitStack()
        self._step = contextlib.ExitStack()
        self._left = 0

    def span(self, what: str) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext() if self._on is None else record_function(OURS + what)

    def begin(self, step: int) -> None:
        """`step` steps are done."""
        if self.config is None or step < self.config.after:
            return
        if self._on is None:
            self._left = self.config.steps
            self._hooks.enter_context(_ranges(self.network))
            self._on = profile(activities=[ProfilerActivity.CPU])
            self._on.start()
        self._step.close()  # of a step that broke off
        self._step.enter_context(self.span("step"))

    def end(self, step: int) -> None:
        if self._on is None or self.config is None:
            return
        self._step.close()
        self._left -= 1
        if self._left == 0:
            self._tell(step, self.config.steps)

    def close(self, step: int) -> None:
        """The run ends; where too few steps were left, what there is is told."""
        if self._on is not None and self.config is not None and self._left < self.config.steps:
            self._tell(step, self.config.steps - self._left)
        elif self.config is not None:
            self._stop()
            self.report.say(f"{self.name}: nothing was profiled, as the run ended before (watch.profile.after)")

    def _stop(self) -> profile | None:
        """Take everything off the run."""
        self._step.close()
        self._hooks.close()
        self.config, was, self._on = None, self._on, None
        if was is not None:
            was.stop()
        return was

    def _tell(self, last: int, steps: int) -> None:
        on = self._stop()
        assert on is not None
        ranges, operators = tables(on, steps)
        first = last - steps + 1
        heading = f"steps {first:,} to {last:,}" if steps > 1 else f"step {last:,}"
        on.export_chrome_trace(str(self.journal / "profile.json.gz"))
        (self.journal / "profile.md").write_text(as_markdown(heading, ranges, operators), encoding="utf-8")
        said = as_text(heading, ranges, operators)
        self.report.say(f"{self.name}: {said}", profile=str(self.journal / "profile.md"))


@contextlib.contextmanager
def _ranges(network: Network) -> Iterator[None]:
    """While it holds, the parts of the forward pass are ranges."""
    with contextlib.ExitStack() as hooks:
        for name, module in network.named_modules():
            if (part := MODULES.get(name.rpartition(".")[2])) is not None:
                for hook in _around(module, OURS + part):
                    hooks.callback(hook.remove)
        yield


def _around(module: nn.Module, name: str) -> list[Any]:
    """A range from before a module's forward pass to after it."""
    open_ranges: list[contextlib.ExitStack] = []

    def enter(*_: Any) -> None:
        open_ranges.append(contextlib.ExitStack())
        open_ranges[-1].enter_context(record_function(name))

    def leave(*_: Any) -> None:
        open_ranges.pop().close()

    return [module.register_forward_pre_hook(enter), module.register_forward_hook(leave, always_call=True)]


def tables(profiled: profile, steps: int) -> tuple[list[Row], list[Row]]:
    """Our ranges by their whole time, and operators by their own, per step."""
    averages = profiled.key_averages()
    step_time = sum(event.cpu_time_total for event in averages if event.key == f"{OURS}step")
    own = sum(event.self_cpu_time_total for event in averages)
    ranges = [
        Row(event.key.removeprefix(OURS), event.cpu_time_total / steps / 1e3, event.cpu_time_total / (step_time or 1), event.count / steps)
        for event in averages
        if event.key.startswith(OURS)
    ]
    operators = [
        Row(event.key, event.self_cpu_time_total / steps / 1e3, event.self_cpu_time_total / (own or 1), event.count / steps)
        for event in averages
        if not event.key.startswith(OURS)
    ]
    spent = {row.name: row for row in ranges}
    if (whole := spent.get("forward and loss")) is not None:
        before = [spent[name] for name in BEFORE_HEAD if name in spent]
        left = whole.milliseconds - sum(row.milliseconds for row in before), whole.share - sum(row.share for row in before)
        ranges.append(Row("forward: head and loss", *left, whole.calls))
    by_time = lambda row: -row.milliseconds  # noqa: E731
    return sorted(ranges, key=by_time), sorted(operators, key=by_time)[:OPERATORS]


TITLES = (
    ("Range", "ms a step", "share of the step", "calls a step"),
    ("Operator", "own ms a step", "share of all own time", "calls a step"),
)


def as_markdown(heading: str, ranges: list[Row], operators: list[Row]) -> str:
    lines = [f"# Where the time went: {heading}", "", "The trace beside it, profile.json.gz, opens in ui.perfetto.dev.", ""]
    for titles, rows in zip(TITLES, (ranges, operators), strict=True):
        lines += [f"| {' | '.join(titles)} |", "|---|---:|---:|---:|"]
        lines += [f"| {row.name.replace('|', '/')} | {row.milliseconds:,.2f} | {row.share:.1%} | {row.calls:,.1f} |" for row in rows]
        lines.append("")
    return "\n".join(lines)


def as_text(heading: str, ranges: list[Row], operators: list[Row]) -> str:
    """The same for a terminal, at most 80 columns wide."""
    from rich.console import Console
    from rich.table import Table

    out = io.StringIO()
    console = Console(file=out, width=80, no_color=True)
    for titles, rows in zip(TITLES, (ranges, operators), strict=True):
        table = Table(box=None, pad_edge=False)
        for title in titles:
            table.add_column(title, justify="left" if title == titles[0] else "right", overflow="ellipsis", no_wrap=True)
        for row in rows:
            table.add_row(row.name, f"{row.milliseconds:,.2f}", f"{row.share:.1%}", f"{row.calls:,.1f}")
        console.print(table)
        console.print()
    return f"where the time of {heading} went\n\n{out.getvalue().rstrip()}"
