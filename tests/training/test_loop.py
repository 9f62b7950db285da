"""The loop: equal bits whatever happens to it, steps that the guard refuses change nothing, loss counted by weight."""

from __future__ import annotations

import contextlib
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
from headwater.model.network import Network
from headwater.objectives.causal import causal_rows
from headwater.tokens.batch import Batch
from headwater.training.config import (
    EMA,
    SGD,
    Constant,
    Cosine,
    LastSteps,
    Lion,
    Muon,
    Ramp,
    Rates,
    ScheduleFree,
    Stopping,
    Training,
)
from headwater.training.guard import LostError
from headwater.training.loop import Trained, train
from headwater.training.loss import token_loss
from headwater.training.ramp import size_at
from headwater.training.schedule import rate_at
from tests.faults.world import CONFIG, SHAPE, bits, run


class Counting:
    """Rows that count upwards from a random start: easy to learn."""

    def __init__(
        self,
        die_at: int | None = None,
        interrupt_at: int | None = None,
        poison: frozenset[int] = frozenset(),
        config: Training = CONFIG,
    ) -> None:
        self.die_at, self.interrupt_at, self.poison, self.config = die_at, interrupt_at, poison, config
        self.read: list[int] = []

    def batch(self, step: int) -> Batch:
        self.read.append(step)
        if step == self.die_at:
            raise MemoryError("killed")
        if step == self.interrupt_at:
            signal.raise_signal(signal.SIGINT)
        starts = np.random.default_rng(step).integers(0, 50, (size_at(self.config.batch_size, step), 1))
        batch = causal_rows((starts + np.arange(SHAPE.context + 1)) % 50, end=0, across_documents=True)
        return replace(batch, weights_BT=batch.weights_BT * math.nan) if step in self.poison else batch

    def documents(self, step: int) -> list[str]:
        return [f"document-{step}"]


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


def changed(**update: Any) -> Training:
    return Training.model_validate({**CONFIG.model_dump(), **update})


VARIANTS = {
    "ema, best kept, lion": changed(average=EMA(decay=0.9), stopping=Stopping(keep="best", patience=9), optimizer=Lion(lr=2e-3)),
    "mean of the last": changed(average=LastSteps(count=3, every=4), clip_by="value", clip=0.1),
    "schedule-free": changed(optimizer=ScheduleFree(lr=1e-2), schedule=Constant(warmup=5), clip=None),
    "growing batches": changed(
        batch_size=Ramp(start=2, end=8, over=40, unit="rows"), schedule=Cosine(warmup=300, horizon=3000, unit="tokens")
    ),
    "frozen and layered": changed(rates=Rates(layer_decay=0.8, frozen=("embedding*",)), optimizer=Muon(lr=1e-2)),
    "early end": changed(stopping=Stopping(patience=1, keep="best", least_gain=9.0), optimizer=SGD(lr=0.1, momentum=0.9)),
    "rolled back": changed(guard={"patience": 3, "rewarm": 4, "warmup": 8}, checkpoint_every=4),
}


@pytest.mark.fault
@pytest.mark.parametrize("variant", VARIANTS)
def test_equal_bits_after_deaths_whatever_the_recipe(tmp_path: Path, variant: str) -> None:
    config = VARIANTS[variant]
    poison = frozenset({10, 11, 12, 21, 22, 23}) if variant == "rolled back" else frozenset()
    whole, trained = run(tmp_path / "whole", Counting(poison=poison, config=config), config)
    for step in (8, 13, 24):
        with contextlib.suppress(MemoryError):
            run(tmp_path / "killed", Counting(die_at=step, poison=poison, config=config), config)
    network, again = run(tmp_path / "killed", Counting(poison=poison, config=config), config)
    assert bits(network) == bits(whole)
    assert logs(tmp_path / "killed") == logs(tmp_path / "whole")
    assert again == trained
    assert trained.rollbacks == (2 if variant == "rolled back" else 0)


