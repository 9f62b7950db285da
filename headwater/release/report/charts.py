"""What do the curves look like? Rows of figures in, Plotly figures (as JSON-able dicts) out.

Drawn in the light palette; `charts.js` recolours them for dark screens. Plotly reads a subset of HTML in its texts, so every
name that comes from data passes through `html.escape`.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from headwater.release.report.palette import FONT, LIGHT, SERIES
from headwater.release.report.words import Words

Points = Sequence[tuple[float, float | None]]
Heights = Sequence[float | None]
POINTS = 1500  # more than a screen is wide; more of them only weigh
WINDOW = 0.025  # of the run, to either side, that the smoothed curve looks at


def series(colour: int) -> str:
    return LIGHT[SERIES[colour % len(SERIES)]]


def curve(points: Points, name: str, colour: str, *, width: float = 2, markers: bool = False, dash: str = "solid") -> go.Scatter:
    """One line through `(x, y)`; a missing y is a gap."""
    kept = thin(points)
    return go.Scatter(
        x=[x for x, _ in kept],
        y=[_short(y) for _, y in kept],
        name=html.escape(name),
        mode="lines+markers" if markers or len(kept) == 1 else "lines",
        line={"color": colour, "width": width, "dash": dash},
        marker={"color": colour, "size": 6},
        hovertemplate="%{y:.4~g}",
        cliponaxis=False,
    )


def marks(points: Points, labels: list[str], notes: list[str], name: str) -> go.Scatter:
    """Numbered points that call for attention; `notes` are shown on hover."""
    return go.Scatter(
        x=[x for x, _ in points],
        y=[_short(y) for _, y in points],
        name=html.escape(name),
        mode="markers+text",
        text=labels,
        textposition="top center",
        textfont={"color": LIGHT["alarm"], "size": 13},
        marker={"color": LIGHT["alarm"], "size": 11, "symbol": "x-thin", "line": {"color": LIGHT["alarm"], "width": 2.5}},
        customdata=[html.escape(note) for note in notes],
        hovertemplate="%{customdata}",
    )


def level(figure: go.Figure, y: float, name: str) -> None:
    """A dashed horizontal line to compare with, named below its left end, where falling curves have not come yet."""
    figure.add_hline(
        y=y,
        line={"color": LIGHT["quiet"], "width": 1.5, "dash": "dash"},
        annotation_position="bottom left",
        annotation={"text": html.escape(name), "font": {"color": LIGHT["quiet"]}},
    )


def band(figure: go.Figure, begin: float, end: float, name: str) -> None:
    """Steps that were taken back, tinted and named at the top."""
    figure.add_vrect(
        x0=begin,
        x1=end,
        fillcolor=LIGHT["alarm"],
        opacity=0.12,
        line_width=0,
        annotation_position="top left",
        annotation={"text": html.escape(name), "font": {"color": LIGHT["alarm"], "size": 12}},
    )


def lines(traces: list[go.Scatter], *, y: str, words: Words, height: int = 300, **axis: Any) -> go.Figure:
    """A chart over training steps."""
    figure = go.Figure(traces)
    _dress(figure, height, showlegend=len(traces) > 1, hovermode="x unified")
    last = max((trace.x[-1] for trace in traces if len(trace.x)), default=1)
    figure.update_xaxes(title=_title(words("axis_step"), 6), range=[0, last], hoverformat=",d")
    figure.update_yaxes(title=_title(y, 8), **axis)
    return figure


def plane(traces: list[go.Scatter], *, x: str, y: str, log_x: bool = False, log_y: bool = False, height: int = 300) -> go.Figure:
    """Curves over any quantity, on logarithmic axes where asked; a decade has one tick."""
    figure = go.Figure(traces)
    _dress(figure, height, showlegend=len(traces) > 1, hovermode="x unified")
    decades = {"type": "log", "dtick": 1, "tickformat": "~s"}
    figure.update_xaxes(title=_title(x, 6), hoverformat=",.4~r", **(decades if log_x else {}))
    figure.update_yaxes(title=_title(y, 8), **(decades if log_y else {}))
    return figure


def bars(names: Sequence[str], heights: Heights, *, x: str, y: str, height: int = 260) -> go.Figure:
    """Columns of counts, one a name, in the order given."""
    trace = go.Bar(x=[html.escape(name) for name in names], y=list(heights), marker={"color": series(0)}, hovertemplate="%{x}: %{y:,}")
    figure = go.Figure(trace.update(name=""))
    _dress(figure, height, showlegend=False, bargap=0.25)
    figure.update_xaxes(title=_title(x, 6), type="category", automargin=True)
    figure.update_yaxes(title=_title(y, 8), rangemode="tozero")
    return figure


def columns(groups: Sequence[str], bars: Sequence[tuple[str, Heights, Heights]], *, y: str, height: int = 300) -> go.Figure:
    """Grouped columns with error bars: `bars` are (name, heights, standard errors), one height a group."""
    figure = go.Figure(
        [
            go.Bar(
                x=[html.escape(group) for group in groups],
                y=[_short(value) for value in values],
                error_y=_errors(errors),
                name=html.escape(name),
                marker={"color": series(0) if index == 0 else LIGHT["faint"]},
                hovertemplate="%{y:.4f}",
                texttemplate="%{y:.3f}",
                textposition="inside",
                insidetextanchor="start",
                textangle=0,
            )
            for index, (name, values, errors) in enumerate(bars)
        ]
    )
    _dress(figure, height, showlegend=len(bars) > 1, bargap=0.35, bargroupgap=0.08, uniformtext={"mode": "hide", "minsize": 10})
    figure.update_yaxes(title=_title(y, 8), rangemode="tozero")
    return figure


def shares(names: Sequence[str], values: Heights, errors: Heights, chance: Heights, *, x: str, words: Words) -> go.Figure:
    """Horizontal bars of shares with standard errors; a tick across each bar where chance would be."""
    labels = [html.escape(name) for name in names]
    bars = go.Bar(
        y=labels,
        x=[_short(value) for value in values],
        error_x=_errors(errors),
        orientation="h",
        name=words("model"),
        marker={"color": series(0), "opacity": 0.5},
        hovertemplate="%{x:.1%}",
        width=0.5,
    )
    ticks = go.Scatter(
        y=labels,
        x=[_short(value) for value in chance],
        mode="markers",
        name=words("chance"),
        marker={"symbol": "line-ns", "size": 34, "line": {"color": LIGHT["second"], "width": 3}},
        hovertemplate=words("chance") + " %{x:.1%}",
    )
    figure = go.Figure([bars, ticks])
    _dress(figure, 110 + 58 * len(names), showlegend=True, hovermode="y")
    figure.update_xaxes(title=_title(x, 6), range=[0, 1], tickformat=".0%")
    figure.update_yaxes(autorange="reversed", showgrid=False, ticks="", automargin=True)
    return figure


def as_data(figure: go.Figure) -> dict[str, Any]:
    """A figure as plain data, for the page to carry."""
    data: dict[str, Any] = json.loads(figure.to_json(engine="json"))
    return data


def thin(points: Points, limit: int = POINTS) -> list[tuple[float, float | None]]:
    """At most about `limit` points that look the same: of each stretch its lowest and its highest, so that no spike is lost."""
    if len(points) <= limit:
        return list(points)
    stretch = math.ceil(2 * len(points) / limit)
    kept = {0, len(points) - 1}
    for start in range(0, len(points), stretch):
        inside = range(start, min(start + stretch, len(points)))
        known = [index for index in inside if points[index][1] is not None] or [start]
        kept |= {min(known, key=lambda index: points[index][1] or 0.0), max(known, key=lambda index: points[index][1] or 0.0)}
    return [points[index] for index in sorted(kept)]


def smooth(points: Points) -> list[tuple[float, float | None]]:
    """A straight line fitted around every point (Cleveland 1979, without weights): follows the curve without lagging behind it."""
    known = [(x, y) for x, y in points if y is not None and math.isfinite(y)]
    if not known:
        return []
    x, y = np.array(known, np.float64).T
    around = max(2, round(WINDOW * len(known)))
    place = np.arange(len(known))
    first, stop = np.maximum(place - around, 0), np.minimum(place + around + 1, len(known))

    def mean(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        sums = np.concatenate([[0.0], np.cumsum(values)])
        means: np.ndarray[Any, Any] = (sums[stop] - sums[first]) / (stop - first)
        return means

    centred = x - x.mean()  # small numbers keep their digits in the sums
    mean_x, mean_y = mean(centred), mean(y)
    spread = mean(centred**2) - mean_x**2
    slope = np.divide(mean(centred * y) - mean_x * mean_y, spread, out=np.zeros_like(y), where=spread > 0)
    return list(zip(x.tolist(), (mean_y + slope * (centred - mean_x)).tolist(), strict=True))


def _dress(figure: go.Figure, height: int, **layout: Any) -> None:
    """The look that all charts share: no frame, faint grid, legend above, room only for what is said."""
    figure.update_layout(
        template={},
        height=height,
        margin={"l": 58, "r": 20, "t": 34 if layout.get("showlegend") else 14, "b": 46},
        font={"family": FONT, "size": 13, "color": LIGHT["ink"]},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "xanchor": "left"},
        hoverlabel={"bgcolor": LIGHT["raised"], "bordercolor": LIGHT["line"], "font": {"color": LIGHT["ink"], "family": FONT, "size": 13}},
        **layout,
    )
    both = {"gridcolor": LIGHT["line"], "linecolor": LIGHT["line"], "zerolinecolor": LIGHT["line"], "tickfont": {"color": LIGHT["quiet"]}}
    figure.update_xaxes(showgrid=False, showline=True, ticks="outside", tickcolor=LIGHT["line"], **both)
    figure.update_yaxes(showgrid=True, zeroline=False, **both)


def _title(text: str, standoff: int) -> dict[str, Any]:
    return {"text": text, "standoff": standoff, "font": {"size": 13, "color": LIGHT["quiet"]}}


def _errors(errors: Heights) -> dict[str, Any] | None:
    if not any(errors):
        return None
    return {"type": "data", "array": [_short(error) or 0 for error in errors], "color": LIGHT["ink"], "thickness": 1.5, "width": 5}


def _short(value: float | None) -> float | None:
    """Six significant digits: as exact as a screen, half as heavy. What is no number is a gap."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")
