"""What does a group of several processes do? Deals rows, adds up, tells what the leader says, waits.

Collectives run over gloo between processors and over nccl between GPUs. Legend: R ranks.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh

from headwater.core.errors import HeadwaterError
from headwater.model.moe import Experts
from headwater.model.network import Network
from headwater.parallel import layout
from headwater.parallel.config import Parallel
from headwater.parallel.group import Group
from headwater.parallel.launch import local_rank, meet, rank, store, world_size
from headwater.parallel.replicas import agree_on, same_said, same_tensors
from headwater.tokens.batch import Batch

# A process that died is noticed at once, by its closed connections; one that hangs, after this.
HANGS_AFTER = timedelta(minutes=30)
PATIENCE = timedelta(days=365)  # of those who wait while the leader does what one process does alone


class Several(Group):
    """Processes over torch.distributed; they join when the first of these is made."""

    _patient: dist.ProcessGroup | None = None

    def __init__(self, config: Parallel) -> None:
        gpu = torch.cuda.is_available()
        if not dist.is_initialized():
            if gpu:
                torch.cuda.set_device(local_rank())
            backend = "cpu:gloo,cuda:nccl" if gpu else "gloo"
            meet(found := store(HANGS_AFTER))
            dist.init_process_group(backend, store=found, rank=rank(), world_size=world_size(), timeout=HANGS_AFTER)
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.device = torch.device("cuda", torch.cuda.current_device()) if gpu else torch.device("cpu")
        self.shard = _shard(config, self.size)
        self._mesh: DeviceMesh | None = None

    @property
    def mesh(self) -> DeviceMesh:
        """Replicas by shards where there are both, else shards alone."""
        if self._mesh is None:
            self._mesh = layout.mesh(self.device.type, self.size, self.shard)
        return self._mesh

    def share(self, batch: Batch) -> Batch:
        _check_rows(len(batch), self.size)
        first, end = (len(batch) * rank // self.size for rank in (self.rank, self.rank + 1))
        return _rows(batch, first, end).to(self.device)

    def passes(self, batch: Batch, rows: int) -> Iterable[Batch]:
        """As many on each process, because each pass brings weights and gradients together."""
        mine = self.share(batch)
        most, least = -(-len(batch) // self.size), len(batch) // self.size
        count = -(-most // (rows or most))
        if count > least:
            raise HeadwaterError(
                f"{len(batch)} rows over {self.size} processes, one at once, are more passes for some than for others",
                where="micro_batch", mend="make batch_size a multiple of the processes, or micro_batch at least 2",
            )  # fmt: skip
        return [_rows(mine, len(mine) * place // count, len(mine) * (place + 1) // count) for place in range(count)]

    def admit(self, batch: Callable[[], Batch], rows: int) -> None:
        self.passes(batch(), rows)

    def sums(self, values: Sequence[float]) -> list[float]:
        """Each process adds what all have said in the order of ranks, so that all have the same bits."""
        own_V = torch.tensor(values, dtype=torch.float64, device=self.device)
        all_RV = [torch.empty_like(own_V) for _ in range(self.size)]
        dist.all_gather(all_RV, own_V)
        return [float(value) for value in torch.stack(all_RV).sum(dim=0)]

    def any(self, flag: bool) -> bool:
        seen = torch.tensor(int(flag), device=self.device)
        dist.all_reduce(seen, dist.ReduceOp.MAX)
        return bool(seen)

    def told(self, make: Callable[[], Any]) -> Any:
        said = json.dumps(make()).encode() if self.leads else b""
        length = torch.tensor(len(said))
        dist.broadcast(length, 0, group=self.patient)
        letters = torch.frombuffer(bytearray(said), dtype=torch.uint8) if self.leads else torch.empty(int(length), dtype=torch.uint8)
        dist.broadcast(letters, 0, group=self.patient)
        return json.loads(letters.numpy().tobytes())

    def spread(self, network: Network) -> Network:
        return layout.spread(network, self.mesh, self.device)

    def gather(self, spread: Network, whole: Network) -> None:
        layout.gather(spread, whole)

    def pool(self, spread: Network) -> None:
        for part in spread.modules():
            if isinstance(part, Experts) and part.chosen_E is not None:
                dist.all_reduce(part.chosen_E)

    def room_for(self, spread: Network, name: str, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        return layout.room_for(spread, name, shape, dtype)

    def verify(self, spread: Network, step: int, said: Mapping[str, Any] | None = None) -> None:
        """Weights over the replicas of each shard, buffers and words over all processes."""
        same_said({"step": step, **(said or {})}, self.rank, self.size)
        names, own = layout.pieces(spread)
        if self.shard < self.size:
            ranks = [rank for rank in range(self.size) if rank % self.shard == self.rank % self.shard]
            agree_on(*same_tensors(names, own, self.mesh.get_group("replicas")), ranks, step)
        buffers = dict(spread.named_buffers())
        agree_on(*same_tensors(list(buffers), list(buffers.values()), dist.group.WORLD), range(self.size), step)

    def wait(self) -> None:
        dist.barrier(group=self.patient)

    @property
    def patient(self) -> dist.ProcessGroup:
        """The same processes, over the processor, with all the time of the world."""
        if Several._patient is None:
            Several._patient = dist.new_group(backend="gloo", timeout=PATIENCE)
        assert Several._patient is not None
        return Several._patient


def check(config: Parallel, size: int, rows: int | None) -> None:
    """Raise HeadwaterError for a division of `size` processes that cannot be, or a batch of fewer `rows`."""
    _shard(config, size)
    if rows is not None:
        _check_rows(rows, size)


def _check_rows(rows: int, size: int) -> None:
    if rows < size:
        said = f"torchrun started {size} processes, and a batch has only {rows} {'row' if rows == 1 else 'rows'}: some would have none"
        raise HeadwaterError(said, where="batch_size", mend="start fewer processes, or make batch_size larger")


def _shard(config: Parallel, size: int) -> int:
    shard = size if config.shard is None else config.shard
    if size % shard:
        raise HeadwaterError(
            f"is {shard}, and torchrun started {size} processes, which {shard} does not divide",
            where="parallel.shard", mend="take a divisor, or null for all of them",
        )  # fmt: skip
    return shard


def _rows(batch: Batch, first: int, end: int) -> Batch:
    """Rows `first` to `end` of a batch."""

    def cut(record: Any) -> Any:
        changed: dict[str, Any] = {}
        for field in dataclasses.fields(record):
            value = getattr(record, field.name)
            if isinstance(value, torch.Tensor):
                changed[field.name] = value[first:end]
            elif field.name in ("inputs", "source") and value is not None:
                changed[field.name] = cut(value)
        return dataclasses.replace(record, **changed)

    cut_batch: Batch = cut(batch)
    return cut_batch
