"""Several processes train what one does, whatever the optimizer, the layout and the interruptions; what cannot be is refused."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headwater.core.errors import HeadwaterError
from headwater.model.network import Network
from headwater.parallel.config import Parallel
from headwater.parallel.layout import local
from headwater.parallel.several import Several, check
from headwater.tokens.batch import Batch
from headwater.training.config import Training
from headwater.training.loss import token_loss
from tests.parallel.processes import CONFIG, SHAPE, Counting, Told, learn, together, values


def changed(**changes: Any) -> Training:
    return Training.model_validate({**CONFIG.model_dump(), **changes})


def alike(one: Told, other: Told, tolerance: float = 1e-6) -> None:
    """Losses and held-out figures agree, and the same documents were read in the same order."""
    np.testing.assert_allclose(other.losses, one.losses, rtol=tolerance)
    np.testing.assert_allclose(other.validations, one.validations, rtol=tolerance)
    assert other.read[-len(one.read) :] == one.read  # several look at the first batch before anything is computed
    assert other.trained.step == one.trained.step


def work(rank: int, folder: Path, configs: dict[str, Training]) -> dict[str, Told]:
    return {name: learn(folder / name, config, rank=rank) for name, config in configs.items()}


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    one = learn(tmp_path / "one")
    two = values(together(2, work, tmp_path / "two", {"plain": CONFIG}))
    alike(one, two[0]["plain"])
    assert two[0]["plain"].bits == two[1]["plain"].bits


VARIANTS = {
    "adamw": changed(),
    "clipped by value": changed(optimizer={"kind": "adam"}, clip=0.05, clip_by="value"),
    "sgd with penalties": changed(optimizer={"kind": "sgd", "lr": 0.1, "momentum": 0.9, "l1": 1e-4, "l2": 1e-3}),
    "rmsprop": changed(optimizer={"kind": "rmsprop", "momentum": 0.5}),
    "lion": changed(optimizer={"kind": "lion"}),
    "adafactor": changed(optimizer={"kind": "adafactor"}),
    "muon": changed(optimizer={"kind": "muon", "lr": 0.01}),
    "schedule-free": changed(optimizer={"kind": "schedule_free"}),
    "averaged, best kept": changed(average={"kind": "ema", "decay": 0.9}, stopping={"keep": "best", "patience": 5}),
    "mean of the last": changed(average={"kind": "last", "count": 2, "every": 3}),
    "frozen": changed(rates={"frozen": ["embedding*"], "layer_decay": 0.8}),
    "changed on the way": changed(
        changes=[{"step": 4, "set": {"optimizer": {"lr": 5e-4}}}, {"step": 8, "set": {"optimizer": {"kind": "lion"}}}]
    ),
    "uneven rows in passes": changed(micro_batch=3, batch_size=13),
}


@pytest.mark.slow
@pytest.mark.parametrize("size", [2, 4])
def test_every_optimizer_learns_the_same_on_shards(tmp_path: Path, size: int) -> None:
    """Muon rounds to bf16 inside its step, which makes more of the last bit of a gradient: so do micro-batches in one process."""
    one = work(0, tmp_path / "one", VARIANTS)
    many = values(together(size, work, tmp_path / "many", VARIANTS, seconds=400))
    for name in VARIANTS:
        alike(one[name], many[0][name], 2e-4 if name == "muon" else 1e-6)
        assert len({tuple(each[name].bits.values()) for each in many}) == 1, name


@pytest.mark.slow
def test_replicas_of_shards_learn_the_same_and_equal_layouts_have_equal_bits(tmp_path: Path) -> None:
    configs = {str(shard): changed(parallel=Parallel(shard=shard, check_every=3), steps=8) for shard in (1, 2, 4)}
    one = learn(tmp_path / "one", configs["4"])
    many = values(together(4, work, tmp_path / "many", configs, seconds=400))
    again = values(together(4, work, tmp_path / "again", {"2": configs["2"]}, seconds=400))
    for told in many[0].values():
        alike(one, told)
    assert again[0]["2"].bits == many[0]["2"].bits
    assert again[0]["2"].losses == many[0]["2"].losses


def until(rank: int, folder: Path, config: Training, stop: int | None, shared: Path) -> Told | None:
    """Train until a signal reaches one process after so many steps."""

    def at(step: int) -> None:
        if step == stop and rank == 0:
            signal.raise_signal(signal.SIGINT)

    with contextlib.suppress(KeyboardInterrupt):
        return learn(folder, config, rank=rank, shared=shared, at=at)
    return None


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "muon", "adafactor"])
def test_a_run_goes_on_with_another_number_of_processes(tmp_path: Path, optimizer: str) -> None:
    """1, 2, 4, 1 processes, with 4, 2, 1, 4 passes a step."""
    config = changed(micro_batch=2, optimizer={"kind": optimizer}, average={"kind": "ema", "decay": 0.9})
    whole = learn(tmp_path / "whole", config)
    shared = tmp_path / "shared"
    assert until(0, tmp_path / "moved", config, 2, shared) is None
    assert values(together(2, until, tmp_path / "moved", config, 5, shared)) == [None] * 2
    assert values(together(4, until, tmp_path / "moved", config, 8, shared)) == [None] * 4
    moved = until(0, tmp_path / "moved", config, None, shared)
    assert moved is not None
    np.testing.assert_allclose(moved.losses, whole.losses, rtol=2e-4 if optimizer == "muon" else 1e-6)
    assert moved.read == whole.read[-len(moved.read) :]


def drifting(rank: int, folder: Path, config: Training) -> None:
    """A weight of the last process changes by itself at the third step."""
    passes = 0

    def loss(network: Network, batch: Batch) -> torch.Tensor:
        nonlocal passes
        passes += 1
        if passes == 3 and rank == torch.distributed.get_world_size() - 1:
            with torch.no_grad():
                local(dict(network.named_parameters())["stack.blocks.1.attention.out.weight"]).view(-1)[5] *= 1.0000002
        return token_loss(network, batch)

    learn(folder, config, rank=rank, loss=loss)


@pytest.mark.slow
@pytest.mark.fault
def test_a_replica_that_drifts_is_found_and_named(tmp_path: Path) -> None:
    """By the last bit of one weight; before the run's end, at the next check."""
    config = changed(parallel=Parallel(shard=1, check_every=5), guard={"verify_every": 0, "warmup": 8})
    for ended in together(3, drifting, tmp_path, changed(**{**config.model_dump(), "batch_size": 9})):
        assert ended.error == "HeadwaterError"
        assert "after step 5 process 2 has other weights than its replicas in 'stack.blocks.1.attention.out.weight'" in ended.sentence
    for ended in together(2, drifting, tmp_path / "two", config):
        assert "one of the processes 0, 1 has other weights" in ended.sentence


