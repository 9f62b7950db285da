"""What went wrong, who was it, and what was done? A report of each burst of refused steps, each rollback, each lost run.

In: a refused step with its batch. Out: `incidents/0001.json` and the same to read as `0001.md`, in the artifact, so that equal runs write
equal reports (when it was stands in `journal/incidents.jsonl`); and the documents that are to be masked rather than read again.

    refused    the first of a row of refused steps opens a report, the others are added to it
    suspects   documents of the rows that stood out in *every* step of the row, if rows did
    without    a batch in which rows of such documents are not learned from

Which rows stand out is told by their losses alone, each computed once more (eval, fp32, no gradient): above the median of all by
`STANDS_OUT` robust standard deviations. Half of the rows or more cannot stand out: then it is the weights, or the whole batch.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Protocol, runtime_checkable

import torch

from headwater.core.artifact import Work
from headwater.core.storage import write_atomically, write_json
from headwater.model.network import Network
from headwater.tokens.batch import Batch
from headwater.training.guard import MAD_TO_SIGMA
from headwater.training.incident_page import page
from headwater.training.run import Run
from headwater.training.telemetry import finite

Loss = Callable[[Network, Batch], torch.Tensor]
Tell = Callable[[str, dict[str, Any]], None]  # an event and its report: alerts.py

FOLDER = "incidents"
# The step was refused already, so that less is needed to say by whom than that anything is wrong; rows of good text differ by nats.
STANDS_OUT, ROW_FLOOR, FEWEST_ROWS = 5.0, 0.2, 4
BEGINNING = 200  # characters of a document's text
DESCRIBED = 20  # documents of a report of which more than the id is told
DIGITS = 6
REMEMBERED = 32  # steps before, of which losses and norms are told


@runtime_checkable
class ByRow(Protocol):
    """Data that know which row is made of what."""

    def row_documents(self, place: int) -> list[list[str]]:
        """Ids of the documents that made each row of the batch."""
        ...


@runtime_checkable
class Describing(Protocol):
    """Data that know their documents."""

    def about(self, ids: list[str]) -> dict[str, dict[str, str]]:
        """What is known of documents: `source`, and `text` as it begins."""
        ...


@dataclass
class Refusal:
    """One refused step: `rows` are losses in nats per target by row, `stood_out` those that are far above the others."""

    step: int
    batch: int
    reason: str
    loss: float | None
    grad_norm: float | None
    documents: list[str]
    rows: list[float | None] = field(default_factory=list)
    stood_out: list[int] = field(default_factory=list)
    suspects: list[str] = field(default_factory=list)


class Incidents:
    """The reports of one run; `tell` hears of each as it is opened or ended."""

    def __init__(self, work: Work, name: str, data: Any, loss: Loss, leads: bool = True, tell: Tell | None = None) -> None:
        self.work, self.name, self.data, self.loss, self.leads, self.tell = work, name, data, loss, leads, tell
        self.row: list[Refusal] = []
        self.before: dict[str, Any] = {}

    def cut(self, run: Run) -> None:
        """Reports that the run, as it is now, has not written were of steps that are made again."""
        folder = self.work.path / FOLDER
        if self.leads and folder.is_dir():
            for file in folder.iterdir():
                if file.name.startswith(".") or int(file.stem) > run.guard.incidents:  # what a kill left half-written, too
                    file.unlink()

    def refused(self, run: Run, batch: Batch, reason: str, norm: float) -> None:
        """Step `run.step`, which read the batch before `run.place`, was refused."""
        guard, place = run.guard, run.place - 1
        refusal = Refusal(run.step, place, reason, run.loss, finite(norm, DIGITS), self.data.documents(place))
        losses = row_losses(run.network, batch, self.loss)
        refusal.rows = [finite(loss, DIGITS) for loss in losses]
        refusal.stood_out = standing_out(losses)
        if isinstance(self.data, ByRow) and refusal.stood_out:
            refusal.suspects = _suspects(self.data.row_documents(place), refusal.stood_out)
        if guard.refused_in_a_row == 1:
            self.row = []
            guard.incidents += 1
            norms = [round(math.exp(value), 6) for value in guard.log_norms[-REMEMBERED:]]
            self.before = {"limits": guard.limits(), "losses": guard.losses[-REMEMBERED:], "grad_norms": norms}
        self.row.append(refusal)
        count = len(self.row)
        done = f"{'The update was' if count == 1 else f'{count} updates were'} not made: weights and moments stayed as they were."
        self._write(run, "refused", done, new=count == 1)

    def suspects(self) -> list[str]:
        """Documents of the rows that stood out in each refused step of the row; none where in one of them no row did."""
        if not all(refusal.suspects for refusal in self.row):
            return []
        return list(dict.fromkeys(id for refusal in self.row for id in refusal.suspects))

    def rolled_back(self, run: Run, step: int, masked: Sequence[str], skipped: Sequence[int]) -> None:
        """After the row the run went back to `run.step`."""
        what = (
            f"the batches read since are read once more, but nothing is learned from {_count(masked)}"
            if masked
            else f"batches {skipped[0]:,} to {skipped[1] - 1:,} are passed over"
        )
        done = f"The run went back from step {step:,} to step {run.step:,}; {what}; the rate is lower and rises anew."
        self._write(run, "rollback", done, **({"masked": list(masked)} if masked else {"skipped_batches": list(skipped)}))

    def lost(self, run: Run) -> None:
        """After the row the run was given up."""
        self._write(run, "lost", "The run ended: there was nothing left to go back to, or going back had not helped.")

    def reloaded(self, run: Run, step: int, tensor: str) -> None:
        """After step `step` the tensor changed in memory, and the run went back to `run.step`."""
        done = f"The run went back to step {run.step:,} and through the same batches again at the same rates: no figure differs."
        self._of_memory("reload", step, tensor, done, to=run.step)

    def failing(self, step: int, tensor: str) -> None:
        """The same once too often."""
        self._of_memory("lost", step, tensor, "The run ended; its checkpoints were written before.")

    def _of_memory(self, kind: str, step: int, tensor: str, done: str, **more: Any) -> None:
        """A fault of the machine's, which the run itself shall not show: into the journal."""
        if not self.leads:
            return
        folder = self.work.journal / FOLDER
        folder.mkdir(exist_ok=True)
        number = 1 + len(list(folder.glob("*.json")))
        reason = f"a bit of {tensor} flipped in memory though nothing wrote to it"
        report = {
            "number": number,
            "stage": self.name,
            "kind": kind,
            "step": step,
            "reason": reason,
            "tensor": tensor,
            "done": done,
            **more,
        }
        self._file(folder / f"{number:04}.json", report, new=True)

    def _write(self, run: Run, kind: str, done: str, new: bool = True, **more: Any) -> None:
        if not self.leads:
            return
        first = self.row[0]
        named = [id for refusal in self.row for id in refusal.suspects or refusal.documents]
        ids = list(dict.fromkeys(named))[:DESCRIBED]
        known = self.data.about(ids) if isinstance(self.data, Describing) else {}
        report = {
            "number": run.guard.incidents,
            "stage": self.name,
            "kind": kind,
            "step": first.step,
            "reason": first.reason,
            "before": self.before,
            "steps": [dataclasses.asdict(refusal) for refusal in self.row],
            "documents": [{"id": id, **_begun(known.get(id, {}))} for id in ids],
            "done": done,
            **more,
        }
        folder = self.work.path / FOLDER
        folder.mkdir(exist_ok=True)
        self._file(folder / f"{run.guard.incidents:04}.json", report, new)

    def _file(self, file: Path, report: dict[str, Any], new: bool) -> None:
        write_json(file, report)
        write_atomically(file.with_suffix(".md"), page(report))
        if new:
            row = {"time": time.time(), "kind": report["kind"], "step": report["step"]}
            with open(self.work.journal / "incidents.jsonl", "a", encoding="utf-8") as log:
                log.write(json.dumps({**row, "report": file.relative_to(self.work.path).as_posix()}) + "\n")
            if self.tell is not None:
                self.tell("incident" if report["kind"] == "refused" else report["kind"], report)


