"""A run that is changed while it goes: the same bits however often it is killed, and as a fresh run whose recipe has the changes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headwater.core.artifact import Work
from headwater.core.errors import HeadwaterError
from headwater.core.progress import Reporter
from headwater.core.storage import read_json, read_jsonl
from headwater.model.activation import switch_activation
from headwater.model.config import ModelConfig
from headwater.model.network import Network
from headwater.objectives.causal import causal_rows
from headwater.recipe.pretrain_config import Pretrain
from headwater.tokens.batch import Batch
from headwater.training.config import Training
from headwater.training.loop import train
from headwater.training.loss import Loss
from headwater.training.ramp import Sizes
from headwater.training.steering import read_request
from headwater.training.steering_files import FOLDER, RECORD
from tests.parallel import processes

SHAPE = ModelConfig.model_validate({"layers": 1, "width": 32, "heads": 2, "context": 16, "dropout": 0.1, "vocab_size": 50})
CONFIG = Pretrain.model_validate({
    "model": SHAPE, "steps": 30, "batch_size": 4, "schedule": {"warmup": 5}, "precision": "fp32", "log_every": 1, "validate_every": 10,
    "sample_every": 30, "checkpoint_every": 7, "guard": {"warmup": 8}, "optimizer": {"lr": 1e-2},
})  # fmt: skip

Asks = Mapping[int, dict[str, Any]]  # what is asked while batch N is read


class Rows:
    """Row n of the order counts upwards from a start that n decides. While some batches are read, something is asked or fails."""

    def __init__(self, folder: Path, asks: Asks, sizes: Sizes, die_at: int | None, poison: frozenset[int]) -> None:
        self.folder, self.asks, self.sizes, self.die_at, self.poison = folder / FOLDER, asks, sizes, die_at, poison
        self.read: list[int] = []

    def batch(self, place: int) -> Batch:
        if place == self.die_at:
            raise MemoryError("killed")
        once = self.folder.parent.parent / f"asked-{place}"
        if place in self.asks and not once.exists():
            once.touch()
            (self.folder / f"ask-{place:03}.json").write_text(json.dumps(self.asks[place]))
        first, count = self.sizes.rows(place)
        self.read += range(first, first + count)
        starts = np.array([[np.random.default_rng(row).integers(50)] for row in range(first, first + count)])
        batch = causal_rows((starts + np.arange(SHAPE.context + 1)) % 50, end=0, across_documents=True)
        return batch if place not in self.poison else batch.__class__(**{**vars(batch), "weights_BT": batch.weights_BT * float("nan")})

    def documents(self, place: int) -> list[str]:
        return []


class Done:
    """A run, as far as it came."""

    def __init__(
        self,
        folder: Path,
        config: Pretrain = CONFIG,
        asks: Asks | None = None,
        die_at: int | None = None,
        poison: frozenset[int] = frozenset(),
    ) -> None:  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.network, self.losses = folder, SHAPE.build(1), [Loss(config.loss)]
        sizes = Sizes(config.batch_size, SHAPE.context)
        sizes.fit(1000, "pretrain.batch_size")
        self.rows = Rows(folder, asks or {}, sizes, die_at, poison)

        def adopt(network: Network, now: Training) -> None:
            assert isinstance(now, Pretrain)
            self.losses.append(Loss(now.loss))
            switch_activation(network, now.model.feed_forward)

        def validate() -> dict[str, Any]:
            ids = (np.arange(8)[:, None] * 5 + np.arange(SHAPE.context + 1)) % 50
            batch = causal_rows(ids, end=0, across_documents=True)
            return {"bits_per_byte": float(Loss()(self.network, batch)) / batch.weight}

        train(
            self.network, self.rows, lambda network, batch: self.losses[-1](network, batch), config,
            work=Work(folder, {}, seed=3, report=Reporter()), name="pretrain", validate=validate, sample=lambda: [("p", "t")], sizes=sizes,
            adopt=adopt,
        )  # fmt: skip

    @property
    def bits(self) -> dict[str, bytes]:
        return {name: tensor.numpy().tobytes() for name, tensor in self.network.state_dict().items()}

    def metrics(self, kind: str) -> list[dict[str, Any]]:
        return [row for row in read_jsonl(self.folder / "metrics.jsonl") if row["kind"] == kind]


@pytest.fixture(scope="module", autouse=True)
def plain(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Of whom nothing is asked."""
    torch.set_num_threads(1)
    return Done(tmp_path_factory.mktemp("plain"))