def rows_of(folder: Path, kind: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row for row in rows if row["kind"] == kind]


@pytest.mark.fault
def test_goes_back_past_trouble_and_on_behind_its_documents(tmp_path: Path) -> None:
    """Batches 12 to 14 are poisoned: the third refusal leads back to the checkpoint of step 9, and on with batch 15 at half the rate."""
    config = changed(guard={"patience": 3, "rewarm": 3, "warmup": 8}, checkpoint_every=9, steps=20, schedule=Constant(warmup=0))
    flawed = Counting(poison=frozenset(range(12, 15)))
    _, trained = run(tmp_path, flawed, config)
    assert flawed.read == list(range(26))  # nothing is read twice
    assert (trained.rollbacks, trained.refused) == (1, 3)
    [rollback] = rows_of(tmp_path, "rollback")
    assert (rollback["step"], rollback["to"], rollback["skipped_batches"]) == (15, 9, [9, 15])
    assert [row["documents"] for row in rows_of(tmp_path, "incident")] == [["document-12"], ["document-13"], ["document-14"]]
    rates = [row["lr"] for row in rows_of(tmp_path, "train")]
    assert rates == pytest.approx([0.01] * 15 + [0.005 * share for share in (0.25, 0.5, 0.75)] + [0.005] * 8)
    assert [row["step"] for row in rows_of(tmp_path, "train")] == [*range(1, 16), *range(10, 21)]


@pytest.mark.fault
def test_each_rollback_halves_the_rate_again(tmp_path: Path) -> None:
    config = changed(guard={"patience": 2, "rewarm": 0, "warmup": 8}, checkpoint_every=5, steps=24, schedule=Constant(warmup=0))
    _, trained = run(tmp_path, Counting(poison=frozenset({7, 8, 19, 20})), config)
    assert (trained.rollbacks, trained.refused) == (2, 4)
    assert [row["to"] for row in rows_of(tmp_path, "rollback")] == [5, 15]
    rates = [row["lr"] for row in rows_of(tmp_path, "train")]
    assert rates == pytest.approx([0.01] * 9 + [0.005] * 12 + [0.0025] * 9)


@pytest.mark.fault
@pytest.mark.parametrize("checkpoint_every", [7, 11])
def test_weights_that_went_bad_are_taken_from_the_checkpoint(tmp_path: Path, checkpoint_every: int) -> None:
    """Memory errs at step 20, unverified: the losses after it stand out, and no checkpoint (22 is due) is written of the cause."""
    config = changed(guard={"patience": 4, "warmup": 8, "verify_every": 0}, checkpoint_every=checkpoint_every, steps=40)
    network = SHAPE.build(1)

    class Erring(Counting):
        def batch(self, step: int) -> Batch:
            if step == 20:
                with torch.no_grad():
                    next(parameter for name, parameter in network.named_parameters() if name.startswith("embedding")).mul_(1e4)
            return super().batch(step)

    _, trained = run(tmp_path, Erring(), config, network)
    [rollback] = rows_of(tmp_path, "rollback")
    assert (rollback["step"], rollback["to"]) == (24, {7: 14, 11: 11}[checkpoint_every])
    assert (trained.rollbacks, trained.refused) == (1, 4)
    assert trained.loss is not None
    assert trained.loss < 3.0


@pytest.mark.fault
@pytest.mark.parametrize(("poison", "to"), [(range(12, 99), [7, 7]), (range(2, 99), [0, 0])])
def test_gives_up_when_going_back_does_not_help(tmp_path: Path, poison: range, to: list[int]) -> None:
    """After two rollbacks; to the beginning where there is nothing since."""
    with pytest.raises(LostError, match="training is lost: 3 steps in a row were refused, the last because the loss is nan"):
        run(tmp_path, Counting(poison=frozenset(poison)), changed(guard={"patience": 3, "warmup": 8}))
    assert [row["to"] for row in rows_of(tmp_path, "rollback")] == to


