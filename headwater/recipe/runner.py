"""Running a recipe: stage after stage, each only when its fingerprint is not there yet.

run(recipe, Workspace(Path("runs/demo")), report)
"""

from __future__ import annotations

import datetime
import importlib
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import yaml

from headwater.core.artifact import Artifact, Outcome, Request, Work, Workspace
from headwater.core.config import Config, as_of
from headwater.core.errors import HeadwaterError
from headwater.core.fingerprint import code_of
from headwater.core.hardware import cores, environment, peak_memory_bytes, reset_peak_memory
from headwater.core.progress import Reporter
from headwater.core.storage import write_atomically, write_json
from headwater.parallel.launch import processes_here
from headwater.recipe.adapting import check_adapters
from headwater.recipe.crew import TRAINING, Crew, crew
from headwater.recipe.recipe import Recipe
from headwater.recipe.stages import STAGES, Stage, stage_named

# Where and how fast, never what: these blocks of a stage's config are in no fingerprint.
UNHASHED = ("parallel", "engine", "checkpoints", "watch")


def run(recipe: Recipe, workspace: Workspace, report: Reporter, *, first: str | None = None, until: str | None = None) -> list[Artifact]:
    """Bring a workspace up to the recipe; returns the artifacts of its stages in order, of a process that does not lead none.

    `first` starts at that stage with whatever the workspace has of those before it; `until` ends after that stage.
    """
    begin = STAGES.index(stage_named(first)) if first else 0
    end = STAGES.index(stage_named(until)) if until else len(STAGES) - 1
    if begin > end:
        raise HeadwaterError(f"'{first}' comes after '{until}'", where="--from/--until", mend="name them in the river's order")
    chosen = [stage for stage in STAGES[begin : end + 1] if getattr(recipe, stage.key) is not None]
    if not chosen:
        raise HeadwaterError("the recipe has no stage in that range", where="--from/--until", mend="name stages of the recipe")
    others = crew(recipe, workspace.root)
    if others is not None and not others.leads:
        _help(others, recipe)
        return []
    made: dict[str, Artifact] = {}
    ran = 0
    for stage in chosen:
        inputs = _inputs(stage, recipe, workspace, made)
        request = _request(stage, recipe, inputs, others)
        artifact = workspace.find(stage.name, request.fingerprint)
        if artifact is not None:
            workspace.point(stage.name, artifact.path)
            report.say(f"{stage.name:<10} up to date   {artifact.manifest.key_figure}", stage=stage.name, state="up to date")
        else:
            if ran == 0:
                _check(chosen[chosen.index(stage) :], recipe, report)
            for source in inputs.values():
                source.verify()
            report.say(f"{stage.name:<10} running", stage=stage.name, state="running")
            started = time.monotonic()
            artifact = workspace.make(request, inputs, recipe.seed, report)
            took, ran = time.monotonic() - started, ran + 1
            report.say(
                f"{stage.name:<10} done in {took:,.0f} s   {artifact.manifest.key_figure}",
                stage=stage.name,
                state="done",
                seconds=round(took, 2),
                metrics=artifact.manifest.metrics,
                content=artifact.manifest.content,
                path=str(artifact.path),
            )
        made[stage.name] = artifact
    if ran == 0:
        report.say("nothing to do", state="nothing to do")
    if others is not None:
        others.dismiss()
    return list(made.values())


def _help(others: Crew, recipe: Recipe) -> None:
    """Work beside the leader on each stage that it calls for."""
    for call in others.calls():
        _steady_threads()
        stage = stage_named(call.stage)
        with others.beside(call, recipe.seed) as work:
            getattr(importlib.import_module(stage.module), stage.function)(config_of(stage, recipe), work)