def flipped(rank: int, folder: Path) -> Told:
    """A weight in the shard of process 1 changes between two passes of the ninth step."""
    passes = 0

    def loss(network: Network, batch: Batch) -> torch.Tensor:
        nonlocal passes
        passes += 1
        if passes == 9 and rank == 1:
            with torch.no_grad():
                local(network.get_parameter("stack.blocks.1.attention.out.weight")).view(-1)[3] *= 1.5
        return token_loss(network, batch)

    return learn(folder, changed(checkpoint_every=4), rank=rank, loss=loss)


@pytest.mark.slow
@pytest.mark.fault
def test_a_bit_that_flips_in_one_shard_takes_all_back(tmp_path: Path) -> None:
    whole = values(together(2, work, tmp_path / "whole", {"x": changed(checkpoint_every=4)}))
    for told, undisturbed in zip(values(together(2, flipped, tmp_path / "flipped")), whole, strict=True):
        assert told.bits == undisturbed["x"].bits
        assert told.losses == undisturbed["x"].losses


def refused(rank: int, folder: Path) -> list[str]:
    """What several processes say to what cannot be; and what they had read of the data by then."""
    said = []
    for config, shape in (
        (changed(batch_size=1), SHAPE),
        (changed(batch_size=3, micro_batch=1), SHAPE),
        (changed(parallel=Parallel(shard=3)), SHAPE),
        (CONFIG, SHAPE.model_copy(update={"norm": SHAPE.norm.model_copy(update={"kind": "batch"})})),
    ):
        try:
            learn(folder, config, shape, rank=rank)
        except HeadwaterError as error:
            said.append(str(error))
    group = Several(Parallel())
    said.append(f"{group.sums([0.1 * (rank + 1), 1.0])} {group.any(rank == 1)} {group.any(False)} {group.told(lambda: f'from {rank}')}")
    rows = [len(group.share(Counting(changed(batch_size=size)).batch(0))) for size in (2, 5)]
    said.append(f"{rows}")
    return said


def test_what_cannot_be_is_refused_in_one_sentence(tmp_path: Path) -> None:
    first, second = values(together(2, refused, tmp_path))
    few, uneven, shards, norm, words, rows = first
    assert few == (
        "batch_size: torchrun started 2 processes, and a batch has only 1 row: some would have none; "
        "start fewer processes, or make batch_size larger"
    )
    assert uneven.startswith("micro_batch: 3 rows over 2 processes, one at once")
    assert shards.startswith("parallel.shard: is 3, and torchrun started 2 processes")
    assert norm.startswith("model.norm: a batch norm takes its figures over the rows of one process")
    assert first[:5] == second[:5]
    assert words == f"{[0.1 + 0.2, 2.0]} True False from 0"
    assert (rows, second[5]) == ("[1, 2]", "[1, 3]")


def test_a_recipe_is_checked_before_anybody_joins() -> None:
    with pytest.raises(HeadwaterError, match="a batch has only 3 rows"):
        check(Parallel(), 4, 3)
    with pytest.raises(HeadwaterError, match=r"parallel.shard"):
        check(Parallel(shard=3), 4, 8)
    check(Parallel(shard=2), 4, 4)
