"""The loop: equal bits whatever happens to it, steps that the guard refuses change nothing, loss counted by weight."""

from __future__ import annotations

import json
import math
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headwater.core.artifact import Work
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.model.config import ModelConfig
from headwater.model.network import Network
from headwater.objectives.causal import causal_rows
from headwater.tokens.batch import Batch
from headwater.training.config import AdamW, Cosine, GuardConfig, Training
from headwater.training.loop import Trained, train
from headwater.training.loss import token_loss

SHAPE = ModelConfig(layers=2, width=32, heads=2, context=16, dropout=0.1, vocab_size=50)
CONFIG = Training(
    steps=30, batch_size=8, schedule=Cosine(warmup=5), optimizer=AdamW(lr=1e-2), precision="fp32", log_every=1, validate_every=10,
    sample_every=15, checkpoint_every=7, guard=GuardConfig(warmup=8),
)  # fmt: skip


class Counting:
    """Rows that count upwards from a random start: easy to learn."""

    def __init__(self, die_at: int | None = None, interrupt_at: int | None = None, poison: frozenset[int] = frozenset()) -> None:
        self.die_at, self.interrupt_at, self.poison = die_at, interrupt_at, poison

    def batch(self, step: int) -> Batch:
        if step == self.die_at:
            raise MemoryError("killed")
        if step == self.interrupt_at:
            signal.raise_signal(signal.SIGINT)
        starts = np.random.default_rng(step).integers(0, 50, (CONFIG.batch_size, 1))
        batch = causal_rows((starts + np.arange(SHAPE.context + 1)) % 50, end=0, across_documents=True)
        return replace(batch, weights_BT=batch.weights_BT * math.nan) if step in self.poison else batch

    def documents(self, step: int) -> list[str]:
        return [f"document-{step}"]


def run(folder: Path, data: Counting, config: Training = CONFIG, network: Network | None = None) -> tuple[Network, Trained]:
    network = SHAPE.build(1) if network is None else network
    folder.mkdir(parents=True, exist_ok=True)

    def validate() -> dict[str, Any]:
        batch = Counting().batch(10_000)
        return {"bits_per_byte": float(token_loss(network, batch)) / batch.weight}

    work = Work(folder, {}, seed=3, report=Reporter())
    return network, train(network, data, token_loss, config, work=work, name="test", validate=validate, sample=lambda: [("p", "t")])


def bits(network: Network) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in network.state_dict().items()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Network, Trained]:
    folder = tmp_path_factory.mktemp("undisturbed")
    return (folder, *run(folder, Counting()))


def logs(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "metrics.jsonl").read_bytes(), (folder / "samples.jsonl").read_bytes()


def test_learns(undisturbed: tuple[Path, Network, Trained]) -> None:
    folder, _, trained = undisturbed
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if row["kind"] == "train"]
    assert losses[0] == pytest.approx(math.log(50), abs=0.2)
    assert losses[-1] < 0.7 * losses[0]
    assert [row["step"] for row in rows if row["kind"] == "validation"] == [0, 10, 20, 30]
    assert trained.validation["bits_per_byte"] == rows[-1]["bits_per_byte"]


@pytest.mark.fault
@pytest.mark.parametrize("deaths", [[3], [7], [8, 15, 29], [20, 20, 21]])
def test_equal_bits_after_deaths(undisturbed: tuple[Path, Network, Trained], tmp_path: Path, deaths: list[int]) -> None:
    """Before the first checkpoint, at one, after several, twice at the same step: weights and logs end byte for byte equal."""
    for step in deaths:
        with pytest.raises(MemoryError):
            run(tmp_path, Counting(die_at=step))
    network, trained = run(tmp_path, Counting())
    assert bits(network) == bits(undisturbed[1])
    assert logs(tmp_path) == logs(undisturbed[0])
    assert trained == undisturbed[2]