def planned(asks: Asks, rollbacks: int = 0) -> Pretrain:
    """The recipe that has from the beginning what was asked while batch N was read: it holds after that step."""
    changes = [{"step": place + 1, "rollbacks": rollbacks, "do": [], **ask} for place, ask in asks.items()]
    return Pretrain.model_validate({**CONFIG.model_dump(mode="json"), "changes": changes})


KINDS: dict[str, Asks] = {
    "rate, clip and their log": {8: {"set": {"optimizer.lr": 3e-3, "clip": 0.1, "log_every": 2}}},
    "another optimizer": {5: {"set": {"optimizer.kind": "lion", "optimizer.lr": 1e-3}}, 16: {"set": {"optimizer": {"kind": "muon"}}}},
    "momentum begins and ends": {
        3: {"set": {"optimizer": {"kind": "rmsprop", "lr": 1e-3}}}, 9: {"set": {"optimizer.momentum": 0.5}},
        15: {"set": {"optimizer.momentum": 0}},
    },
    "schedule and steps": {11: {"set": {"schedule.kind": "linear", "steps": 36, "validate_every": 4}}},
    "batches": {6: {"set": {"batch_size": 7}}, 19: {"set": {"batch_size": {"kind": "ramp", "start": 2, "end": 6, "over": 25}}}},
    "loss and activation": {10: {"set": {"loss.z_loss": 1e-3, "model.feed_forward.kind": "geglu"}}},
    "orders": {7: {"do": ["validate", "sample", "save"]}, 8: {"set": {"clip": None}, "do": ["validate"]}},
    "layers": {12: {"set": {"rates.layer_decay": 0.5, "optimizer.betas.0": 0.8}}},
}  # fmt: skip


