"""A step that cannot be trusted: NaN or Inf in a gradient, in a loss, in an activation; a loss spike; a poisoned document.

Promised: such a step changes nothing (weights, moments and what follows are bit for bit those of a run whose data never had its batch),
a report says of which documents it was made, and which of them stood out. When it does not stop, the run goes back to its last state and
masks those documents, or passes over the batches where none stands out; however often it is interrupted, it ends with the same bits.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from headwater.core.errors import HeadwaterError
from headwater.model.network import Network
from headwater.training.config import Constant
from headwater.training.guard import Guard
from tests.faults.world import SHAPE, Counting, bits, changed, logs, rows_of, run

pytestmark = pytest.mark.fault

PLAIN = SHAPE.model_copy(update={"dropout": 0.0})  # dropout is drawn by step, and a run without two batches has other steps
BAD = (12, 13)
FLAT = {"schedule": Constant(warmup=0), "steps": 30}
# The model has learned to count by then, so that a text that nobody can foretell is a spike.
LEARNED = {"schedule": Constant(warmup=5), "steps": 70, "checkpoint_every": 10, "guard": {"window": 16, "patience": 3}}


class Planted:
    """Puts `value` into a gradient, a loss or an activation of the training passes over batches 12 and 13, from outside."""

    def __init__(self, where: str, value: float) -> None:
        self.where, self.value, self.place = where, value, -1
        self.network = PLAIN.build(1)
        self.data = Counting(before=self.at)
        weight = self.network.stack.blocks[1].attention.out.weight
        if where == "gradient":
            weight.register_hook(lambda grad: self.spoiled(grad))
        if where == "activation":
            self.network.stack.blocks[0].register_forward_hook(lambda module, inputs, output: self.spoiled(output))

    def at(self, place: int) -> None:
        self.place = place

    def spoiled(self, tensor: Any) -> Any:
        if self.place not in BAD or not self.network.training:
            return tensor
        if isinstance(tensor, tuple):
            return (self.spoiled(tensor[0]), *tensor[1:])
        mask = torch.zeros_like(tensor, dtype=torch.bool)
        mask.view(-1)[5] = True
        return tensor.masked_fill(mask, self.value)

    def loss(self, network: Network, batch: Any) -> torch.Tensor:
        from headwater.training.loss import token_loss

        total = token_loss(network, batch)
        return total + self.value if self.where == "loss" and self.place in BAD and network.training else total


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["gradient", "loss", "activation"])
def test_what_is_not_finite_leaves_no_trace(tmp_path: Path, where: str, value: float) -> None:
    planted = Planted(where, value)
    _, trained = run(tmp_path / "planted", planted.data, changed(**FLAT), planted.network, loss=planted.loss)
    network, _ = run(tmp_path / "without", Counting(without=BAD), changed(**{**FLAT, "steps": 28}), PLAIN.build(1))
    assert trained.refused == 2
    assert bits(planted.network) == bits(network)
    report = json.loads((tmp_path / "planted" / "incidents" / "0001.json").read_text())
    assert [step["batch"] for step in report["steps"]] == [12, 13]
    assert report["reason"].startswith("the gradient norm is" if where == "gradient" else "the loss is")
    assert "document-12-0" in report["steps"][0]["documents"]


@pytest.mark.parametrize("where", ["gradient", "loss", "activation"])
def test_unguarded_the_same_ruins_the_model(tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a guard that lets everything pass: NaN in the weights at the end. (A constant added to a loss has no gradient, but a factor.)"""
    monkeypatch.setattr(Guard, "judge", lambda *_: None)
    planted = Planted(where, math.nan)
    if where == "loss":
        loss = planted.loss
        planted.loss = lambda network, batch: loss(network, batch) * (math.nan if planted.place in BAD and network.training else 1.0)  # type: ignore[method-assign]
    run(tmp_path, planted.data, changed(**FLAT), planted.network, loss=planted.loss)
    assert not all(bool(tensor.isfinite().all()) for tensor in planted.network.state_dict().values())


def test_a_spike_leaves_no_trace(tmp_path: Path) -> None:
    """Two batches of noise, when the model knows its text: refused, and the run ends as one whose data never had them."""
    noise = {place: list(range(8)) for place in (52, 53)}
    network, trained = run(tmp_path / "noise", Counting(noise), changed(**LEARNED), PLAIN.build(1))
    without, _ = run(tmp_path / "without", Counting(without=(52, 53)), changed(**{**LEARNED, "steps": 68}), PLAIN.build(1))
    assert (trained.refused, trained.rollbacks) == (2, 0)
    assert bits(network) == bits(without)


