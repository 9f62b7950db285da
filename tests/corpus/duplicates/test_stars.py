"""headwater/corpus/duplicates/stars.py: components by tasks against breadth-first search and, in `relate`, against union-find."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.core.progress import Reporter
from headwater.corpus.annotated import Annotated
from headwater.corpus.duplicates import stars
from headwater.corpus.duplicates.components import alone, flatten
from headwater.corpus.duplicates.config import Duplicates
from headwater.corpus.duplicates.relate import relate
from headwater.corpus.duplicates.stars import components, unite
from headwater.corpus.engine.config import RayEngine
from headwater.corpus.engine.run import each

Pairs = Sequence[tuple[int, int]]


def one_by_one(function: Callable[[Any], None], tasks: Sequence[Any], what: str) -> None:
    for task in tasks:
        function(task)


class Recorder:
    """A `run` that keeps what every task wrote."""

    def __init__(self, spread: Callable[..., None] = one_by_one) -> None:
        self.spread = spread
        self.steps: list[list[bytes]] = []

    def __call__(self, function: Callable[[Any], None], tasks: Sequence[Any], what: str) -> None:
        self.spread(function, tasks, what)
        self.steps.append([task.path.read_bytes() for task in tasks])


def reached(pairs: Pairs) -> dict[int, int]:
    """The least place of each group of two or more, by breadth-first search."""
    beside: dict[int, set[int]] = {}
    for a, b in pairs:
        if a != b:
            beside.setdefault(a, set()).add(b)
            beside.setdefault(b, set()).add(a)
    least: dict[int, int] = {}
    for start in sorted(beside):
        front = [] if start in least else [start]
        while front:
            least.update(dict.fromkeys(front, start))
            front = [place for place in {other for place in front for other in beside[place]} if place not in least]
    return least


def sides(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def found(pairs: Pairs, partition: int, run: Callable[..., None] = one_by_one) -> dict[int, int]:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as scratch:
        patch.setattr(stars, "PARTITION", partition)
        places, groups = components(*sides(pairs), "test", Path(scratch), run)
        assert (np.diff(places) > 0).all()
        assert [path.name for path in Path(scratch).iterdir()] == ["stars-test.npz"]
    return dict(zip(places.tolist(), groups.tolist(), strict=True))


PLACES = st.one_of(st.integers(0, 30), st.integers(0, 2**32 - 2))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(PLACES, PLACES), max_size=60), st.sampled_from([7, 30, 1000]))
def test_any_pairs(pairs: list[tuple[int, int]], partition: int) -> None:
    """Twice the same pair, a pair turned round, a document with itself: all of them are drawn."""
    assert found(pairs, partition) == reached(pairs)


def random_pairs(count: int, documents: int, seed: int = 0) -> Pairs:
    draw = np.random.default_rng(seed)
    return [(a, b) for a, b in draw.integers(0, documents, (count, 2)).tolist()]


def chain(length: int, shuffled: bool) -> Pairs:
    order = (np.random.default_rng(0).permutation(length) if shuffled else np.arange(length)).tolist()
    return list(itertools.pairwise(order))


@pytest.mark.parametrize(
    ("pairs", "most"),
    [
        (chain(10_000, shuffled=False), 32),
        (chain(10_000, shuffled=True), 32),
        ([(5_000, other) for other in range(10_000)], 4),
        ([(0, other) for other in range(5_000)] + [(other, 0) for other in range(5_000)], 2),
        ([(3 * group + a, 3 * group + b) for group in range(3_000) for a, b in ((2, 1), (1, 0), (1, 2))], 4),
        (random_pairs(10_000, 10_000), 12),
        (random_pairs(3_000, 10_000), 12),
    ],
    ids=["chain", "shuffled chain", "star", "star of the least", "many groups", "giant component", "sparse"],
)
def test_large_graphs_in_few_steps(pairs: Pairs, most: int) -> None:
    recorder = Recorder()
    assert found(pairs, 4_000, recorder) == reached(pairs)
    assert len(recorder.steps[0]) >= 2
    assert len(recorder.steps) <= most


def test_two_processes_write_the_same_bytes() -> None:
    pairs = random_pairs(2_000, 2_500)
    with get_context("spawn").Pool(2) as pool:

        def spread(function: Callable[[Any], None], tasks: Sequence[Any], what: str) -> None:
            pool.map(function, tasks[::-1], chunksize=1)

        here, there = Recorder(), Recorder(spread)
        assert found(pairs, 1_000, here) == found(pairs, 1_000, there)
    assert len(here.steps[0]) == 4
    assert here.steps == there.steps


@pytest.mark.slow
def test_a_ray_cluster_of_this_machine_writes_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    pairs = random_pairs(2_000, 2_500)
    engine = RayEngine(kind="ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, ignore_reinit_error=True)
    try:
        here, there = Recorder(), Recorder(lambda function, tasks, what: each(engine, function, tasks, lambda _: None))
        assert found(pairs, 1_000, here) == found(pairs, 1_000, there) == reached(pairs)
    finally:
        ray.shutdown()
    assert len(here.steps[0]) == 4
    assert here.steps == there.steps


@pytest.mark.fault
def test_a_run_that_was_cut_short_goes_on_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In each step, once with half of its files written, once with all of them of which half were lost."""
    monkeypatch.setattr(stars, "PARTITION", 200)
    pairs = sides(random_pairs(400, 500))
    whole = Recorder()
    components(*pairs, "whole", tmp_path, whole)
    expected = (tmp_path / "stars-whole.npz").read_bytes()
    count = len(whole.steps)
    for lost in (False, True):
        name = f"broken-{lost}"
        calls: list[int] = []
        for broken in range(count):

            def run(function: Callable[[Any], None], tasks: Sequence[Any], what: str, broken: int = broken, lost: bool = lost,
                    calls: list[int] = calls) -> None:  # fmt: skip
                calls.append(tasks[0].step)
                one_by_one(function, tasks if lost else tasks[::2], what)
                if tasks[0].step == broken:
                    for task in tasks[1::2] if lost else ():
                        task.path.unlink()
                    raise KeyboardInterrupt
                one_by_one(function, tasks, what)

            with pytest.raises(KeyboardInterrupt):
                components(*pairs, name, tmp_path, run)
        components(*pairs, name, tmp_path, one_by_one)
        assert calls == [0, *(step for broken in range(1, count) for step in (broken - 1, broken))]  # no step is begun a third time
        assert (tmp_path / f"stars-{name}.npz").read_bytes() == expected
        assert sorted(path.name for path in tmp_path.glob(f"stars-{name}*")) == [f"stars-{name}.npz"]
    components(*pairs, "whole", tmp_path, lambda *_: pytest.fail("the answer is there"))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.tuples(st.integers(0, 25), st.integers(0, 25)), max_size=12), max_size=4))
