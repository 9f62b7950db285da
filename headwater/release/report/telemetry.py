"""How fast did a stage train, and what went on inside the network? Curves of journal/timing.jsonl and journal/norms.jsonl.

In: a stage's artifact. Out: figures by key (`chart_<key>` is the caption) and a sentence; both empty where the journal tells nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from statistics import median
from typing import Any

from headwater.release.report import charts
from headwater.release.report.evidence import Norms, Stage, Timing
from headwater.release.report.palette import LIGHT
from headwater.release.report.words import Words

USUAL = 0.98  # of the steps that are not odd ones
MOMENTS = 4  # of a run, at which the depth of the network is shown
# Parts of all layers together, in the order and colour in which they are drawn.
PARTS = ("embedding", "attention", "feed_forward", "head", "other")

Figure = dict[str, Any]


def read(stage: Stage) -> tuple[list[Timing], list[Norms]]:
    """The rows of both journals, the last word on each step."""
    timing = {row.step: row for row in stage.rows("journal/timing.jsonl", Timing)}
    norms = {row.step: row for row in stage.rows("journal/norms.jsonl", Norms)}
    return [timing[step] for step in sorted(timing)], [norms[step] for step in sorted(norms)]


def lead(timing: list[Timing], words: Words) -> str:
    """How fast it was, in a sentence."""
    rates = [row.tokens_per_second for row in timing if row.tokens_per_second is not None]
    if not rates:
        return ""
    said = [words("rate_lead", rate=words.count(median(rates)))]
    if shares := [row.mfu for row in timing if row.mfu is not None]:
        said.append(words("mfu_lead", share=words.percent(median(shares))))
    seconds, waited = sum(row.seconds for row in timing), [row.data_seconds for row in timing if row.data_seconds is not None]
    if waited and seconds:
        said.append(words("wait_lead", share=words.percent(sum(waited), seconds)))
    if joules := [row.joules for row in timing if row.joules is not None]:
        said.append(words("energy_lead", energy=words.figure(sum(joules) / 3.6e6, 3)))
    return words("speed_lead", said="".join(said))


def figures(timing: list[Timing], norms: list[Norms], words: Words) -> dict[str, Figure]:
    found = {
        "speed": _noisy([(row.step, row.tokens_per_second) for row in timing], words("axis_speed"), charts.series(1), words),
        "mfu": _noisy([(row.step, row.mfu) for row in timing], words("axis_mfu"), charts.series(0), words, tickformat=".2~%"),
        "memory": _memory(timing, words),
        "wait": _noisy([(row.step, _share(row)) for row in timing], words("axis_wait"), charts.series(4), words, tickformat=".1~%"),
        "parts": _by_part(norms, words("axis_parts"), words, lambda figures: figures.get("gradient")),
        "updates": _by_part(norms, words("axis_updates"), words, _ratio, type="log"),
        "depth": _depth(norms, words),
        "logits": _of_activations(norms, "logit", words("axis_logits"), charts.series(2), words),
        "dead": _of_activations(norms, "dead", words("axis_dead"), charts.series(3), words, tickformat=".1~%"),
    }
    return {key: figure for key, figure in found.items() if figure is not None}


def _share(row: Timing) -> float | None:
    return row.data_seconds / row.seconds if row.data_seconds is not None and row.seconds else None


def _noisy(points: charts.Points, name: str, colour: str, words: Words, **axis: Any) -> Figure | None:
    """Each step's figure, faint, and a smooth line through them."""
    if not (smoothed := charts.smooth(points)):
        return None
    raw = charts.curve(points, name, LIGHT["faint"], width=1)
    figure = charts.lines([raw, charts.curve(smoothed, words("loss_smoothed"), colour)], y=name, words=words, height=220,
                          **{"rangemode": "tozero", **axis})  # fmt: skip
    known = sorted(y for _, y in points if y is not None)
    usual = known[round(USUAL * (len(known) - 1))]
    if known[-1] > 3 * usual > 0:  # one odd step (the first, a pause) would press the rest flat
        figure.update_yaxes(range=[0, 1.5 * usual])
    return charts.as_data(figure.update_layout(showlegend=False, margin_t=14))


def _memory(timing: list[Timing], words: Words) -> Figure | None:
    kinds = (("memory_peak", "memory_bytes", 3), ("memory_now", "resident_bytes", 1))
    traces = []
    for name, key, colour in kinds:
        points = [(row.step, value / 1e9) for row in timing if (value := getattr(row, key)) is not None]
        if points:
            traces.append(charts.curve(points, words(name), charts.series(colour), width=1.5))
    return _lined(traces, words("axis_memory"), words, rangemode="tozero")


