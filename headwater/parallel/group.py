"""Who trains together? A process of a group: which rows are its own, what the others counted, whether they all agree.

    group = current(config.parallel)       the processes that torchrun started, else a group of one, which costs nothing
    for micro in group.passes(batch, 8)    this process's rows of the whole batch, at most 8 at once, as many passes on each process
    total, = group.sums([part])            over all processes, in fp64, the same on each

Rows are dealt in order, so that the rows of all processes one after the other are the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch

from headwater.model.network import Network
from headwater.parallel.config import Parallel
from headwater.parallel.launch import launched
from headwater.tokens.batch import Batch


class Group:
    """A group of one: everything is its own, and nobody can disagree."""

    rank = 0
    size = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def share(self, batch: Batch) -> Batch:
        """This process's rows. Raises HeadwaterError where there are fewer rows than processes."""
        return batch

    def passes(self, batch: Batch, rows: int) -> Iterable[Batch]:
        """This process's rows, at most `rows` at once (0: all)."""
        return batch.micro(rows or len(batch))

    def admit(self, batch: Callable[[], Batch], rows: int) -> None:
        """Raise HeadwaterError when such a batch cannot be dealt out; before anything is computed."""

    def sums(self, values: Sequence[float]) -> list[float]:
        """Each value summed over the processes."""
        return list(values)

    def any(self, flag: bool) -> bool:
        """Whether it is so on any process."""
        return flag

    def told(self, make: Callable[[], Any]) -> Any:
        """What the leader makes, on each process; only the leader makes it. It must be what JSON can say."""
        return make()

    def spread(self, network: Network) -> Network:
        """The network as this group trains it: itself for one process, a sharded copy for several."""
        return network

    def gather(self, spread: Network, whole: Network) -> None:
        """Bring the weights of what is trained into the network that was given to `spread`, on each process."""

    def pool(self, spread: Network) -> None:
        """Add up what routers counted on each process since the last step."""

    def room_for(self, spread: Network, name: str, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        """Memory to read a checkpoint's tensor into: laid out as the parameter `name` where it has that shape, else whole."""
        return torch.empty(tuple(shape), dtype=dtype)

    def verify(self, spread: Network, step: int, said: Mapping[str, Any] | None = None) -> None:
        """Raise HeadwaterError when processes do not hold the same weights, or do not say the same of their run."""

    def wait(self) -> None:
        """Until all processes are here."""


def current(config: Parallel | None = None) -> Group:
    """The group of this process."""
    if not launched() and not _gathered():
        return Group()
    from headwater.parallel.several import Several

    return Several(config or Parallel())


def _gathered() -> bool:
    """Whether somebody else has brought processes together."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()
