"""How do several processes run one recipe? The leader runs it, the others wait and help where a network is trained.

    torchrun --nproc-per-node 2 -m headwater run recipe.yaml

The leader makes every artifact. For a stage that trains it calls the crew, and each of the others runs the same stage beside it into a
folder that is thrown away, with the leader's folder for checkpoints, and says nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headwater.core.artifact import Artifact, Work
from headwater.core.progress import Bar, Reporter
from headwater.parallel.launch import launched, stay_away, world_size
from headwater.recipe.recipe import Recipe
from headwater.training.config import Training

TRAINING = ("pretrain", "sft", "finetune")


class Silent(Reporter):
    """Says nothing: the leader speaks."""

    def say(self, message: str, **fields: Any) -> None:
        """Nothing."""

    def _start(self, bar: Bar) -> None:
        """Nothing."""

    def _update(self, bar: Bar) -> None:
        """Nothing."""

    def _finish(self, bar: Bar, whole: bool) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Call:
    """A stage that all are to work on, from these inputs, beside the leader's folder."""

    stage: str
    inputs: dict[str, str]
    folder: str


class Crew:
    """The processes of a run."""

    def __init__(self, root: Path, training: Sequence[Training]) -> None:
        """Join the others. Raises UnhealthyError when this machine computes wrongly or is in quarantine, HeadwaterError when there are
        more processes than rows to train on, or they cannot be divided as the recipe wants."""
        from headwater.parallel import health
        from headwater.parallel.several import Several, check

        for config in training:
            check(config.parallel, world_size(), config.batch_size if isinstance(config.batch_size, int) else None)
        healthy = any(config.parallel.health for config in training)
        if healthy:
            try:
                health.admit(root)
            except health.UnhealthyError:
                stay_away()
                raise
        self.group = Several(training[0].parallel)
        if healthy:
            health.together(self.group)

    @property
    def leads(self) -> bool:
        return self.group.leads

    def call(self, stage: str, work: Work) -> None:
        """The leader wants the others at a stage."""
        inputs = {name: str(artifact.path) for name, artifact in work.inputs.items()}
        self.group.told(lambda: {"stage": stage, "inputs": inputs, "folder": str(work.path.resolve())})

    def dismiss(self) -> None:
        """The leader needs them no more."""
        self.group.told(lambda: None)

    def calls(self) -> Iterator[Call]:
        """What the leader wants, one after the other; between two of them the others wait as long as it takes."""
        while (said := self.group.told(lambda: None)) is not None:
            yield Call(**said)

    @contextmanager
    def beside(self, call: Call, seed: int) -> Iterator[Work]:
        """Work whose folder is thrown away."""
        shared = Path(call.folder)
        own = shared.with_name(f".{shared.name}.{self.group.rank}")
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir(parents=True)
        try:
            yield Work(own, self._opened(call.inputs), seed, Silent(), shared)
        finally:
            shutil.rmtree(own, ignore_errors=True)

    def _opened(self, paths: Mapping[str, str]) -> dict[str, Artifact]:
        return {name: Artifact.open(Path(path)) for name, path in paths.items()}


def crew(recipe: Recipe, root: Path) -> Crew | None:
    """The crew of this run; None for one process, or where nothing is trained."""
    training: list[Training] = [config for key in TRAINING if (config := getattr(recipe, key)) is not None]
    if not launched() or not training:
        return None
    return Crew(root, training)
