"""How are compared tokenizers shown? Rows come in, a Markdown table or one self-contained HTML page with its charts goes out.

Choose by it so: a larger vocabulary makes texts shorter, each step is one token, and the table of tokens takes a larger share of the
parameters; a good size is where the curve of bytes per token has begun to flatten while that share is still small.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from headwater.tokens.comparison import Comparison, Row

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c")  # Okabe and Ito 2008: told apart by all eyes
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
STYLE = """
:root { color-scheme: light; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #8884; text-align: right }
th:first-child, td:first-child { text-align: left }
.scroll { overflow-x: auto }
"""


def as_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """The rows as plain data, for machines."""
    return [asdict(row) for row in comparison.rows]


def languages(comparison: Comparison) -> list[str]:
    """The languages of the held-out text, those with the most of it first; where it has only one, none apart from `all`."""
    ordered = sorted(comparison.measured_on, key=lambda code: (-comparison.measured_on[code], code))
    return ordered if len(ordered) > 1 else []


def table(comparison: Comparison, brief: bool = False) -> tuple[list[str], list[list[str]]]:
    """The heads of the columns and the cells, as people read them; `brief`: what a terminal has room for."""
    codes = [] if brief else languages(comparison)
    shares = any(row.embedding_share is not None for row in comparison.rows)
    if brief:
        heads = ["kind", "size", "tokens/doc", "bytes/token", *(["table"] if shares else []), "unknown", "changed"]
    else:
        heads = ["kind", "vocabulary", "tokens/document", "bytes/token", *(f"bytes/token {code}" for code in codes)]
        heads += [*(["of the parameters"] if shares else []), "unknown", "documents changed", "training s", "MB/s"]
    return heads, [_cells(row, codes, shares)[: len(heads)] for row in comparison.rows]


def _cells(row: Row, codes: list[str], shares: bool) -> list[str]:
    cells = [row.kind, f"{row.vocab_size:,}", f"{row.tokens_per_document:,.1f}"]
    cells += [f"{row.bytes_per_token[code]:.3f}" if code in row.bytes_per_token else "–" for code in ("all", *codes)]
    if shares:
        cells.append("–" if row.embedding_share is None else f"{row.embedding_share:.1%}")
    return [*cells, f"{row.unknown:.2%}", f"{row.lost:.1%}", f"{row.training_seconds:.1f}", f"{row.encoding_rate:.2f}"]


def markdown(comparison: Comparison) -> str:
    """A table, and below it the vocabularies that could not be had."""
    heads, rows = table(comparison)
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    text = "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
    refused = "".join(f"\n- {name}: {why}" for name, why in comparison.refused.items())
    return f"{text}\n\n{_measured(comparison)}\n" + (f"\nNot to be had:\n{refused}\n" if refused else "")


def _measured(comparison: Comparison) -> str:
    held_out = sum(comparison.measured_on.values()) / 1e6
    trained = f"Trained on {comparison.trained_on / 1e6:,.2f} MB"
    return f"{trained}; measured on {comparison.documents:,} held-out documents, {held_out:,.2f} MB."


def page(comparison: Comparison, title: str) -> str:
    """The HTML page. It loads nothing from elsewhere."""
    from plotly.offline import get_plotlyjs

    heads, rows = table(comparison)
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in heads)
    body = "\n".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    refused = "".join(f"<li>{html.escape(name)}: {html.escape(why)}</li>" for name, why in comparison.refused.items())
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{html.escape(title)}</title><style>{STYLE}</style><script>{get_plotlyjs()}</script></head>
<body><h1>{html.escape(title)}</h1>
<p>{html.escape(_measured(comparison))} The more bytes a token spells, the fewer steps a text takes; the larger the vocabulary,
the more of the model is its table of tokens.</p>
{"".join(charts(comparison))}
<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>
{body}
</tbody></table></div>
{f"<h2>Not to be had</h2><ul>{refused}</ul>" if refused else ""}
</body></html>
"""


def charts(comparison: Comparison) -> list[str]:
    """The curves over the size of the vocabulary, a line for each kind: HTML that needs Plotly's script before it."""
    shown = [("bytes per token", [row.bytes_per_token.get("all") for row in comparison.rows])]
    for code in languages(comparison)[:6]:
        shown.append((f"bytes per token: {code}", [row.bytes_per_token.get(code) for row in comparison.rows]))
    if any(row.embedding_share is not None for row in comparison.rows):
        shown.append(("share of the parameters that are tables of tokens", [row.embedding_share for row in comparison.rows]))
    if any(row.unknown for row in comparison.rows):
        shown.append(("share of tokens that are unknown", [row.unknown for row in comparison.rows]))
    return [_chart(comparison.rows, name, values, number) for number, (name, values) in enumerate(shown)]


def _percent(values: Sequence[float | None]) -> str:
    """As many digits as tell the marks of a small share apart."""
    return ".0%" if max((value for value in values if value is not None), default=0) > 0.05 else ".2~%"


def _chart(rows: Sequence[Row], name: str, values: Sequence[float | None], number: int) -> str:
    import plotly.graph_objects as go
    import plotly.io

    figure = go.Figure()
    for place, kind in enumerate(dict.fromkeys(row.kind for row in rows)):
        points = sorted((row.vocab_size, y) for row, y in zip(rows, values, strict=True) if row.kind == kind and y is not None)
        line = {"color": COLOURS[place % len(COLOURS)]}
        figure.add_scatter(x=[x for x, _ in points], y=[y for _, y in points], name=html.escape(kind), mode="lines+markers", line=line)
    ticks = [250 * 2**power for power in range(13)]
    figure.update_layout(
        title=html.escape(name), height=340, margin={"l": 60, "r": 20, "t": 50, "b": 50}, template="plotly_white",
        yaxis={"rangemode": "tozero", "tickformat": _percent(values) if name.startswith("share") else ".2~f"},
        xaxis={"title": "vocabulary", "type": "log", "tickvals": ticks, "ticktext": [f"{tick:,}" for tick in ticks]},
    )  # fmt: skip
    name = f"chart{number}"
    return str(plotly.io.to_html(figure, {"displayModeBar": False}, include_plotlyjs=False, full_html=False, div_id=name))
