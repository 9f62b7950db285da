"""Fingerprints of memory: any one bit of any tensor changes them; nothing that a run does on purpose is mistaken for a fault."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from headwater.model.config import ModelConfig
from headwater.parallel.group import Group
from headwater.training.average import Average, lent
from headwater.training.config import EMA, AdamW, GuardConfig, Stopping
from headwater.training.guard import Guard
from headwater.training.integrity import FlippedError, Integrity, fingerprint
from headwater.training.optimizer import Optimizers
from headwater.training.run import Run
from headwater.training.snapshots import Snapshots
from headwater.training.stopping import Best

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.int8, torch.bool]


@settings(max_examples=150, deadline=None)
@given(some.sampled_from(DTYPES), some.lists(some.integers(1, 7), max_size=3), some.integers(0, 2**32), some.integers(0, 10**9))
def test_any_single_bit_is_seen(dtype: torch.dtype, shape: list[int], seed: int, place: int) -> None:
    """Whatever the bits were, the sign bit and the last odd bytes included."""
    width = torch.empty(0, dtype=dtype).element_size()
    count = int(np.prod(shape, dtype=int))
    data = np.random.default_rng(seed).integers(0, 2 if dtype == torch.bool else 256, count * width, dtype=np.uint8)
    tensor = torch.from_numpy(data).view(dtype).reshape(shape)
    before = fingerprint(tensor)
    assert fingerprint(tensor.clone()) == before
    byte, bit = divmod(place % (8 * data.size), 8)
    data[byte] ^= np.uint8(1 << bit)
    assert fingerprint(tensor) != before
    data[byte] ^= np.uint8(1 << bit)
    assert fingerprint(tensor) == before


def test_reads_parts_of_larger_storage_and_what_is_laid_out_otherwise() -> None:
    storage = torch.arange(101.0)
    assert fingerprint(storage[1:100]) == fingerprint(storage[1:100].clone())
    square = torch.arange(25.0).view(5, 5)
    assert fingerprint(square.T) == fingerprint(square.T.contiguous())
    assert fingerprint(torch.empty(0)) == fingerprint(torch.empty(0, 3))


class Two(Group):
    """This process beside another, which saw a fault."""

    size = 2

    def any(self, flag: bool) -> bool:
        return True


@pytest.fixture
def trained() -> Run:
    """A run after two updates, with moments and an average."""
    network = ModelConfig(layers=1, width=16, heads=2, context=8, vocab_size=20).build(1)
    run = Run(network, Optimizers(AdamW(), network), Guard(GuardConfig()), Average(EMA(decay=0.9), network, 10), Best(Stopping()), step=0)
    for _ in range(2):
        update(run)
    return run


def update(run: Run) -> None:
    for parameter in run.network.parameters():
        parameter.grad = torch.ones_like(parameter)
    run.optimizers.step(1.0)
    run.step += 1
    run.average.note(run.step, applied=True)


def flip(tensor: torch.Tensor, place: int = -1, bit: int = 3) -> None:
    tensor.detach().view(-1).view(torch.int32).numpy()[place] ^= 1 << bit


def tensors_of(run: Run, kind: str) -> dict[str, torch.Tensor]:
    return {
        "weight": dict(run.network.named_parameters()),
        "moment": run.optimizers.state(),
        "average": {name: mean for name, mean in run.average.state().items() if not name.startswith("/")},
    }[kind]


@pytest.mark.fault
@pytest.mark.parametrize("kind", ["weight", "moment", "average"])
def test_names_the_tensor_that_changed(trained: Run, kind: str) -> None:
    integrity = Integrity(GuardConfig(verify_moments_every=1), Group())
    integrity.note(trained)
    integrity.check(trained)
    for name, tensor in tensors_of(trained, kind).items():
        flip(tensor)
        with pytest.raises(FlippedError, match="the machine's memory is failing") as caught:
            integrity.check(trained)
        assert caught.value.tensor.endswith(name)
        flip(tensor)
    integrity.check(trained)


def test_an_update_a_loan_and_going_back_are_no_faults(trained: Run) -> None:
    integrity = Integrity(GuardConfig(verify_moments_every=1), Group())
    for _ in range(4):
        integrity.note(trained)
        with lent(trained.network, trained.weights()):
            pass
        integrity.check(trained)
        update(trained)


@pytest.mark.parametrize(
    ("settings", "weights", "moments"),
    [({}, [1, 2, 3, 4, 5, 6, 7, 8], [8]), ({"verify_every": 3, "verify_moments_every": 4}, [3, 6], [4, 8]), ({"verify_every": 0}, [], [])],
)
def test_looks_as_often_as_it_is_told(trained: Run, settings: dict[str, Any], weights: list[int], moments: list[int]) -> None:
    integrity = Integrity(GuardConfig(**settings), Group())
    seen: dict[str, list[int]] = {"weight": [], "moment": []}
    for step in range(1, 9):
        trained.step = step
        integrity.note(trained)
        for kind, steps in seen.items():
            tensor = next(iter(tensors_of(trained, kind).values()))
            flip(tensor)
            try:
                integrity.check(trained)
            except FlippedError:
                steps.append(step)
            flip(tensor)
    assert seen == {"weight": weights, "moment": moments}


@pytest.mark.fault
def test_a_snapshot_that_changed_is_not_trusted(trained: Run) -> None:
    integrity = Integrity(GuardConfig(), Group())
    parts = {"network": trained.network.state_dict(), "optimizer": trained.optimizers.state(), "average": trained.average.state()}
    saved = Snapshots().take(2, parts, {})
    integrity.taken(saved)
    integrity.sound()
    for part, tensors in saved.parts.items():
        name, tensor = next(item for item in tensors.items() if item[1].dtype == torch.float32)
        flip(tensor)
        with pytest.raises(FlippedError, match=f"{part} {name}, of the snapshot, changed after step 2"):
            integrity.sound()
        flip(tensor)
    integrity.sound()
    integrity.taken(None)  # it is on the disk, and has checksums
    integrity.sound()


@pytest.mark.fault
def test_all_processes_go_back_when_one_saw_a_fault(trained: Run) -> None:
    integrity = Integrity(GuardConfig(), Two())
    integrity.note(trained)
    with pytest.raises(FlippedError, match="a tensor of another process"):
        integrity.check(trained)
