"""Where does all this come from? Release parity, the machine, every stage's config, fingerprints and content hashes."""

from __future__ import annotations

from typing import Any

import yaml

from headwater.release.report.evidence import Environment, Parity, Stage, Stages
from headwater.release.report.section import Section
from headwater.release.report.words import Words


def release(stages: Stages, words: Words) -> Section | None:
    if (stage := stages.get("release")) is None:
        return None
    parity = stage.json("parity.json", Parity)
    return Section("release", words("release_title"), _parity(parity, words) if parity else "", "release", {"parity": parity})


def _parity(parity: Parity, words: Words) -> str:
    if parity.max_difference is None or parity.tolerance is None:
        return words("parity_unproven", reason=parity.reason)
    key = "parity_lead" if parity.max_difference <= parity.tolerance else "parity_broken"
    return words(key, against=parity.against, difference=words.figure(parity.max_difference, 2),
                 tolerance=words.figure(parity.tolerance, 2), tokens=words.many("token", parity.tokens))  # fmt: skip


def environment(stages: Stages, words: Words) -> Section:
    machines = _machines(stages)
    body = {
        "machines": machines,
        "stages": [_record(stage) for stage in stages.values()],
    }
    lead = ""
    if machines:
        machine: Environment = machines[0][1]
        lead = words("environment_lead", machine=machine_name(machine, words), python=machine.python)
    return Section("environment", words("environment_title"), lead, "environment", body)


def machine_name(machine: Environment, words: Words) -> str:
    parts = [machine.processor]
    if machine.cores:
        parts.append(words.many("core", machine.cores))
    if machine.memory_gib:
        parts.append(f"{machine.memory_gib:g} GiB")
    return words.list([part for part in parts if part])


def _machines(stages: Stages) -> list[tuple[list[str], Environment]]:
    """The different environments that stages ran in, each with its stages."""
    found: list[tuple[list[str], Environment]] = []
    for name, stage in stages.items():
        machine = stage.environment
        if machine is None:
            continue
        same = next((names for names, other in found if other == machine), None)
        if same is None:
            found.append(([name], machine))
        else:
            same.append(name)
    return found


def _record(stage: Stage) -> dict[str, Any]:
    manifest = stage.artifact.manifest if stage.artifact else None
    config = yaml.safe_dump(manifest.config, allow_unicode=True, sort_keys=False, width=100) if manifest else ""
    return {"name": stage.name, "manifest": manifest, "config": config, "time": stage.time}
