"""`headwater status`: what a workspace holds, a line a stage."""

from __future__ import annotations

import json
import os
import statistics
from pathlib import Path
from typing import Any

from headwater.core.artifact import JOURNAL, Workspace
from headwater.core.errors import HeadwaterError
from headwater.core.storage import read_json
from headwater.recipe.stages import STAGES

RECENT = 20  # steps that a run's speed is the median of
TAIL_BYTES = 1 << 17
WIDE = 200  # characters of a line where nobody's window ends


def open_workspace(root: Path) -> Workspace:
    if not (root / "artifacts").is_dir():
        raise HeadwaterError("is no workspace (it has no artifacts/)", where=root, mend="name the folder that `headwater run` wrote to")
    return Workspace(root)


def status(root: Path, as_json: bool) -> None:
    workspace = open_workspace(root)
    rows = [row for stage in STAGES if (row := _row(workspace, stage.name)) is not None]
    if as_json:
        for row in rows:
            print(json.dumps(row, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, side in (("stage", "left"), ("state", "left"), ("time", "right"), ("size", "right"), ("", "left")):
        table.add_column(name, justify=side)  # type: ignore[arg-type]
    for row in rows:
        seconds = "" if row["seconds"] is None else duration(row["seconds"])
        table.add_row(row["stage"], row["state"], seconds, size(row["bytes"]), row["key_figure"])
    console = Console()
    (console if console.is_terminal else Console(width=WIDE)).print(table)


def _row(workspace: Workspace, stage: str) -> dict[str, Any] | None:
    """A stage that is there or in the making; None for one that never ran."""
    partial = workspace.partial(stage)
    try:
        artifact = workspace.current(stage)
    except HeadwaterError as error:
        return {"stage": stage, "state": "damaged", "seconds": None, "bytes": 0, "key_figure": str(error)}
    if artifact is None and not partial:
        return None
    if artifact is None:
        figures = _training(partial[-1])
        parts = len(list(partial[-1].glob("part-*.parquet")))
        said = _said(figures) if figures else f"{parts:,} parts" if parts else ""
        return {"stage": stage, "state": "in progress", "seconds": None, "bytes": _bytes(partial[-1]), "key_figure": said, **figures}
    times = artifact.path / JOURNAL / "time.json"
    return {
        "stage": stage,
        "state": "done, another in progress" if partial else "done",
        "seconds": read_json(times)["seconds"] if times.exists() else None,
        "bytes": artifact.size,
        "key_figure": artifact.manifest.key_figure,
        "fingerprint": artifact.manifest.fingerprint,
        "content": artifact.manifest.content,
        "path": str(artifact.path),
    }


def _training(folder: Path) -> dict[str, Any]:
    """Where a run in progress is: step, loss, and how fast it went over its last steps; empty for other stages."""
    metrics = _last_rows(folder / "metrics.jsonl")
    if not metrics:
        return {}
    timing = _last_rows(folder / JOURNAL / "timing.jsonl")[-RECENT:]
    figures: dict[str, Any] = {"step": timing[-1]["step"] if timing else metrics[-1]["step"]}
    losses = [row["loss"] for row in metrics if row["kind"] == "train" and row["loss"] is not None]
    figures |= {"loss": losses[-1]} if losses else {}
    for name in ("tokens_per_second", "mfu"):
        known = [row[name] for row in timing if name in row]
        figures |= {name: statistics.median(known)} if known else {}
    return figures


def _last_rows(path: Path) -> list[dict[str, Any]]:
    """The rows in the last part of a log, which may be long."""
    if not path.exists():
        return []
    with open(path, "rb") as file:
        begin = max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES)
        file.seek(begin)
        lines = file.read().split(b"\n")
    return [json.loads(line) for line in (lines[1:-1] if begin else lines[:-1])]  # the last is empty, or still being written


def _said(figures: dict[str, Any]) -> str:
    words = {"step": "step {:,}", "loss": "loss {:.4g}", "tokens_per_second": "{:,.0f} tokens/s", "mfu": "MFU {:.1%}"}
    return ", ".join(words[name].format(value) for name, value in figures.items())


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