SLOW = ("rate, clip and their log", "momentum begins and ends", "schedule and steps", "layers")


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=pytest.mark.slow) if kind in SLOW else kind for kind in KINDS])
def test_a_steered_run_ends_with_the_bits_of_its_replay_however_often_it_is_killed(tmp_path: Path, plain: Done, kind: str) -> None:
    asks = KINDS[kind]
    steered = Done(tmp_path / "steered", asks=asks)
    replayed = Done(tmp_path / "replayed", planned(asks))
    for die_at in (9, 20):
        with contextlib.suppress(MemoryError):
            Done(tmp_path / "killed", asks=asks, die_at=die_at)
    killed = Done(tmp_path / "killed", asks=asks)
    assert steered.bits == replayed.bits == killed.bits
    assert kind == "orders" or steered.bits != plain.bits
    logs = [(tmp_path / name / "metrics.jsonl").read_bytes() for name in ("steered", "replayed", "killed")]
    assert logs[0] == logs[1] == logs[2]
    assert (tmp_path / "steered" / RECORD).read_bytes() == (tmp_path / "killed" / RECORD).read_bytes()
    assert [row["step"] for row in steered.metrics("change")] == [place + 1 for place in asks]
    if kind == "batches":
        assert steered.rows.read == list(range(len(steered.rows.read))), "no row twice, none left out"
        assert len(steered.rows.read) == 7 * 4 + 13 * 7 + sum(2 + 4 * min(place, 25) // 25 for place in range(20, 30))
    if kind == "orders":
        assert [row["step"] for row in steered.metrics("validation")] == [0, 8, 9, 10, 20, 30]
    if kind == "loss and activation":
        assert steered.network.config.feed_forward.kind == "geglu"
        assert killed.network.config.feed_forward.kind == "geglu"


def test_moments_go_on_where_they_mean_the_same(tmp_path: Path, plain: Done) -> None:
    """A rate that is set to what it was changes nothing."""
    assert plain.bits == Done(tmp_path / "same", asks={9: {"set": {"optimizer.lr": 1e-2, "clip": 1}}}).bits


def test_another_kind_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Done(tmp_path, asks={9: {"set": {"optimizer.kind": "lion", "optimizer.lr": 1e-4}}})
    said = capsys.readouterr().err
    assert 'pretrain: after step 10: optimizer.kind = "lion", optimizer.lr = 0.0001\n' in said
    assert "pretrain: lion takes over from adamw, from moments of its own\n" in said


def test_after_a_rollback_a_change_holds_from_where_it_was_asked(tmp_path: Path) -> None:
    """Steps 12 to 14 are lost; what is asked in the second pass did not hold in the first, in the run and in its replay."""
    lost = {"guard": {"warmup": 8, "patience": 3, "rewarm": 2}}
    config = CONFIG.model_copy(update={"guard": Pretrain.model_validate({**CONFIG.model_dump(), **lost}).guard})
    asks: Asks = {16: {"set": {"optimizer.lr": 1e-3, "batch_size": 6}}}
    poison = frozenset({12, 13, 14})
    steered = Done(tmp_path / "steered", config, asks=asks, poison=poison)
    [row] = read_jsonl(tmp_path / "steered" / RECORD)
    assert row["rollbacks"] == 1
    replay = planned(asks, rollbacks=1).model_copy(update={"guard": config.guard})
    replayed = Done(tmp_path / "replayed", replay, poison=poison)
    for die_at in (13, 17, 25):
        with contextlib.suppress(MemoryError):
            Done(tmp_path / "killed", config, asks=asks, die_at=die_at, poison=poison)
    killed = Done(tmp_path / "killed", config, asks=asks, poison=poison)
    assert steered.bits == replayed.bits == killed.bits


def test_a_change_that_was_asked_after_a_rollback_does_not_hold_before_it(tmp_path: Path) -> None:
    """Though its step was made before as well, as happens where a rollback goes back in the data."""
    config = Pretrain.model_validate({
        **CONFIG.model_dump(mode="json"), "guard": {"warmup": 8, "patience": 3}, "schedule": {"kind": "constant", "warmup": 0}, "steps": 18,
        "changes": [{"step": 5, "rollbacks": 1, "set": {"optimizer.lr": 1e-3}}],
    })  # fmt: skip
    rates = [row["lr"] for row in Done(tmp_path, config, poison=frozenset({12, 13, 14})).metrics("train")]
    assert rates[:15] == [1e-2] * 15
    assert max(rates[15:]) <= 1e-3


@pytest.mark.slow
def test_a_rollback_past_a_change_of_the_optimizer_finds_the_right_one(tmp_path: Path) -> None:
    """Lion from step 10 on, lost at 14, back to 7 where the moments were AdamW's: bits as those of a killed run."""
    config = Pretrain.model_validate({
        **CONFIG.model_dump(mode="json"), "guard": {"warmup": 8, "patience": 3, "rewarm": 2},
        "changes": [{"step": 10, "set": {"optimizer": {"kind": "lion", "lr": 1e-3}}}],
    })  # fmt: skip
    poison = frozenset({11, 12, 13})
    whole = Done(tmp_path / "whole", config, poison=poison)
    for die_at in (12, 15, 22):
        with contextlib.suppress(MemoryError):
            Done(tmp_path / "killed", config, die_at=die_at, poison=poison)
    killed = Done(tmp_path / "killed", config, poison=poison)
    assert whole.bits == killed.bits
    assert [row["to"] for row in whole.metrics("rollback")] == [7]


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        ({"set": {"optimizer.lr": -1}}, "optimizer.lr: input should be greater than 0"),
        ({"set": {"model.width": 64}}, "the weights have its shape"),
        ({"set": {"steps": 6}}, "the run would end after 6 steps, and 7 were made before"),
        ({"set": {"optimizer.kind": [1]}}, "optimizer"),
        ({"set": {"batch_size": 1001}}, "a batch of 1,001 rows is larger than the data, which have 1,000"),
        ({"do": ["dance"]}, "is no request"),
        (["stop"], "is no request"),
    ],
)
def test_a_request_that_cannot_be_ends_no_run(
    tmp_path: Path, plain: Done, ask: Any, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even one that no verb has looked at."""
    assert Done(tmp_path / "asked", asks={6: ask}).bits == plain.bits
    assert not (tmp_path / "asked" / RECORD).exists()
    assert reason in read_json(tmp_path / "asked" / FOLDER / "answer-006.json")["refused"]
    assert "a request is refused" in capsys.readouterr().err


def test_a_broken_request_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HeadwaterError, match="is no request"):
        read_request('{"set": {"clip":', 3)


def test_a_stop_keeps_the_run_and_can_be_gone_on_from(tmp_path: Path, plain: Done) -> None:
    with pytest.raises(KeyboardInterrupt):
        Done(tmp_path / "stopped", asks={11: {"do": ["stop"]}})
    again = Done(tmp_path / "stopped")
    assert again.rows.read[0] == 13 * 4
    assert again.bits == plain.bits


def test_a_request_that_was_granted_before_a_kill_is_not_granted_again(tmp_path: Path) -> None:
    """The process dies between writing the record and taking the request away."""
    steered = Done(tmp_path / "steered", asks={8: {"do": ["validate"]}})
    with contextlib.suppress(MemoryError):
        Done(tmp_path / "killed", asks={8: {"do": ["validate"]}}, die_at=10)
    (tmp_path / "killed" / FOLDER / "ask-008.json").write_text(json.dumps({"do": ["validate"]}))
    killed = Done(tmp_path / "killed")
    assert len(read_jsonl(tmp_path / "killed" / RECORD)) == 1
    assert killed.metrics("validation") == steered.metrics("validation")


def test_planned_changes_hold_from_their_step(tmp_path: Path) -> None:
    config = Pretrain.model_validate({
        **CONFIG.model_dump(mode="json"), "schedule": {"kind": "constant", "warmup": 0},
        "changes": [{"step": 20, "set": {"optimizer.lr": 2e-3}}, {"step": 10, "set": {"optimizer.lr": 5e-3}}],
    })  # fmt: skip
    rates = [row["lr"] for row in Done(tmp_path, config).metrics("train")]
    assert rates == pytest.approx([1e-2] * 10 + [5e-3] * 10 + [2e-3] * 10)


ASKED_OF_TWO = {"optimizer.kind": "lion", "optimizer.lr": 1e-3, "clip": 0.3}


def of_two(rank: int, folder: Path, ask: bool) -> processes.Told:
    """Only the leader sees the request."""

    def at(step: int) -> None:
        if ask and rank == 0 and step == 4:
            (folder / "shared" / FOLDER / "ask-1.json").write_text(json.dumps({"set": ASKED_OF_TWO, "do": ["validate"]}))

    changes = [] if ask else [{"step": 5, "set": ASKED_OF_TWO, "do": ["validate"]}]
    config = Training.model_validate({**processes.CONFIG.model_dump(mode="json"), "changes": changes})
    return processes.learn(folder, config, rank=rank, at=at)


@pytest.mark.slow
def test_what_the_leader_is_asked_holds_for_all_processes(tmp_path: Path) -> None:
    asked = processes.values(processes.together(2, of_two, tmp_path / "asked", True))
    replayed = processes.values(processes.together(2, of_two, tmp_path / "replayed", False))
    alone = of_two(0, tmp_path / "alone", False)
    assert asked[0].bits == asked[1].bits == replayed[0].bits
    assert asked[0].losses == pytest.approx(alone.losses, abs=1e-5)
    assert len(asked[0].validations) == 4
    assert read_jsonl(tmp_path / "asked" / "rank-0" / RECORD) and not (tmp_path / "asked" / "rank-1" / RECORD).exists()
