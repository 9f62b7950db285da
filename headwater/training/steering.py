"""Which settings hold at a step, and what is asked of a run while it goes?

In: the config of a stage with its planned changes, `changes.jsonl` of what was asked before, and files that `headwater steer` puts into
`scratch/steer/`. Out: before each step the settings that hold for it, and what is to be done first.

    scratch/steer/config.json        the settings that hold, for whoever checks a request before it is made
    scratch/steer/ask-….json         a request: {"set": {"optimizer.lr": 0.0003}, "do": ["validate"]}
    scratch/steer/answer-….json      what became of it: {"step": 120} or {"refused": "…"}
    changes.jsonl                    requests that were granted, each on the disk before it takes effect

A granted request gets the number of the next step, and holds from there whatever checkpoint the run goes on from. So a steered run that
was interrupted ends with the same bits, and so does a fresh run whose recipe has the same `changes:`.
"""

from __future__ import annotations

import bisect
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headwater.core.artifact import Work
from headwater.core.errors import HeadwaterError
from headwater.core.storage import read_jsonl, write_atomically, write_json
from headwater.model.network import Network
from headwater.parallel.group import Group
from headwater.training.change import Change, composed
from headwater.training.config import Training
from headwater.training.ramp import Sizes, smallest
from headwater.training.run import Run
from headwater.training.steering_files import ANSWERED, ASKED, FOLDER, RECORD, STOP
from headwater.training.telemetry import Telemetry

Adopt = Callable[[Network, Training], None]  # what the caller does about settings that hold from now on


@dataclass(frozen=True)
class Held:
    """The settings of the next step and what is done before it."""

    config: Training
    do: frozenset[str] = frozenset()


