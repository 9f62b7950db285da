"""headwater/corpus/engine/run.py: every task done, whoever does it; errors arrive whole."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pytest

from headwater.core.errors import HeadwaterError
from headwater.corpus.engine.config import LocalEngine, RayEngine
from headwater.corpus.engine.run import each

ENGINES = [LocalEngine(workers=1), LocalEngine(workers=2)]


def write(folder: Path, number: int) -> None:
    (folder / f"{number}.{os.getpid()}").write_text(str(number * number))


def refuse_seven(number: int) -> None:
    if number == 7:
        raise HeadwaterError("is seven", where="task:7", mend="take eight")


def divide(number: int) -> None:
    _ = 1 // (number - 3)


@pytest.mark.parametrize("engine", ENGINES)
def test_each_task_is_done_once(tmp_path: Path, engine: LocalEngine) -> None:
    told: list[int] = []
    each(engine, functools.partial(write, tmp_path), range(40), told.append)
    assert sorted(told) == list(range(40))
    found = sorted(tmp_path.iterdir())
    assert sorted(int(path.name.split(".")[0]) for path in found) == list(range(40))
    assert {path.read_text() for path in found} == {str(n * n) for n in range(40)}
    pids = {path.name.split(".")[1] for path in found}
    assert (str(os.getpid()) in pids) == (engine.workers == 1)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_users_mistake_arrives_with_where_and_mend(engine: LocalEngine) -> None:
    with pytest.raises(HeadwaterError) as error:
        each(engine, refuse_seven, range(10), lambda _: None)
    assert str(error.value) == "task:7: is seven; take eight"


@pytest.mark.parametrize("engine", ENGINES)
def test_our_bug_stays_our_bug(engine: LocalEngine) -> None:
    with pytest.raises(ZeroDivisionError):
        each(engine, divide, range(10), lambda _: None)


@pytest.mark.slow
def test_ray_does_the_same(tmp_path: Path) -> None:
    import ray

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, ignore_reinit_error=True)
    try:
        told: list[int] = []
        each(RayEngine(kind="ray"), functools.partial(write, tmp_path), range(20), told.append)
        assert sorted(told) == list(range(20))
        assert sorted(int(path.name.split(".")[0]) for path in tmp_path.iterdir()) == list(range(20))
        with pytest.raises(HeadwaterError, match="task:7: is seven; take eight"):
            each(RayEngine(kind="ray"), refuse_seven, range(10), lambda _: None)
        with pytest.raises(ZeroDivisionError):
            each(RayEngine(kind="ray"), divide, range(10), lambda _: None)
    finally:
        ray.shutdown()
