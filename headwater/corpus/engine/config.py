"""What may a recipe say about where the corpus is made? It decides how fast, never what: it is in no fingerprint."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from headwater.core.config import Config


class LocalEngine(Config):
    """Worker processes on this machine."""

    kind: Literal["local"] = "local"
    workers: int | None = Field(default=None, ge=1)
    """Null: one for each core."""


class RayEngine(Config):
    """Tasks on a Ray cluster; the workspace and the sources must be on storage that every node sees. `pip install headwater[ray]`."""

    kind: Literal["ray"]
    address: str | None = None
    """`host:port`, `ray://…` or `auto`; null: a cluster of this machine alone, started for the run."""


Engine = Annotated[LocalEngine | RayEngine, Field(discriminator="kind")]