def test_unite_after_unite_is_the_union_find(rounds: list[list[tuple[int, int]]]) -> None:
    parents = alone(26), alone(26)
    with tempfile.TemporaryDirectory() as scratch:
        for parent, limit in zip(parents, (1000, -1), strict=True):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(stars, "IN_MEMORY", limit)
                patch.setattr(stars, "PARTITION", 10)
                for number, pairs in enumerate(rounds):
                    unite(parent, *sides(pairs), f"round-{number}", Path(scratch), one_by_one)
            flatten(parent)
    least = reached([pair for pairs in rounds for pair in pairs])
    assert parents[0].tolist() == parents[1].tolist() == [least.get(place, place) for place in range(26)]


def test_relate_writes_the_same_bytes_either_way(
    annotate: Callable[..., Annotated], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exact copies, and chains of texts of which each is like the next."""
    draw = np.random.default_rng(0)
    texts = []
    for _ in range(6):
        words = [f"w{number}" for number in draw.integers(0, 1 << 40, 240).tolist()]
        texts += [" ".join(words[start : start + 200]) for start in range(0, 41, 8)]
    texts = [texts[place] for place in draw.permutation(len(texts)).tolist()] + texts[::3]
    config = Duplicates()
    annotated = annotate(texts, config, parts=3)
    written, steps = [], []
    for name, limit in (("memory", 1000), ("tasks", -1)):
        monkeypatch.setattr(stars, "IN_MEMORY", limit)
        monkeypatch.setattr(stars, "PARTITION", 20)
        done: list[str] = []

        def run(function: Callable[[Any], None], tasks: Sequence[Any], what: str, done: list[str] = done) -> None:
            done.append(function.__name__)
            one_by_one(function, tasks, what)

        relate(annotated, config, tmp_path / name, run, Reporter())
        written.append({file.name: file.read_bytes() for file in (tmp_path / name).iterdir()})
        steps.append(done.count("scatter"))
    assert steps == [0, 3]
    assert len(written[0]) == 3
    assert written[0] == written[1]
