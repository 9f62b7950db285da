"""Tasks on a Ray cluster: one Ray task each, since ours write one file each and nothing has to be shuffled.

Not run beyond one machine; tested on a local cluster of two CPUs, where the artifacts are the local engine's, byte for byte.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from headwater.core.errors import HeadwaterError
from headwater.corpus.engine.config import RayEngine

T = TypeVar("T")
WAITING = 4
"""Tasks at a time for each CPU of the cluster."""


def on_ray(engine: RayEngine, function: Callable[[T], None], tasks: Sequence[T]) -> Iterator[T]:
    """Each task as it gets done. Ray tries a task again when a node is lost."""
    ray = _connected(engine)
    remote = ray.remote(num_cpus=1, max_retries=3)(_call)
    limit = WAITING * max(1, int(ray.cluster_resources().get("CPU", 1)))
    running: dict[Any, int] = {}
    coming = iter(range(len(tasks)))
    try:
        while True:
            while len(running) < limit and (index := next(coming, None)) is not None:
                running[remote.remote(function, tasks[index])] = index
            if not running:
                return
            done, _ = ray.wait(list(running), num_returns=1)
            for reference in done:
                index = running.pop(reference)
                try:
                    ray.get(reference)
                except ray.exceptions.RayTaskError as error:
                    raise error.cause from None
                yield tasks[index]
    finally:
        for reference in running:
            ray.cancel(reference, force=True)


def _call(function: Callable[[T], None], task: T) -> None:
    function(task)


def _connected(engine: RayEngine) -> Any:
    """The module `ray`, connected; telemetry off, no dashboard."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ModuleNotFoundError:
        raise HeadwaterError(
            "Ray is not installed", where="corpus.engine", mend="pip install 'headwater[ray]', or use {kind: local}"
        ) from None
    if not ray.is_initialized():
        try:
            ray.init(address=engine.address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            reason = str(error).split("\n")[0].rstrip(".")
            raise HeadwaterError(f"no Ray cluster answers ({reason})", where="corpus.engine.address",
                                 mend="start one with `ray start --head`, or leave the address out") from None  # fmt: skip
    return ray
