"""A change of a run's settings at a step: planned in the recipe, or said while it runs (`headwater steer`).

In: a config and changes of it. Out: `composed`, what holds from which step on, each checked as the recipe itself is; or one sentence that
says what cannot change, and why.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, Self, TypeVar, get_args

from pydantic import Field, model_validator

from headwater.core.config import Config, change, validate
from headwater.core.errors import HeadwaterError, nearest
from headwater.training.optimizer_config import OptimizerConfig
from headwater.training.schedule_config import ScheduleConfig

Order = Literal["validate", "sample", "save"]

CHANGEABLE = (
    "steps", "batch_size", "length", "optimizer", "schedule", "clip", "clip_by", "loss", "rates.layer_decay", "log_every", "validate_every",
    "sample_every", "checkpoint_every", "validation_documents", "prompts", "sampling", "model.feed_forward.kind",
)  # fmt: skip
REASONS = {
    "model": "the weights have its shape, and only model.feed_forward.kind can change where they keep it",
    "objective": "what was read so far was read for it",
    "task": "the head was made for it",
    "seed": "every draw so far came from it",
    "epochs": "the run has counted its steps, and these can change",
    "init_from": "the run has begun",
    "base": "the run has begun",
    "adapter": "the run has begun with it",
    "sources": "the data were read when the run began",
    "precision": "it was decided once for the whole run, else a resumed run would end with other bits",
    "micro_batch": "it was decided once for the whole run, else a resumed run would end with other bits",
    "compile": "it was decided once for the whole run, else a resumed run would end with other bits",
    "activations": "it was decided once for the whole run",
    "average": "its mean has begun",
    "stopping": "it was compared with from the beginning",
    "guard": "it has judged by it since the beginning",
    "rates": "only rates.layer_decay can change; who is frozen was decided when the run began",
    "changes": "they are what is being made; give each as key=value",
    "order": "what was read so far was read in it",
    "parallel": "the processes have joined",
}


class Change(Config):
    """From step `step` on (0 is the first) these settings hold; dotted keys of the stage's block: `{optimizer.lr: 3e-4}`.

    Steps are counted as batches that were read. `do` is done before that step. A run that is lost goes back and makes steps twice: a
    change that was asked for after that says after how many `rollbacks`, and holds from then on alone.
    """

    step: int = Field(ge=0)
    rollbacks: int = Field(default=0, ge=0)
    set: dict[str, Any] = Field(default={})
    do: tuple[Order, ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.set and not self.do:
            raise ValueError("a change sets something or does something; say set: {optimizer.lr: 3e-4} or do: [validate]")
        return self


C = TypeVar("C", bound=Config)


def composed(config: C, changes: Iterable[Change], where: str = "changes") -> list[tuple[int, C]]:
    """`(step, config)`: what holds from each step on. Raises HeadwaterError for a change that cannot be."""
    held = [(0, config)]
    for each in sorted(changes, key=lambda each: each.step):
        if each.set:
            held.append((each.step, _changed(held[-1][1], each, where)))
    return held


def _changed(before: C, by: Change, where: str) -> C:
    # `changes` are left out: a config looks at its own when it is made.
    data = before.model_dump(mode="json") | {"changes": []}
    for key, value in by.set.items():
        _refuse(key, type(before), where)
        block, _, field = key.rpartition(".")
        if field == "kind" and block in _KINDS:
            data[block] = _of_kind(data[block], value, _KINDS[block])
        elif block == "" and key in _KINDS and isinstance(value, dict):
            data[key] = {**_of_kind(data[key], value.get("kind", data[key]["kind"]), _KINDS[key]), **value}
        else:
            change(data, {}, key, value, where)
    after = validate(type(before), data, where=where)
    _see(before, after, by, where)
    return after.model_copy(update={"changes": getattr(before, "changes", ())})


def _see(before: Config, after: Config, by: Change, where: str) -> None:
    """What a config alone cannot tell."""
    steps = getattr(after, "steps", 0)
    if steps != getattr(before, "steps", 0):
        if steps <= by.step:
            raise HeadwaterError(f"the run would end after {steps:,} steps, and {by.step:,} were made before", where=where,
                                 mend=f"say at least steps={by.step + 1}, or stop it")  # fmt: skip
        if getattr(getattr(after, "average", None), "kind", None) == "last":
            raise HeadwaterError("steps cannot change: the mean of the last weights counts from the end", where=where)
    if _kind(before) == "schedule_free" != _kind(after):
        raise HeadwaterError(
            "schedule_free cannot give way to another optimizer: its weights are a mean that it alone goes on from", where=where
        )
    model, theirs = getattr(before, "model", None), getattr(after, "model", None)
    if model is not None and theirs is not None and type(model.feed_forward) is not type(theirs.feed_forward):
        kinds = f"from {model.feed_forward.kind} to {theirs.feed_forward.kind}"
        raise HeadwaterError(f"the activation cannot change {kinds}, which has weights of other shapes", where=where,
                             mend="choose one that is gated as it is now, or as plain")  # fmt: skip


def _kind(config: Config) -> str | None:
    return getattr(getattr(config, "optimizer", None), "kind", None)


def _refuse(key: str, schema: type[Config], where: str) -> None:
    known = [name for name in CHANGEABLE if name.split(".")[0] in schema.model_fields]
    if any(key == name or key.startswith(f"{name}.") for name in known):
        return
    first = key.split(".")[0]
    if first in schema.model_fields or first in REASONS:
        reason = REASONS.get(first, "it is read once, when the run begins")
        raise HeadwaterError(f"{key} cannot change while the run goes: {reason}", where=where)
    raise HeadwaterError(f"there is no '{key}' to change", where=where, mend=nearest(key, known))


def _of_kind(block: dict[str, Any], kind: Any, classes: dict[str, type[Config]]) -> dict[str, Any]:
    """A block of another kind, with what both kinds have."""
    if not isinstance(kind, str) or kind not in classes:
        return {"kind": kind}  # validation says which there are
    return {name: value for name, value in block.items() if name in classes[kind].model_fields} | {"kind": kind}


def _classes(union: Any) -> dict[str, type[Config]]:
    """The configs of a union by kind, through Annotated."""
    if isinstance(union, type) and issubclass(union, Config):
        return {union.model_fields["kind"].default: union}
    found: dict[str, type[Config]] = {}
    for inner in get_args(union):
        if isinstance(inner, type) or get_args(inner):
            found |= _classes(inner)
    return found


_KINDS = {"optimizer": _classes(OptimizerConfig), "schedule": _classes(ScheduleConfig)}
