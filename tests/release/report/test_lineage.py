"""The drawing's order and lanes are right for any graph, and its arrows are the manifests' inputs."""

import itertools

from headwater.core.artifact import Workspace
from headwater.release.report.evidence import read_stages
from headwater.release.report.lineage import lanes, parents, rows, section
from headwater.release.report.words import Words

WORDS = Words("en")


def test_every_stage_stands_below_what_it_was_made_from() -> None:
    sources = {"d": ["b", "c"], "b": ["a"], "c": ["a"], "a": []}
    order = rows(list(sources), sources)
    assert sorted(order) == ["a", "b", "c", "d"]
    assert all(order.index(source) < order.index(name) for name in sources for source in sources[name])


def test_lanes_that_overlap_stand_beside_each_other() -> None:
    """On every graph of five stages in a row (1,024 of them): all long arrows drawn, none on another's lane."""
    names = list("abcde")
    pairs = list(itertools.combinations(names, 2))
    for chosen in itertools.product([False, True], repeat=len(pairs)):
        sources: dict[str, list[str]] = {name: [] for name in names}
        for (upper, lower), drawn in zip(pairs, chosen, strict=True):
            if drawn:
                sources[lower].append(upper)
        found = lanes(names, sources)
        arrows = {(names[lane.start], names[stop]) for lane in found for stop in lane.stops}
        assert arrows == {(upper, lower) for lower in names for upper in sources[lower] if names.index(lower) > names.index(upper) + 1}
        for one, other in itertools.combinations(found, 2):
            if one.place == other.place:
                assert one.stops[-1] < other.start or other.stops[-1] < one.start


def test_arrows_are_the_manifests_inputs(workspace: Workspace) -> None:
    stages = read_stages(workspace, WORDS)
    sources, strangers = parents(stages)
    assert strangers == []
    assert {name: set(found) for name, found in sources.items()} == {
        name: set(stage.artifact.manifest.inputs) for name, stage in stages.items() if stage.artifact
    }


def test_an_input_that_is_no_longer_current_is_said(fresh: Workspace) -> None:
    (fresh.root / "tokens").unlink()
    found = section(read_stages(fresh, WORDS), WORDS)
    assert set(found.body["strangers"]) == {("pretrain", "tokens"), ("evaluate", "tokens")}
