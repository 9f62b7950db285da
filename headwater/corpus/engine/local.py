"""Tasks in this process, or in worker processes of this machine.

Workers are spawned, not forked (threads of Arrow and Numba do not survive a fork). At most two tasks a worker wait in the
queue, so that the parent holds no long list of results. Ctrl-C is the parent's: it stops the workers. A worker whose parent
was killed ends itself.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from headwater.core.errors import HeadwaterError
from headwater.core.hardware import cores
from headwater.corpus.engine.config import LocalEngine

T = TypeVar("T")
WAITING = 2
"""Tasks at a time for each worker."""


def workers_of(engine: LocalEngine) -> int:
    return engine.workers or cores()


def here(function: Callable[[T], None], tasks: Sequence[T]) -> Iterator[T]:
    for task in tasks:
        function(task)
        yield task


def in_processes(function: Callable[[T], None], tasks: Sequence[T], workers: int) -> Iterator[T]:
    """Each task as it gets done."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(os.getpid(),))
    running: dict[Future[None], int] = {}
    coming = iter(range(len(tasks)))
    try:
        while True:
            while len(running) < WAITING * workers and (index := next(coming, None)) is not None:
                running[pool.submit(function, tasks[index])] = index
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=lambda future: running[future]):
                index = running.pop(future)
                future.result()
                yield tasks[index]
    except BrokenProcessPool:
        raise HeadwaterError("a worker process was killed from outside (often: out of memory)", where="corpus.engine",
                             mend=f"run again to go on, if need be with corpus.engine.workers below {workers}") from None  # fmt: skip
    finally:
        _stop(pool)


def _begin(parent: int) -> None:
    """In a worker, before its first task."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _stop(pool: ProcessPoolExecutor) -> None:
    """At once: what a worker has begun is of no use, for tasks write whole files or none."""
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.kill()
    for process in processes:
        process.join()