@pytest.mark.fault
def test_ctrl_c_finishes_the_step_and_keeps_it(undisturbed: tuple[Path, Network, Trained], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Counting(interrupt_at=11))
    newest = sorted((tmp_path / "scratch" / "checkpoints").iterdir())[-1]
    assert newest.name == "step-0000012"
    network, _ = run(tmp_path, Counting())
    assert bits(network) == bits(undisturbed[1])
    assert logs(tmp_path) == logs(undisturbed[0])


@pytest.mark.fault
def test_a_damaged_checkpoint_is_found_and_the_one_before_used(
    undisturbed: tuple[Path, Network, Trained], tmp_path: Path, capsys: Any
) -> None:
    with pytest.raises(MemoryError):
        run(tmp_path, Counting(die_at=20))
    weights = sorted((tmp_path / "scratch" / "checkpoints").iterdir())[-1] / "network.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-5] ^= 1
    weights.write_bytes(damaged)
    network, _ = run(tmp_path, Counting())
    said = capsys.readouterr().err
    assert "step-0000014 is damaged (network.safetensors)" in said
    assert "going on from step 7" in said
    assert bits(network) == bits(undisturbed[1])


def test_a_finished_run_is_not_trained_further(undisturbed: tuple[Path, Network, Trained], tmp_path: Path) -> None:
    shutil.copytree(undisturbed[0], tmp_path / "again")
    network, trained = run(tmp_path / "again", Counting(die_at=30))
    assert bits(network) == bits(undisturbed[1])
    assert trained == undisturbed[2]


@pytest.mark.fault
def test_a_poisoned_step_changes_no_weight_and_no_moment(tmp_path: Path) -> None:
    """Steps 12 and 13 have NaN in their loss: what follows equals a run in which they never were, but for the rate."""
    flat = CONFIG.model_copy(update={"schedule": Cosine(warmup=0, floor=1.0)})

    class Without(Counting):
        def batch(self, step: int) -> Batch:
            return super().batch(step if step < 12 else step + 2)

    plain = SHAPE.model_copy(update={"dropout": 0.0})
    poisoned, trained = run(tmp_path / "poisoned", Counting(poison=frozenset({12, 13})), flat, plain.build(1))
    without, _ = run(tmp_path / "without", Without(), flat.model_copy(update={"steps": 28}), plain.build(1))
    assert trained.refused == 2
    assert bits(poisoned) == bits(without)
    rows = [json.loads(line) for line in (tmp_path / "poisoned" / "metrics.jsonl").read_text().splitlines()]
    incidents = [row for row in rows if row["kind"] == "incident"]
    assert [row["documents"] for row in incidents] == [["document-12"], ["document-13"]]
    assert incidents[0]["loss"] is None
    assert "NaN" not in (tmp_path / "poisoned" / "metrics.jsonl").read_text()


def test_micro_batches_give_the_gradient_of_the_whole(tmp_path: Path) -> None:
    """Token-exact: rows of different weight, in pieces of 8, 3 and 1."""
    plain = SHAPE.model_copy(update={"dropout": 0.0})

    class Ragged(Counting):
        def batch(self, step: int) -> Batch:
            batch = super().batch(step)
            weights = (torch.arange(SHAPE.context) < torch.arange(1, 9)[:, None]).float()
            return replace(batch, weights_BT=weights)

    ends = []
    for rows in (8, 3, 1):
        config = CONFIG.model_copy(update={"steps": 4, "micro_batch": rows, "schedule": Cosine(warmup=0)})
        network, _ = run(tmp_path / str(rows), Ragged(), config, plain.build(1))
        ends.append(torch.cat([tensor.flatten() for tensor in network.state_dict().values()]))
    assert torch.allclose(ends[0], ends[1], atol=2e-5)
    assert torch.allclose(ends[0], ends[2], atol=2e-5)


def test_bf16_is_refused_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headwater.training.precision.cpu_has_bf16", lambda: False)
    with pytest.raises(HeadwaterError, match="no bf16 units; choose auto or fp32"):
        run(tmp_path, Counting(), CONFIG.model_copy(update={"precision": "bf16"}))