def share(recipe: Recipe, workspace: Workspace, report: Reporter, rank: int, world_size: int) -> None:
    """This machine's share of the annotate stage; a `run` of the same recipe afterwards finds the parts and goes on from there."""
    from headwater.corpus.annotate import run_share

    stage = stage_named("annotate")
    if recipe.corpus is None:
        raise HeadwaterError("the recipe has no corpus", where="corpus", mend="add a 'corpus:' block")
    request = _request(stage, recipe, {})
    if workspace.find(stage.name, request.fingerprint) is not None:
        report.say("annotate   up to date", stage=stage.name, state="up to date")
        return
    with workspace.shared(request) as folder:
        parts = run_share(as_of(recipe.corpus, stage.name, stages_of("corpus")), folder, report, rank, world_size)
        there = len(list(folder.glob("part-*.json")))
    report.say(f"share {rank} of {world_size} is done; {there:,} of {parts:,} parts are there", state="shared", parts=parts, there=there)


def _check(stages: list[Stage], recipe: Recipe, report: Reporter) -> None:
    """Let every stage that is to come look at what the user gave it, before time is spent on the first."""
    for stage in stages:
        if stage.check is not None:
            importlib.import_module(stage.check).check(getattr(recipe, stage.key), report)
    check_adapters(recipe)


def _inputs(stage: Stage, recipe: Recipe, workspace: Workspace, made: Mapping[str, Artifact]) -> dict[str, Artifact]:
    """The artifacts that a stage is made from: of this run, else the workspace's current ones."""
    found: dict[str, Artifact] = {}
    tuned = recipe.finetune or recipe.sft if stage.name == "release" else getattr(recipe, stage.key)
    based = getattr(tuned, "base", None) is not None  # on the user's model, which stands in place of the recipe's own
    for name in (*stage.needs, *stage.takes):
        if based and name == "pretrain":
            continue
        artifact = made.get(name) or workspace.current(name)
        if artifact is not None and (name in stage.needs or getattr(recipe, stage_named(name).key) is not None):
            found[name] = artifact
        elif name in stage.needs:
            raise HeadwaterError(
                f"stage '{stage.name}' needs '{name}', which neither the recipe nor the workspace has",
                where=workspace.root,
                mend=f"add a '{name}:' block to the recipe",
            )
    return found


def _request(stage: Stage, recipe: Recipe, inputs: Mapping[str, Artifact], others: Crew | None = None) -> Request:
    config = config_of(stage, recipe)
    described: dict[str, Any] = {key: value for key, value in config.model_dump(mode="json").items() if key not in UNHASHED}
    if stage.seeded:
        described["seed"] = recipe.seed
    return Request(
        stage=stage.name,
        config=described,
        inputs={name: artifact.manifest.content for name, artifact in inputs.items()},
        user_files=config.contents(),
        code=code_of(stage.module),
        resumes=stage.resumes,
        run=partial(_run_stage, stage, recipe, others if stage.name in TRAINING else None),
    )


def config_of(stage: Stage, recipe: Recipe) -> Config:
    """The stage's config, without what only later stages of the same block read."""
    config: Config = getattr(recipe, stage.key)
    return as_of(config, stage.name, stages_of(stage.key))


def stages_of(block: str) -> list[str]:
    """The stages that read a block of the recipe, in order."""
    return [stage.name for stage in STAGES if stage.key == block]


def _run_stage(stage: Stage, recipe: Recipe, others: Crew | None, work: Work) -> Outcome:
    """Call the stage, with its journal around it, and the others to it."""
    _steady_threads()
    if others is not None:
        others.call(stage.name, work)
    reset_peak_memory()
    started, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
    outcome: Outcome = getattr(importlib.import_module(stage.module), stage.function)(config_of(stage, recipe), work)
    write_atomically(work.journal / "recipe.yaml", yaml.safe_dump(recipe.model_dump(mode="json"), allow_unicode=True, sort_keys=False))
    write_json(work.journal / "environment.json", environment())
    seconds = round(time.monotonic() - clock, 2)
    times = {"started": started.isoformat(timespec="seconds"), "seconds": seconds, "peak_memory_bytes": peak_memory_bytes()}
    write_json(work.journal / "time.json", times)
    return outcome


def _steady_threads() -> None:
    """Sums in parallel depend on how many share them: fix the number, and refuse operations that are not repeatable."""
    import torch

    torch.set_num_threads(max(1, cores() // processes_here()))
    torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms(True) without a second spent on importing the compiler
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a debugging aid that writes every tensor twice