def test_a_rate_in_tokens_follows_the_tokens_that_were_read(tmp_path: Path) -> None:
    """Each step's rate is that of its last token, though batches grow."""
    config = VARIANTS["growing batches"]
    run(tmp_path, Counting(config=config), config)
    rows = rows_of(tmp_path, "train")
    assert [row["tokens"] for row in rows[:3]] == [2 * 16, 4 * 16, 6 * 16]
    expected = [0.01 * (row["tokens"] / 301 if row["tokens"] <= 300 else rate_at(config.schedule, row["tokens"] - 1, 0)) for row in rows]
    assert [row["lr"] for row in rows] == pytest.approx(expected)
    assert rows[-1]["lr"] == pytest.approx(0.01 * 0.1)


def test_averages_are_what_is_validated_and_kept(tmp_path: Path) -> None:
    config = changed(average=EMA(decay=0.9))
    network, trained = run(tmp_path / "averaged", Counting(), config)
    last, _ = run(tmp_path / "plain", Counting())
    assert bits(network) != bits(last)
    batch = Counting().batch(10_000)
    network.eval()
    assert trained.validation["bits_per_byte"] == pytest.approx(token_loss(network, batch).item() / batch.weight, rel=1e-6)
    metrics = [[row["loss"] for row in rows_of(tmp_path / folder, "train")] for folder in ("averaged", "plain")]
    assert metrics[0] == metrics[1]  # averaging looks on, it does not meddle


def test_ends_when_nothing_gets_better_and_keeps_the_best(tmp_path: Path) -> None:
    """A rate that ruins the weights after a while: figures rise, the run ends, and what it leaves is what was best."""
    config = changed(optimizer=SGD(lr=40.0), schedule=Constant(warmup=0), clip=None, validate_every=1, steps=60, checkpoint_every=100,
                     guard={"threshold": 1e9}, stopping=Stopping(keep="best", patience=4))  # fmt: skip
    network, trained = run(tmp_path, Counting(), config)
    figures = [row["bits_per_byte"] for row in rows_of(tmp_path, "validation")]
    assert len(figures) < 61
    assert figures.index(min(figures)) == len(figures) - 1 - 4 == trained.step
    assert trained.validation["bits_per_byte"] == min(figures)
    batch = Counting().batch(10_000)
    network.eval()
    assert min(figures) == pytest.approx(token_loss(network, batch).item() / batch.weight, rel=1e-6)


def test_frozen_weights_stay_and_the_run_says_so(tmp_path: Path, capsys: Any) -> None:
    config = changed(rates=Rates(frozen=("embedding*",)))
    before = bits(SHAPE.build(1))
    network, trained = run(tmp_path, Counting(), config)
    after = bits(network)
    same = {name for name in before if after[name] == before[name]}
    assert same == {name for name in before if name.startswith("embedding")}
    assert trained.frozen == sum(parameter.numel() for name, parameter in network.named_parameters() if name in same)
    assert f"test: {trained.frozen:,} of " in capsys.readouterr().err


def test_multipliers_reach_the_optimizer(tmp_path: Path) -> None:
    """Embeddings at a rate of nothing stay where they are, decay included."""
    network = SHAPE.build(1)
    names = [name for name, _ in network.named_parameters() if name.startswith("embedding")]
    before = bits(network)
    work = Work(tmp_path, {}, seed=3, report=Reporter())
    train(network, Counting(), token_loss, CONFIG, work=work, name="test", validate=lambda: {"bits_per_byte": 1.0}, sample=list,
          multipliers=dict.fromkeys(names, 0.0))  # fmt: skip
    assert {name for name in before if bits(network)[name] == before[name]} == set(names)


@pytest.mark.fault
def test_data_that_does_not_grow_with_its_batches_is_found(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="as many rows as batch_size says"):
        run(tmp_path, Counting(), changed(batch_size=Ramp(start=2, end=8, over=10)))
