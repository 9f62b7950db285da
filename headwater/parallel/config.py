"""What a recipe may say about the processes that train together: where a run computes, never what (so it is in no fingerprint)."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from headwater.core.config import Config


class Parallel(Config):
    """Data parallel over the processes that `torchrun` started; a run without it is a group of one.

    Weights, gradients and moments are sharded over `shard` processes and replicated over the others (FSDP, Zhao et al. 2023; with
    both numbers above 1 hybrid, HSDP).
    """

    shard: PositiveInt | None = Field(default=None, description="processes that share one copy of the weights; null: all of them")
    check_every: PositiveInt = Field(default=100, description="steps between two proofs that replicas hold the same weights")
    health: bool = Field(default=True, description="each process proves that it computes rightly before it joins")
