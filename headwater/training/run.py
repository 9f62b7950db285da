"""What a run is at a step, and how it goes into a checkpoint and comes back, to the bit."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from pydantic import TypeAdapter

from headwater.model.network import Network
from headwater.training.average import Average
from headwater.training.checkpoint_files import Parts
from headwater.training.config import Training
from headwater.training.guard import Guard
from headwater.training.optimizer import Optimizers, keeps_moments
from headwater.training.optimizer_config import OptimizerConfig
from headwater.training.precision import Precision, resolve
from headwater.training.stopping import Best


@dataclass(frozen=True)
class Decided:
    """What would change the bits if a resumed run chose it anew."""

    precision: Precision
    threads: int
    micro_batch: int
    """Rows at once; 0: all."""
    processes: int = 1
    """Among which `threads` were shared out."""


@dataclass
class Run:
    """What a step changes. `place` is the step of the data, which after a rollback is ahead of `step`."""

    network: Network
    optimizers: Optimizers
    guard: Guard
    average: Average
    best: Best
    step: int = 0
    place: int = 0
    tokens: int = 0
    rollbacks: int = 0
    rolled_to: int = 0
    loss: float | None = None
    validation: dict[str, Any] = field(default_factory=dict)

    def adapt(self, config: Training) -> str | None:
        """Take the optimizer that a config wants; the kind of the one before, where nothing that it remembered goes on."""
        before = self.optimizers
        if (config.optimizer, config.rates.layer_decay) == (before.config, before.layer_decay):
            return None
        self.optimizers = before.under(config.optimizer, config.rates.layer_decay)
        return None if keeps_moments(before.config, config.optimizer) else before.config.kind

    def weights(self) -> dict[str, torch.Tensor]:
        """What is validated and kept in place of the last weights, where it differs from them."""
        return self.average.weights() or self.optimizers.averages()

    def figures(self) -> dict[str, Any]:
        """What all processes of a run say alike."""
        return {"place": self.place, "tokens": self.tokens, "rollbacks": self.rollbacks, "loss": self.loss, "guard": self.guard.state()}


def kept(run: Run, logs: dict[str, int], decided: Decided) -> tuple[Parts, dict[str, Any]]:
    """What a checkpoint holds: tensors, and the rest."""
    parts = {"network": run.network.state_dict(), "optimizer": run.optimizers.state()}
    parts |= {part: tensors for part, tensors in (("average", run.average.state()), ("best", run.best.weights)) if tensors}
    return parts, {
        "step": run.step,
        "place": run.place,
        "tokens": run.tokens,
        "rollbacks": run.rollbacks,
        "rolled_to": run.rolled_to,
        "loss": run.loss,
        "validation": run.validation,
        "optimizer": run.optimizers.config.model_dump(mode="json"),
        "layer_decay": run.optimizers.layer_decay,
        "guard": run.guard.state(),
        "best": run.best.state(),
        "logs": logs,
        "decided": asdict(decided),
    }


def resume(run: Run, parts: Parts, state: dict[str, Any]) -> tuple[Decided, dict[str, int]]:
    """Put the whole run back; returns what was decided once, and the lengths of the logs."""
    restore(run, parts, state)
    run.best.load(state["best"], parts.get("best", {}))
    run.place, run.rollbacks, run.rolled_to = state["place"], state["rollbacks"], state["rolled_to"]
    decided = state["decided"]
    return Decided(resolve(decided["precision"]), decided["threads"], decided["micro_batch"], decided["processes"]), state["logs"]


def restore(run: Run, parts: Parts, state: dict[str, Any]) -> None:
    """Put back the weights and what follows from the steps that made them; the place in the data, the rollbacks and the best
    weights so far are not of them."""
    run.network.load_state_dict(parts["network"])
    run.optimizers = run.optimizers.under(TypeAdapter(OptimizerConfig).validate_python(state["optimizer"]), state["layer_decay"])
    run.optimizers.load(parts["optimizer"])
    run.average.load(parts.get("average", {}))
    run.guard.load(state["guard"])
    run.step, run.tokens = state["step"], state["tokens"]
    run.loss, run.validation = state["loss"], state["validation"]