@torch.no_grad()
def row_losses(network: Network, batch: Batch, loss: Loss) -> list[float]:
    """Nats per target of each row alone, without dropout and in fp32; NaN for a row that nothing is learned from."""
    network.eval()
    try:
        return [float(loss(network, row)) / row.weight if row.weight else math.nan for row in batch.micro(1)]
    finally:
        network.train()


def standing_out(losses: Sequence[float]) -> list[int]:
    """Rows that are not finite, or far above the others; none where they are too many to stand out, or too few to compare."""
    finite = [loss for loss in losses if math.isfinite(loss)]
    if len(losses) < FEWEST_ROWS or not finite:
        return []
    middle = median(finite)
    spread = MAD_TO_SIGMA * median(abs(loss - middle) for loss in finite)
    limit = middle + STANDS_OUT * max(spread, ROW_FLOOR)
    found = [row for row, loss in enumerate(losses) if not loss <= limit]
    return found if 2 * len(found) < len(losses) else []


def without(batch: Batch, data: Any, place: int, masked: Sequence[str]) -> Batch:
    """The batch with nothing learned from rows that hold a masked document.

    Such a row reads what another row reads, and counts for nothing: what it held cannot even make a product with 0 into NaN. A batch of
    which nothing would be left, or whose rows are labelled whole, stays as it is, and the guard judges it as any other.
    """
    if not masked or not isinstance(data, ByRow) or batch.labels is not None:
        return batch
    out, rows = set(masked), data.row_documents(place)
    bad_B = torch.tensor([not out.isdisjoint(row) for row in rows])
    if not bad_B.any() or bad_B.all():
        return batch
    places_B = torch.arange(len(rows))
    places_B[bad_B] = int((~bad_B).nonzero()[0])
    batch = batch.take(places_B)
    ahead_BTF = batch.ahead_weights_BTF
    return dataclasses.replace(
        batch,
        weights_BT=batch.weights_BT.masked_fill(bad_B[:, None], 0.0),
        ahead_weights_BTF=None if ahead_BTF is None else ahead_BTF.masked_fill(bad_B[:, None, None], 0.0),
    )


def _suspects(rows: list[list[str]], stood_out: list[int]) -> list[str]:
    """Documents of the rows that stood out and of no other; where a row has none such, all of its documents."""
    good = {id for row, ids in enumerate(rows) if row not in stood_out for id in ids}
    found = [[id for id in rows[row] if id not in good] or rows[row] for row in stood_out]
    return list(dict.fromkeys(id for ids in found for id in ids))


def _begun(known: dict[str, str]) -> dict[str, str]:
    text = known.get("text")
    return known if text is None else {**known, "text": text[:BEGINNING]}


def _count(ids: Sequence[str]) -> str:
    return f"document {ids[0]}" if len(ids) == 1 else f"{len(ids):,} documents"
