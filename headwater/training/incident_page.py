"""An incident's report as a page to read. In: what incidents.py writes as JSON. Out: Markdown."""

from __future__ import annotations

from typing import Any

TITLES = {"refused": "updates refused", "rollback": "went back", "lost": "training lost", "reload": "memory reloaded"}
SHOWN = 10  # documents without a suspect among them


def page(report: dict[str, Any]) -> str:
    lines = [f"# Incident {report['number']} of {report['stage']}, step {report['step']:,}: {TITLES[report['kind']]}", ""]
    lines += [f"**Why:** {report['reason']}.", "", f"**What was done:** {report['done']}", ""]
    if "steps" in report:
        lines += _steps(report["steps"], report["before"]["limits"])
        lines += _documents(report)
        lines += _before(report["before"])
    return "\n".join(lines).rstrip() + "\n"


def _steps(steps: list[dict[str, Any]], limits: dict[str, float | None]) -> list[str]:
    lines = ["| step | batch | loss | gradient norm | rows that stood out (nats per target) |", "|---:|---:|---:|---:|---|"]
    for each in steps:
        rows = ", ".join(f"{row}: {_number(each['rows'][row])}" for row in each["stood_out"]) or "none"
        lines.append(f"| {each['step']:,} | {each['batch']:,} | {_number(each['loss'])} | {_number(each['grad_norm'])} | {rows} |")
    if limits["loss"] is not None:
        lines.append(f"| limit | | {_number(limits['loss'])} | {_number(limits['grad_norm'])} | |")
    return [*lines, ""]


def _documents(report: dict[str, Any]) -> list[str]:
    suspected = {id for each in report["steps"] for id in each["suspects"]}
    shown = [each for each in report["documents"] if each["id"] in suspected] or report["documents"][:SHOWN]
    if not shown:
        return []
    lines = ["## The documents of the rows that stood out" if suspected else "## Documents of the batches (no row stood out)", ""]
    for each in shown:
        source = f" ({each['source']})" if each.get("source") else ""
        lines.append(f"- `{each['id']}`{source}")
        if each.get("text"):
            lines += ["", *(f"  > {line}" for line in each["text"].splitlines() or [""]), ""]
    return [*lines, ""]


def _before(before: dict[str, Any]) -> list[str]:
    if not before["losses"]:
        return []
    return [
        f"## The {len(before['losses'])} accepted steps before",
        "",
        "losses: " + " ".join(_number(value) for value in before["losses"]),
        "",
        "gradient norms: " + " ".join(_number(value) for value in before["grad_norms"]),
    ]


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4g}"
