"""How does every task get done? In: a picklable function, tasks that it can be given, an engine. Out: nothing: tasks write files.

    each(config.engine, annotate_unit, jobs, advance)

A task writes one file (or a few, the last of which says that it is whole), atomically, and does nothing if that is there:
so a run that was killed goes on where it was, and a task that is done twice does no harm. What a task writes depends on the task
alone, never on who did it or when: engines and numbers of workers give equal bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from headwater.corpus.engine.config import LocalEngine, RayEngine

T = TypeVar("T")
Advance = Callable[[T], None]
"""Told of each task that is done."""


def each(engine: LocalEngine | RayEngine, function: Callable[[T], None], tasks: Sequence[T], advance: Callable[[T], None]) -> None:
    """Do all tasks; the first error (of the lowest task among those that failed) ends the run and is raised here."""
    for task in _done(engine, function, tasks):
        advance(task)


def _done(engine: LocalEngine | RayEngine, function: Callable[[T], None], tasks: Sequence[T]) -> Iterator[T]:
    if isinstance(engine, RayEngine):
        from headwater.corpus.engine.ray import on_ray

        return on_ray(engine, function, tasks)
    from headwater.corpus.engine.local import here, in_processes, workers_of

    workers = min(workers_of(engine), len(tasks))
    return in_processes(function, tasks, workers) if workers > 1 else here(function, tasks)
