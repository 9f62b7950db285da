"""Reports of incidents: which rows stood out, whose documents they were, and batches without them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from headwater.core.artifact import Work
from headwater.core.progress import Reporter
from headwater.model.config import ModelConfig
from headwater.objectives.causal import causal_rows
from headwater.tokens.batch import Batch
from headwater.training.incident_page import page
from headwater.training.incidents import Incidents, _suspects, row_losses, standing_out, without
from headwater.training.loss import token_loss

SHAPE = ModelConfig(layers=1, width=16, heads=2, context=8, vocab_size=20, dropout=0.5)


def batch_of(rows: int = 6) -> Batch:
    return causal_rows(np.random.default_rng(0).integers(0, 20, (rows, 9)), end=0, across_documents=True)


class ByTens:
    """Row r of batch p is made of `p-r`, and of `p-shared`."""

    def row_documents(self, place: int) -> list[list[str]]:
        return [[f"{place}-{row}", f"{place}-shared"] for row in range(6)]


def test_losses_of_rows_are_those_of_the_batch() -> None:
    """Their mean by weight is the batch's own, dropout left out; and the network is training again afterwards."""
    network, batch = SHAPE.build(1), batch_of()
    weights = (torch.arange(8) < torch.arange(1, 7)[:, None]).float()
    batch = replace(batch, weights_BT=weights)
    network.train()
    losses = row_losses(network, batch, token_loss)
    assert network.training
    network.eval()
    whole = float(token_loss(network, batch).detach()) / batch.weight
    assert np.average(losses, weights=weights.sum(1)) == pytest.approx(whole, rel=1e-5)
    assert math.isnan(row_losses(network, replace(batch, weights_BT=torch.zeros(6, 8)), token_loss)[0])


@pytest.mark.parametrize(
    ("losses", "rows"),
    [
        ([3.0, 3.1, 2.9, 3.2, 9.0, 3.0], [4]),
        ([3.0, math.nan, 2.9, 3.2, 3.1, math.inf], [1, 5]),
        ([3.0, 3.1, 2.9, 3.2, 3.3, 3.0], []),
        ([0.0, 3.0, 3.1, 3.2, 3.1, 3.0], []),  # too good is no trouble
        ([9.0, 9.1, 9.2, 3.0, 3.1, 3.2], []),  # half of them: that is no outlier
        ([math.nan] * 6, []),
        ([3.0, 9.0, 3.0], []),  # too few to compare
        ([3.0, 3.0, 3.0, 3.0, 3.9], []),  # rows of good text differ by as much
    ],
)
def test_rows_that_stand_out(losses: list[float], rows: list[int]) -> None:
    assert standing_out(losses) == rows


def test_good_rows_clear_the_documents_that_they_share() -> None:
    assert _suspects([["a", "b"], ["b", "c"], ["c"]], [0]) == ["a"]
    assert _suspects([["b"], ["b", "c"], ["c"]], [0]) == ["b"]  # one of the row's must be it
    assert _suspects([["a"], ["b"], ["a"]], [0, 2]) == ["a"]


def test_a_masked_row_counts_for_nothing_whatever_it_holds() -> None:
    batch = batch_of()
    poisoned = replace(batch, weights_BT=batch.weights_BT.index_fill(0, torch.tensor(4), math.nan))
    left = without(poisoned, ByTens(), 3, ["3-4", "9-1"])
    assert left.weight == batch.weight - 8
    assert not left.weights_BT[4].any()
    assert torch.equal(left.inputs.tokens_BT[4], batch.inputs.tokens_BT[0])
    others = [0, 1, 2, 3, 5]
    assert torch.equal(left.inputs.tokens_BT[others], batch.inputs.tokens_BT[others])
    assert torch.equal(left.weights_BT[others], batch.weights_BT[others])
    network = SHAPE.build(1).eval()
    five = Batch(replace(batch.inputs, tokens_BT=batch.inputs.tokens_BT[others]), batch.targets_BT[others], batch.weights_BT[others], None)
    assert float(token_loss(network, left).detach()) == pytest.approx(float(token_loss(network, five).detach()), rel=1e-6)


def test_what_cannot_be_masked_stays() -> None:
    batch = batch_of()
    assert without(batch, ByTens(), 3, []) is batch
    assert without(batch, ByTens(), 3, ["4-4"]) is batch
    assert without(batch, ByTens(), 3, ["3-shared"]) is batch  # nothing would be left
    assert without(batch, object(), 3, ["3-4"]) is batch  # nobody knows its rows
    labelled = replace(batch, labels=torch.zeros(6))
    assert without(labelled, ByTens(), 3, ["3-4"]) is labelled


def test_reports_of_steps_that_are_made_again_go(tmp_path: Path) -> None:
    """And with them what a kill left of one that was being written."""
    folder = tmp_path / "incidents"
    folder.mkdir()
    for name in ("0001.json", "0001.md", "0002.json", "0002.md", ".0003.json.77.tmp"):
        (folder / name).write_text("{}")
    run: Any = SimpleNamespace(guard=SimpleNamespace(incidents=1))
    Incidents(Work(tmp_path, {}, 0, Reporter()), "pretrain", None, token_loss).cut(run)
    assert sorted(file.name for file in folder.iterdir()) == ["0001.json", "0001.md"]


def test_the_page_tells_figures_without_numbers() -> None:
    step = {"step": 4, "batch": 3, "reason": "the loss is nan", "loss": None, "grad_norm": None, "documents": ["a"], "rows": [],
            "stood_out": [], "suspects": []}  # fmt: skip
    report = {"number": 2, "stage": "pretrain", "kind": "refused", "step": 4, "reason": "the loss is nan", "steps": [step],
              "before": {"limits": {"loss": None, "grad_norm": None}, "losses": [], "grad_norms": []},
              "documents": [{"id": "a", "source": "web", "text": "one\ntwo"}], "done": "The update was not made."}  # fmt: skip
    told = page(report)
    assert told.startswith("# Incident 2 of pretrain, step 4: updates refused\n")
    assert "| 4 | 3 | not finite | not finite | none |" in told
    assert "- `a` (web)\n\n  > one\n  > two\n" in told