def _ratio(figures: dict[str, float | None]) -> float | None:
    """Of the update to the weights."""
    update, weight = figures.get("update"), figures.get("weight")
    return update / weight if update and weight else None


def _by_part(
    norms: list[Norms], name: str, words: Words, value: Callable[[dict[str, float | None]], float | None], **axis: Any
) -> Figure | None:
    traces = []
    for number, part in enumerate(PARTS):
        points = [(row.step, value(together)) for row in norms if (together := _together(row.parts, part))]
        if any(y is not None for _, y in points):
            traces.append(charts.curve(points, words(f"part_{part}"), charts.series(number), width=1.5, markers=len(points) <= MOMENTS))
    if axis.get("type") == "log":
        axis |= {"dtick": 1, "tickformat": ".0e", "range": _decades([y for trace in traces for y in trace.y if y])}
    return _lined(traces, name, words, **{"rangemode": "tozero", **axis})


def _decades(values: list[float]) -> list[int]:
    """Powers of ten around all values, so that at least two stand on the axis."""
    exponents = [math.log10(value) for value in values] or [0.0]
    low, high = math.floor(min(exponents)), math.ceil(max(exponents))
    return [low, max(high, low + 1)]


def _together(parts: dict[str, dict[str, float | None]], part: str) -> dict[str, float | None]:
    """The norms of one kind of part over all layers: squares add up. Empty where the network has no such part."""
    mine = [figures for name, figures in parts.items() if kind_of(name) == part]
    kinds = {kind for figures in mine for kind in figures}
    return {kind: _root([figures.get(kind) for figures in mine]) for kind in kinds}


def kind_of(name: str) -> str:
    """`blocks.3.attention` → `attention`; what is neither in a layer nor at an end of the network is `other`."""
    last = name.rpartition(".")[2]
    return last if last in PARTS else "other"


def _root(values: Iterable[float | None]) -> float | None:
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value**2
    return math.sqrt(total)


def _depth(norms: list[Norms], words: Words) -> Figure | None:
    """The stream's root mean square after each block, at some moments of the run, later ones darker."""
    known = [row for row in norms if any("rms" in figures for figures in row.activations.values())]
    places = sorted({round(number * (len(known) - 1) / (MOMENTS - 1)) for number in range(MOMENTS)}) if known else []
    traces = []
    for number, place in enumerate(places):
        row = known[place]
        layers = _in_order(row.activations)
        points: list[tuple[float, float | None]] = [(layer, figures.get("rms")) for layer, figures in enumerate(layers, 1)]
        last = number == len(places) - 1
        colour = LIGHT["accent"] if last else charts.series(number + 1)
        traces.append(charts.curve(points, words("at_step", step=words.exact(row.step)), colour, width=2.5 if last else 1.5, markers=True))
    if not traces:
        return None
    figure = charts.plane(traces, x=words("axis_block"), y=words("axis_rms"), height=280)
    figure.update_xaxes(hoverformat="d", tickformat="d", **({"dtick": 1} if len(traces[0].x) <= 12 else {}))
    figure.update_yaxes(rangemode="tozero")
    return charts.as_data(figure.update_layout(showlegend=True, margin_t=34))


def _in_order(activations: dict[str, dict[str, float | None]]) -> list[dict[str, float | None]]:
    """Blocks from the bottom up: an encoder's first, then by number."""
    place = {name: (not name.startswith("encoder"), [int(number) for number in re.findall(r"\d+", name)]) for name in activations}
    return [activations[name] for name in sorted(activations, key=place.__getitem__)]


def _of_activations(norms: list[Norms], key: str, name: str, colour: str, words: Words, **axis: Any) -> Figure | None:
    """The largest over all blocks, step by step; nothing where it is nought all the time."""
    points: list[tuple[float, float | None]] = []
    for row in norms:
        known = [value for figures in row.activations.values() if (value := figures.get(key)) is not None]
        points.append((row.step, max(known) if known else None))
    if not any(y for _, y in points):
        return None
    figure = charts.lines([charts.curve(points, name, colour, width=1.5)], y=name, words=words, height=280,
                          **{"rangemode": "tozero", **axis})  # fmt: skip
    return charts.as_data(figure)


def _lined(traces: list[Any], name: str, words: Words, **axis: Any) -> Figure | None:
    if not traces:
        return None
    figure = charts.lines(traces, y=name, words=words, height=280 if len(traces) > 1 else 220, **axis)
    return charts.as_data(figure)