class Steering:
    """`sizes` is told of batch sizes as soon as they are known, `adopt` of settings when they begin to hold."""

    def __init__(
        self, config: Training, work: Work, name: str, group: Group, sizes: Sizes | None = None, adopt: Adopt | None = None
    ) -> None:
        self.config, self.work, self.name, self.group, self.sizes, self.adopt = config, work, name, group, sizes, adopt
        self.folder, self.record = work.scratch / Path(FOLDER).name, work.path / RECORD
        if group.leads:
            self.folder.mkdir(parents=True, exist_ok=True)
        rows: list[dict[str, Any]] = group.told(lambda: read_jsonl(self.record))
        self.rows = rows
        self._rollbacks = 0
        self._adopted: Training | None = None
        self._published: Training | None = None
        composed(config, [*config.changes, *map(_change, rows)], where="changes")
        self._compose(rows)

    def begin(self, run: Run) -> Training:
        """A run goes on: what held for its last step holds again."""
        self._follow(run)
        config = self._at(run.place - 1) if run.place else self.config
        self._hold(run, config)
        return config

    def before(self, run: Run, telemetry: Telemetry) -> Held:
        """Grant what was asked for, and bring the run under the settings of its next step."""
        self._follow(run)
        stop = self._grant_all(run)
        config = self._at(run.place)
        said = self._hold(run, config)
        self._publish(run, config)
        due = [each for each in self.changes if each.step == run.place]
        if due:
            done = [order for each in due for order in each.do]
            telemetry.metric("change", run.step, set={key: value for each in due for key, value in each.set.items()}, do=done)
            for sentence in said:
                self.work.report.say(f"{self.name}: {sentence}", stage=self.name, step=run.step)
        return Held(config, frozenset(order for each in due for order in each.do) | ({STOP} if stop else set()))

    def _at(self, place: int) -> Training:
        """What holds for the step after `place` batches."""
        return self._held[bisect.bisect_right(self._held, place, key=lambda each: each[0]) - 1][1]

    def _follow(self, run: Run) -> None:
        """After a rollback further changes hold, and after a return to before one they don't."""
        if run.rollbacks != self._rollbacks:
            self._rollbacks = run.rollbacks
            self._compose(self.rows)

    def _compose(self, rows: list[dict[str, Any]]) -> None:
        known = sorted([*self.config.changes, *map(_change, rows)], key=lambda each: each.step)
        changes = [each for each in known if each.rollbacks <= self._rollbacks]
        self._held = composed(self.config, changes, where="changes")
        self.changes = changes
        self._tell_sizes()

    def _deal(self) -> None:
        """Raise HeadwaterError where a batch has fewer rows than there are processes."""
        for _, config in self._held:
            if (least := smallest(config.batch_size)) < self.group.size:
                raise HeadwaterError(f"{least} rows cannot be dealt to {self.group.size} processes", where="batch_size", mend="say more")

    def _tell_sizes(self) -> None:
        if self.sizes is None:
            return
        for place, config in self._held:
            self.sizes.change(place, config.batch_size, config.row_length)

    def _hold(self, run: Run, config: Training) -> list[str]:
        """Do what must be done about settings that were not adopted yet; sentences for people."""
        if config is self._adopted:
            return []
        said = []
        if (fresh := run.adapt(config)) is not None:
            said.append(f"{config.optimizer.kind} takes over from {fresh}, from moments of its own")
        if self.adopt is not None:
            self.adopt(run.network, config)
        self._adopted = config
        return said

    def _publish(self, run: Run, config: Training) -> None:
        """Say by which settings a request is to be checked."""
        if config is not self._published and self.group.leads:
            write_json(self.folder / "config.json", {"stage": self.name, "step": run.step, "config": config.model_dump(mode="json")})
        self._published = config

    def _grant_all(self, run: Run) -> bool:
        """Look whether something was asked; whether the run is to stop."""
        asked = sorted(self.folder.glob(f"{ASKED}*.json")) if self.group.leads else []
        if not self.group.any(bool(asked)):
            return False
        told = self.group.told(lambda: [(file.stem.removeprefix(ASKED), file.read_text("utf-8", errors="replace")) for file in asked])
        stop = False
        for id, text in told:
            if any(row["request"] == id for row in self.rows):  # granted just before a kill
                answer = {"step": run.step}
            else:
                answer, stopping = self._grant(run, id, text)
                stop = stop or stopping
            if self.group.leads:
                write_json(self.folder / f"{ANSWERED}{id}.json", answer)
                (self.folder / f"{ASKED}{id}.json").unlink(missing_ok=True)
        return stop

    def _grant(self, run: Run, id: str, text: str) -> tuple[dict[str, Any], bool]:
        """The answer to a request; whether it was to stop. Nothing that a request says can end the run but that."""
        try:
            change, stop = read_request(text, run.place, run.rollbacks)
            row = {**change.model_dump(mode="json"), "request": id}
            self._compose([*self.rows, row])
            self._deal()
        except (HeadwaterError, ValueError, TypeError, KeyError) as refused:  # whoever wrote it: no request ends a run
            self._compose(self.rows)
            self.work.report.say(f"{self.name}: a request is refused: {refused}", stage=self.name, step=run.step)
            return {"refused": str(refused)}, False
        self.rows.append(row)
        if self.group.leads:
            lines = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in self.rows)
            write_atomically(self.record, lines)
        said = ", ".join([*(f"{key} = {json.dumps(value)}" for key, value in change.set.items()), *([STOP] if stop else change.do)])
        self.work.report.say(f"{self.name}: after step {run.step:,}: {said}", stage=self.name, step=run.step, request=row)
        return {"step": run.step}, stop


def _change(row: dict[str, Any]) -> Change:
    return Change.model_validate({name: value for name, value in row.items() if name != "request"})


def read_request(text: str, place: int, rollbacks: int = 0) -> tuple[Change, bool]:
    """A request as the change that it is at a place; whether it is to stop. Raises HeadwaterError for what is none."""
    try:
        asked = json.loads(text)
        orders = [order for order in asked.get("do", ()) if order != STOP]
        stop = len(orders) < len(asked.get("do", ()))
        change = {"step": place, "rollbacks": rollbacks, "set": asked.get("set", {}), "do": [*orders, *(["save"] if stop else [])]}
        return Change.model_validate(change), stop
    except (ValueError, AttributeError, TypeError) as error:  # pydantic's own are ValueErrors
        raise HeadwaterError("is no request of headwater steer", where="request", mend="write key=value, or one of its orders") from error
