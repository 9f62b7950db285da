"""What is a checkpoint on disk? A folder of safetensors files whose checksums hold.

    step-0000200/
      network.safetensors       parameters, fp32              several processes write network-1-of-4.safetensors and so on,
      optimizer.safetensors     moments and step counts       each its own shards
      average.safetensors       the mean of the weights, where the run takes one
      best.safetensors          the weights of the best validation, where the run keeps them
      state.json                step, guard, lengths of the logs, what was decided once (precision, threads), environment
      checksums.json            of each file; written last

The files are in the form of torch.distributed.checkpoint's HuggingFaceStorageWriter: each says where in the whole tensors its shards
lie. So its planner reads them into any layout: a checkpoint of two processes into one or four, sharded along whatever dimension. They are
written without it, because its writer speaks with the other processes while it writes, which a thread beside training must not do, and
because its first format unpickles what it reads. Here nothing is ever unpickled.

Nothing random is kept, because nothing random has a state: every draw is a function of the seed and the step.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from headwater.core.errors import HeadwaterError
from headwater.core.storage import hash_file, read_json, write_json
from headwater.parallel.group import Group

Parts = dict[str, dict[str, torch.Tensor]]  # tensors by name, by the file that they stand in
Room = Callable[[str, str, Sequence[int], torch.dtype], torch.Tensor]  # memory for a tensor of a part

STATE, CHECKSUMS = "state.json", "checksums.json"


def write_tensors(folder: Path, parts: Parts, group: Group) -> None:
    """Write what this process holds of the tensors, and a note of what that was; no word with other processes."""
    checksums = {}
    for part, tensors in parts.items():
        pieces = {f"{part}/{name}": piece for name, piece in _pieces(tensors, group)}
        if not pieces:
            continue
        file = folder / (f"{part}.safetensors" if group.size == 1 else f"{part}-{group.rank + 1}-of-{group.size}.safetensors")
        offsets = {name: {"saved_offsets": list(offset)} for name, (_, offset) in pieces.items()}
        metadata = {"DCP_SHARDING_INFO": json.dumps(offsets), "DCP_VERSION": "1.0", "format": "pt"}
        save_file({name: tensor.contiguous() for name, (tensor, _) in pieces.items()}, file, metadata)
        flush(file)
        checksums[file.name] = hash_file(file)
    write_json(_note(folder, group.rank), checksums)


def seal(folder: Path, parts: Parts, state: Mapping[str, Any], size: int) -> None:
    """Add what is no tensor, and the checksums of what `size` processes wrote."""
    notes = [_note(folder, rank) for rank in range(size)]
    write_json(folder / STATE, {**state, "parts": list(parts)})
    checksums = {name: digest for note in notes for name, digest in read_json(note).items()}
    write_json(folder / CHECKSUMS, {**checksums, STATE: hash_file(folder / STATE)})
    for note in notes:
        note.unlink()
    flush(folder)


def damage(folder: Path) -> str | None:
    """Which files are not what was written; None when all are."""
    try:
        checksums = read_json(folder / CHECKSUMS)
        known = {name: digest for name, digest in checksums.items() if isinstance(digest, str)}
    except (HeadwaterError, AttributeError):
        return CHECKSUMS
    there = {file.name for file in folder.iterdir()}
    wrong = [f"{name} is missing" for name in sorted(known.keys() - there)]
    wrong += [f"{name} does not belong there" for name in sorted(there - known.keys()) if name.endswith(".safetensors")]
    wrong += [name for name in sorted(known.keys() & there) if hash_file(folder / name) != known[name]]
    if STATE not in known and STATE in there:
        wrong.append(CHECKSUMS)
    return ", ".join(wrong) or None


def shapes(folder: Path, part: str) -> dict[str, tuple[int, ...]]:
    """Names and whole shapes of the tensors of a part."""
    return {name: shape for (of, name), (shape, _) in _described(folder).items() if of == part}


def read(folder: Path, room: Room) -> tuple[Parts, dict[str, Any]]:
    """Tensors in the memory that `room` gives for each, and the state."""
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
    from torch.distributed.checkpoint.state_dict_loader import load

    state = read_json(folder / STATE)
    rooms = {f"{part}/{name}": room(part, name, shape, dtype) for (part, name), (shape, dtype) in _described(folder).items()}
    with warnings.catch_warnings():  # that it reads without asking other processes is meant
        warnings.simplefilter("ignore")
        load(rooms, storage_reader=HuggingFaceStorageReader(str(folder)), no_dist=True)
    parts: Parts = {part: {} for part in state["parts"]}
    for key, tensor in rooms.items():
        part, _, name = key.partition("/")
        parts[part][name] = tensor
    return parts, state


def flush(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk itself."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _note(folder: Path, rank: int) -> Path:
    return folder / f"written-by-{rank}.json"


def _described(folder: Path) -> dict[tuple[str, str], tuple[tuple[int, ...], torch.dtype]]:
    """Whole shape and type of each tensor, by part and name."""
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader

    found = HuggingFaceStorageReader(str(folder)).read_metadata().state_dict_metadata
    described = {}
    for key, about in found.items():
        part, _, name = key.partition("/")
        described[part, name] = (tuple(about.size), about.properties.dtype)  # type: ignore[union-attr]
    return described


def _pieces(tensors: dict[str, torch.Tensor], group: Group) -> Iterator[tuple[str, tuple[torch.Tensor, Sequence[int]]]]:
    """What this process writes of each tensor, and where in the whole it begins: its shard; the leader what all hold alike."""
    if group.size == 1:
        yield from ((name, (tensor, (0,) * tensor.ndim)) for name, tensor in sorted(tensors.items()))
        return
    from torch.distributed.checkpoint.default_planner import DefaultSavePlanner
    from torch.distributed.tensor import DTensor

    planner = DefaultSavePlanner(flatten_state_dict=False)
    planner.set_up_planner(dict(sorted(tensors.items())))
    for item in planner.create_local_plan().items:
        tensor = tensors[item.index.fqn]
        if isinstance(tensor, DTensor):
            places = tensor.device_mesh.get_coordinate()
            first = places is not None and not any(
                place for place, how in zip(places, tensor.placements, strict=True) if how.is_replicate()
            )
        else:
            first = group.leads
        assert item.tensor_data is not None, "a tensor's plan says where it lies"
        if first and (0 not in item.tensor_data.chunk.sizes or 0 in item.tensor_data.size):
            yield item.index.fqn, (planner.resolve_data(item), item.tensor_data.chunk.offsets)  # type: ignore[misc]
