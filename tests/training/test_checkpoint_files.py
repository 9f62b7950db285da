"""Files of a checkpoint: read back to the bit, by torch's own reader as well, into any number of processes; every flipped bit is found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from headwater.parallel.group import Group
from headwater.training.checkpoint_files import Parts, damage, read, seal, shapes, write_tensors
from tests.parallel.processes import together, values

TYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.int32, torch.uint8, torch.bool)
STATE = {"step": 7, "guard": {"losses": [0.1, 1 / 3, 2.5e-17]}}


def whole(part: str, name: str, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    return torch.empty(tuple(shape), dtype=dtype)


def write(folder: Path, parts: Parts) -> None:
    folder.mkdir(parents=True)
    write_tensors(folder, parts, Group())
    seal(folder, parts, STATE, 1)


def some(seed: int = 0) -> Parts:
    """A network's weights and an optimizer's state, scalars and a wide integer among them."""
    draw = torch.Generator().manual_seed(seed)
    weights = {"embedding.weight": torch.randn(50, 8, generator=draw), "blocks.0.up.weight": torch.randn(32, 8, generator=draw)}
    moments = {f"{name}/exp_avg": torch.randn(weight.shape, generator=draw) for name, weight in weights.items()}
    steps = {f"{name}/step": torch.tensor(7.0, dtype=torch.float64) for name in weights}
    return {"network": weights, "optimizer": {**moments, **steps}, "average": {"/taken": torch.tensor(2**62 + 1)}, "empty": {}}


def same(left: torch.Tensor, right: torch.Tensor) -> bool:
    """To the bit, NaN and -0 too."""
    return left.dtype == right.dtype and left.shape == right.shape and left.numpy(force=True).tobytes() == right.numpy(force=True).tobytes()


@given(st.lists(st.tuples(st.sampled_from(TYPES), st.lists(st.integers(0, 4), max_size=3), st.integers(0, 99)), max_size=6))
@settings(max_examples=25, deadline=None)
def test_read_back_to_the_bit(tmp_path_factory: pytest.TempPathFactory, drawn: list[Any]) -> None:
    """Any type and shape, whatever bits are in them."""
    parts: Parts = {"first": {}, "second": {}}
    for number, (dtype, shape, seed) in enumerate(drawn):
        generator = torch.Generator().manual_seed(seed)
        size = torch.empty((), dtype=dtype).element_size()
        top = 2 if dtype is torch.bool else 256
        raw = torch.randint(0, top, (*shape, size) if shape else (size,), generator=generator, dtype=torch.uint8)
        tensor = raw.view(dtype).reshape(shape)
        parts["first" if number % 2 else "second"][f"a.{number}/b"] = tensor
    folder = tmp_path_factory.mktemp("any") / "step"
    write(folder, parts)
    back, state = read(folder, whole)
    assert {part: list(tensors) for part, tensors in back.items()} == {part: sorted(tensors) for part, tensors in parts.items()}
    assert all(
        same(back[part][name].view(torch.uint8), tensor.view(torch.uint8))
        if tensor.ndim
        else same(back[part][name].reshape(1).view(torch.uint8), tensor.reshape(1).view(torch.uint8))
        for part, tensors in parts.items()
        for name, tensor in tensors.items()
    )
    assert {key: state[key] for key in STATE} == STATE


def test_strided_tensors_are_written_as_they_read(tmp_path: Path) -> None:
    tensor = torch.arange(12.0).reshape(3, 4).t()
    write(tmp_path / "step", {"network": {"weight": tensor}})
    assert torch.equal(read(tmp_path / "step", whole)[0]["network"]["weight"], tensor)
    assert shapes(tmp_path / "step", "network") == {"weight": (4, 3)}


@pytest.mark.oracle
def test_torch_reads_it(tmp_path: Path) -> None:
    """torch.distributed.checkpoint, told nothing but the folder."""
    from torch.distributed.checkpoint import HuggingFaceStorageReader, load

    parts = some()
    write(tmp_path / "step", parts)
    rooms = {f"{part}/{name}": torch.full_like(tensor, 9) for part, tensors in parts.items() for name, tensor in tensors.items()}
    load(rooms, storage_reader=HuggingFaceStorageReader(str(tmp_path / "step")))
    assert all(same(rooms[f"{part}/{name}"], tensor) for part, tensors in parts.items() for name, tensor in tensors.items())


@pytest.mark.oracle
def test_reads_what_torch_writes(tmp_path: Path) -> None:
    from torch.distributed.checkpoint import HuggingFaceStorageWriter, save

    parts = some()
    flat = {f"{part}/{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()}
    save(flat, storage_writer=HuggingFaceStorageWriter(str(tmp_path), save_distributed=True))
    (tmp_path / "state.json").write_text(json.dumps({"parts": list(parts)}))
    back, _ = read(tmp_path, whole)
    assert all(same(back[part][name], tensor) for part, tensors in parts.items() for name, tensor in tensors.items())


def sharded(rank: int, folder: Path, kind: str) -> dict[str, bytes]:
    """In a group: lay `some()` out over the processes, and write it or read it; the whole tensors, as bytes."""
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor

    size = dist.get_world_size()
    group = Group()
    group.rank, group.size = rank, size
    if kind == "replicated":  # two replicas of two shards
        mesh, places = init_device_mesh("cpu", (2, size // 2)), (Replicate(), Shard(0))
    else:
        mesh, places = init_device_mesh("cpu", (size,)), (Shard(int(kind)),)

    def lay(tensor: torch.Tensor) -> torch.Tensor:
        return distribute_tensor(tensor, mesh, places) if tensor.ndim == 2 else tensor

    parts = {part: {name: lay(tensor) for name, tensor in tensors.items()} for part, tensors in some().items()}
    if not folder.exists() or not any(folder.glob("*.json")):
        if group.leads:
            folder.mkdir(exist_ok=True)
        dist.barrier()
        write_tensors(folder, parts, group)
        dist.barrier()
        if group.leads:
            seal(folder, parts, STATE, size)
        dist.barrier()
    assert damage(folder) is None
    back, _ = read(folder, lambda part, name, shape, dtype: lay(torch.empty(tuple(shape), dtype=dtype)))
    full = {
        f"{part}/{name}": tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        for part, tensors in back.items()
        for name, tensor in tensors.items()
    }
    return {name: tensor.numpy().tobytes() for name, tensor in full.items()}


@pytest.mark.parametrize(
    ("written", "again"),
    [
        ((2, "0"), [(3, "1")]),
        pytest.param((4, "replicated"), [(2, "1")], marks=pytest.mark.slow),
        pytest.param((3, "1"), [(4, "0")], marks=pytest.mark.slow),
    ],
)
def test_the_number_of_processes_may_change(tmp_path: Path, written: tuple[int, str], again: list[tuple[int, str]]) -> None:
    """Written by 2, 3 or 4 (uneven shards too), read by 1 and by others, sharded along either dimension."""
    folder = tmp_path / "step"
    expected = {f"{part}/{name}": tensor.numpy().tobytes() for part, tensors in some().items() for name, tensor in tensors.items()}
    assert all(back == expected for back in values(together(written[0], sharded, folder, written[1])))
    assert len(list(folder.glob("network-*.safetensors"))) == (2 if written[1] == "replicated" else written[0])
    back, _ = read(folder, whole)
    assert {f"{part}/{name}": tensor.numpy().tobytes() for part, tensors in back.items() for name, tensor in tensors.items()} == expected
    for size, kind in again:
        assert all(back == expected for back in values(together(size, sharded, folder, kind)))


@pytest.mark.fault
def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    """One bit at a time: at 60 places of each file of tensors, and 300 of the two that say what those are."""
    write(tmp_path / "step", some())
    draw = torch.Generator().manual_seed(3)
    for file in sorted((tmp_path / "step").iterdir()):
        content = file.read_bytes()
        if file.suffix == ".json":
            bits = list(range(len(content) * 8))[:: max(1, len(content) * 8 // 300)]
        else:
            bits = torch.randint(0, len(content) * 8, (60,), generator=draw).tolist()
        for bit in bits:
            flipped = bytearray(content)
            flipped[bit // 8] ^= 1 << bit % 8
            file.write_bytes(flipped)
            found = damage(tmp_path / "step")
            if found is None:  # a space of checksums.json became another: it says the same
                assert file.name == "checksums.json" and json.loads(flipped) == json.loads(content)
            else:
                assert file.name in found or file.name == "checksums.json"
        file.write_bytes(content)
    assert damage(tmp_path / "step") is None


@pytest.mark.fault
def test_torn_missing_and_foreign_files_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "step"
    write(folder, some())
    network, optimizer = folder / "network.safetensors", folder / "optimizer.safetensors"
    network.write_bytes(network.read_bytes()[:100])
    content = optimizer.read_bytes()
    optimizer.unlink()
    assert damage(folder) == "optimizer.safetensors is missing, network.safetensors"
    optimizer.write_bytes(content)
    (folder / "network-2-of-2.safetensors").write_bytes(content)
    assert damage(folder) == "network-2-of-2.safetensors does not belong there, network.safetensors"
    (folder / "checksums.json").unlink()
    assert damage(folder) == "checksums.json"