def test_unguarded_a_spike_throws_the_model_back(tmp_path: Path) -> None:
    noise = {place: list(range(8)) for place in (52, 53)}
    run(tmp_path / "guarded", Counting(noise), changed(**LEARNED), PLAIN.build(1))
    run(tmp_path / "not", Counting(noise), changed(**{**LEARNED, "guard": {"threshold": 1e9}}), PLAIN.build(1))
    after = [rows_of(tmp_path / name, "train")[54]["loss"] for name in ("guarded", "not")]
    assert after[1] > 3 * after[0]


POISON = {52: [2], 53: [2], 54: [5]}


def test_poisoned_documents_are_named_and_masked(tmp_path: Path) -> None:
    """One row of eight, three batches in a row: the run goes back, reads the same batches without those rows, and passes over nothing."""
    data = Counting(POISON)
    _, trained = run(tmp_path, data, changed(**LEARNED))
    names = ["document-52-2", "document-53-2", "document-54-5"]
    [rollback] = rows_of(tmp_path, "rollback")
    assert (rollback["step"], rollback["to"], rollback["masked"]) == (55, 50, names)
    assert "skipped_batches" not in rollback
    assert data.read == [*range(55), *range(50, 70)]
    assert (trained.refused, trained.rollbacks, trained.place) == (3, 1, 70)
    report = json.loads((tmp_path / "incidents" / "0001.json").read_text())
    assert report["kind"] == "rollback"
    assert [step["stood_out"] for step in report["steps"]] == [[2], [2], [5]]
    assert report["documents"] == [{"id": id, "source": "counting", "text": f"the text of {id}"} for id in names]
    page = (tmp_path / "incidents" / "0001.md").read_text()
    assert "nothing is learned from 3 documents" in page
    assert "`document-54-5` (counting)" in page


def test_unguarded_poison_is_learned(tmp_path: Path) -> None:
    run(tmp_path / "guarded", Counting(POISON), changed(**LEARNED))
    run(tmp_path / "not", Counting(POISON), changed(**{**LEARNED, "guard": {"threshold": 1e9}}))
    after = [rows_of(tmp_path / name, "validation")[-2]["bits_per_byte"] for name in ("guarded", "not")]  # at step 60
    assert after[1] > 1.3 * after[0]


def test_where_no_row_stands_out_the_batches_are_passed_over(tmp_path: Path) -> None:
    """All rows are noise: that is no single document."""
    data = Counting({place: list(range(8)) for place in (52, 53, 54)})
    run(tmp_path, data, changed(**LEARNED))
    [rollback] = rows_of(tmp_path, "rollback")
    assert rollback["skipped_batches"] == [50, 55]
    assert data.read == list(range(75))


def test_a_lost_run_says_so_in_its_report(tmp_path: Path) -> None:
    with pytest.raises(HeadwaterError, match="training is lost"):
        run(tmp_path, Counting(blank=range(10, 99)), changed(guard={"patience": 3, "retries": 1}))
    kinds = [json.loads(file.read_text())["kind"] for file in sorted((tmp_path / "incidents").glob("*.json"))]
    assert kinds == ["rollback", "lost"]


@pytest.mark.parametrize("deaths", [[54], [58], [53, 51, 66]])
def test_equal_bits_and_reports_however_often_it_is_killed(tmp_path: Path, deaths: list[int]) -> None:
    """Among the refused steps, after the rollback, and in between."""
    whole, trained = run(tmp_path / "whole", Counting(POISON), changed(**LEARNED))
    for death in deaths:
        seen = []

        def die(place: int, death: int = death, seen: list[int] = seen) -> None:
            seen.append(place)
            if place == death:
                raise MemoryError("killed")

        with pytest.raises(MemoryError):
            run(tmp_path / "killed", Counting(POISON, before=die), changed(**LEARNED))
    network, again = run(tmp_path / "killed", Counting(POISON), changed(**LEARNED))
    assert bits(network) == bits(whole)
    assert logs(tmp_path / "killed") == logs(tmp_path / "whole")
    assert again == trained
