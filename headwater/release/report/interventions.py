"""What was done to a run while it went on? By the guard and the memory watch: incidents/*.json; by hand: changes.jsonl.

In: a training stage. Out: rows of two tables, in the order in which things were done.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field

from headwater.core.artifact import JOURNAL
from headwater.release.report.evidence import Shape, Stage
from headwater.release.report.words import Words


class Logged(Shape):
    """pretrain, sft, finetune: a row of journal/incidents.jsonl"""

    kind: str
    report: str


class Incident(Shape):
    """pretrain, sft, finetune: incidents/0001.json, and journal/incidents/0001.json of what befell the machine"""

    kind: str
    step: int
    reason: str
    done: str


class Change(Shape):
    """pretrain, sft, finetune: a row of changes.jsonl"""

    step: int
    set: dict[str, Any] = Field({})
    do: tuple[str, ...] = ()


def measures(stage: Stage, words: Words) -> list[dict[str, str]]:
    """What was done about each incident; a report that is written again as it grows is one."""
    files = dict.fromkeys(row.report for row in stage.rows(f"{JOURNAL}/incidents.jsonl", Logged))
    found = [(file, incident) for file in files if (incident := stage.json(file, Incident)) is not None]
    return [
        {
            "step": words.exact(incident.step),
            "kind": words(f"incident_{incident.kind}"),
            "reason": incident.reason,
            "done": incident.done,
            "report": f"{stage.name}/{file.removesuffix('.json')}.md",
        }
        for file, incident in sorted(found, key=lambda each: each[1].step)
    ]


def changes(stage: Stage, words: Words) -> list[dict[str, str]]:
    """What `headwater steer` asked for and the run granted."""
    said = []
    for row in stage.rows("changes.jsonl", Change):
        values = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in row.set.items()]
        said.append({"step": words.exact(row.step), "said": ", ".join([*values, *row.do])})
    return said
