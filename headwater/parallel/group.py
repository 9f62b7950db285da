"""Who trains together? A process of a group: which rows are its own, what the others counted, whether they all agree.

    group = current()                  the processes that torchrun started, else a group of one, which costs nothing
    mine = group.share(batch)          this process's rows of the whole batch
    total, = group.sums([part])        over all processes, in fp64, the same on each

Rows are dealt in order, so that the rows of all processes one after the other are the batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from headwater.model.network import Network
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
        """This process's rows."""
        return batch

    def sums(self, values: Sequence[float]) -> list[float]:
        """Each value summed over the processes."""
        return list(values)

    def any(self, flag: bool) -> bool:
        """Whether it is so on any process."""
        return flag

    def spread(self, network: Network) -> Network:
        """The network as this group trains it: itself for one process, a sharded copy for several."""
        return network

    def gather(self, spread: Network, whole: Network) -> None:
        """Bring the weights of what is trained into the network that was given to `spread`, on each process."""

    def room_for(self, spread: Network, name: str, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        """Memory to read a checkpoint's tensor into: laid out as the parameter `name` where it has that shape, else whole."""
        return torch.empty(tuple(shape), dtype=dtype)

    def verify(self, spread: Network, step: int) -> None:
        """Raise HeadwaterError when replicas do not hold the same weights."""

    def wait(self) -> None:
        """Until all processes are here."""


def current() -> Group:
    """The group of this process."""
    return Group()
