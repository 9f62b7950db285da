"""What was made from what? A layered drawing of the stages: one a row, in an order where every arrow points down.

A stage made from the one just above hangs on it by a short arrow. An input from further up comes along a lane at the right;
all arrows of one stage share its lane, and lanes that do not overlap share their place. Sizes are in SVG units (CSS pixels).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any

from headwater.release.report.evidence import Stage, Stages
from headwater.release.report.section import Section
from headwater.release.report.words import Words

BOX = (500, 66)
COLUMNS = 60  # of text that a box is wide; a CJK character takes two
GAP = 30
LANE = 22
MARGIN = 1


@dataclass(frozen=True)
class Lane:
    """One stage's way down the right side: rows `start` to `stop`, in column `place`."""

    start: int
    stops: tuple[int, ...]
    place: int


def section(stages: Stages, words: Words) -> Section:
    sources, strangers = parents(stages)
    order = rows(list(stages), sources)
    drawn = lanes(order, sources)
    boxes = [_box(stages[name], row, words) for row, name in enumerate(order)]
    width = BOX[0] + 2 * MARGIN + LANE * (max((lane.place for lane in drawn), default=-1) + 1) + (14 if drawn else 0)
    body = {
        "boxes": boxes,
        "paths": [*_short_arrows(order, sources), *(path for lane in drawn for path in _lane_paths(lane))],
        "heads": _heads(order, sources),
        "width": width,
        "height": len(order) * (BOX[1] + GAP) - GAP + 2 * MARGIN,
        "box": BOX,
        "strangers": strangers,
    }
    size = sum(stage.artifact.size for stage in stages.values() if stage.artifact)
    lead = words("lineage_lead", stages=words.many("stage", len(stages)), size=words.size(size))
    return Section("lineage", words("lineage_title"), lead, "lineage", body)


def parents(stages: Stages) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    """`{stage: stages it was made from}` and the `(stage, input)` whose artifact is not the workspace's current one.

    A stage is not made again when its input came out the same, so an input is known by its content as well.
    """
    known = {name: stage.artifact.manifest for name, stage in stages.items() if stage.artifact}
    found: dict[str, list[str]] = {name: [] for name in stages}
    strangers = []
    for name, manifest in known.items():
        for asked, made in manifest.inputs.items():
            match = [other for other, m in known.items() if made.fingerprint == m.fingerprint or made.content == m.content]
            match = [asked] if asked in match else match
            if match and match[0] != name:
                found[name].append(match[0])
            else:
                strangers.append((name, asked))
    return found, strangers


def rows(names: list[str], sources: dict[str, list[str]]) -> list[str]:
    """The stages in an order where each stands below what it was made from; else as they came."""
    order: list[str] = []
    waiting = list(names)
    while waiting:
        ready = next((name for name in waiting if set(sources[name]) <= set(order)), waiting[0])
        order.append(ready)
        waiting.remove(ready)
    return order


def lanes(order: list[str], sources: dict[str, list[str]]) -> list[Lane]:
    """The lanes that the long arrows need, the short ones inside, each in the first column that is free on its way."""
    row = {name: place for place, name in enumerate(order)}
    spans = []
    for name in order:
        stops = tuple(sorted(row[other] for other in order if name in sources[other] and row[other] > row[name] + 1))
        if stops:
            spans.append((row[name], stops))
    placed: list[Lane] = []
    for start, stops in sorted(spans, key=lambda span: (span[1][-1] - span[0], span[0])):
        taken = {lane.place for lane in placed if lane.start <= stops[-1] and start <= lane.stops[-1]}
        placed.append(Lane(start, stops, next(place for place in range(len(spans)) if place not in taken)))
    return placed


def _box(stage: Stage, row: int, words: Words) -> dict[str, Any]:
    time = stage.time
    figures = [words.duration(time.seconds)] if time else []
    if stage.artifact:
        figures.append(words.size(stage.artifact.size))
    manifest = stage.artifact.manifest if stage.artifact else None
    return {
        "name": words.name("stage", stage.name),
        "fingerprint": manifest.fingerprint[:8] if manifest else "",
        "key_figure": manifest.key_figure if manifest else words("unreadable"),
        "shown": _cut(manifest.key_figure if manifest else words("unreadable")),
        "figures": " · ".join(figures),
        "x": MARGIN,
        "y": _top(row),
    }


def _cut(text: str) -> str:
    """As much of a text as fits a box."""
    width = 0
    for place, character in enumerate(text):
        width += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if width > COLUMNS:
            return text[: place - 1] + "…"
    return text


def _top(row: int) -> int:
    return MARGIN + row * (BOX[1] + GAP)


def _short_arrows(order: list[str], sources: dict[str, list[str]]) -> list[str]:
    x = MARGIN + 40
    return [f"M{x} {_top(row) - GAP} V{_top(row) - 7}" for row, name in enumerate(order) if row and order[row - 1] in sources[name]]


def _lane_paths(lane: Lane) -> list[str]:
    """Out of the source's side, down the lane, and into the side of each that was made from it."""
    right = MARGIN + BOX[0]
    x = right + 20 + lane.place * LANE
    out = _top(lane.start) + BOX[1] - 8
    return [f"M{right} {out} H{x - 8} q8 0 8 8 V{_arrival(stop, lane) - 8} q0 8 -8 8 H{right + 7}" for stop in lane.stops]


def _arrival(row: int, lane: Lane) -> int:
    """Where a lane enters a box: inner lanes lower, so that they do not lie on each other."""
    return _top(row) + 44 - 10 * (lane.place % 4)


def _heads(order: list[str], sources: dict[str, list[str]]) -> list[str]:
    """Arrow heads as triangles: into the top of a box, or into its right side."""
    x, right = MARGIN + 40, MARGIN + BOX[0]
    down = [
        f"{x - 5},{_top(row) - 8} {x + 5},{_top(row) - 8} {x},{_top(row)}"
        for row, name in enumerate(order)
        if row and order[row - 1] in sources[name]
    ]
    left = []
    for lane in lanes(order, sources):
        for stop in lane.stops:
            y = _arrival(stop, lane)
            left.append(f"{right + 8},{y - 5} {right + 8},{y + 5} {right},{y}")
    return down + left
