"""What is drawn meets the plan within half a document, is nested, and is the same whatever else is in the corpus."""

import numpy as np
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.core.random import stream
from headwater.corpus.mixture.draw import copies, realised, scramble
from headwater.corpus.mixture.plan import Count, Part, Plan


def a_plan(epochs: list[float], unit: str = "bytes") -> Plan:
    return Plan(unit, 0.0, tuple(Part(str(index), Count(0, 0), 0.0, value, False) for index, value in enumerate(epochs)))


def corpus(count: int, strata: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = stream(7, "mixture test")
    hashes = np.array([xxhash.xxh3_64_intdigest(b"doc-%d" % n) for n in range(count)], np.uint64)
    return hashes, draw.integers(0, strata, count), draw.integers(1, 5_000, count)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 6), min_size=1, max_size=5), st.integers(0, 400))
def test_sums_meet_the_plan_within_half_a_document(epochs: list[float], count: int) -> None:
    hashes, strata, sizes = corpus(count, len(epochs))
    drawn = copies(hashes, strata, a_plan(epochs), sizes)
    for index, wished in enumerate(epochs):
        inside = strata == index
        written = (drawn[inside] * sizes[inside]).sum()
        assert abs(written - wished * sizes[inside].sum()) <= max(sizes[inside], default=0) / 2 + 1e-6
        assert set(drawn[inside].tolist()) <= {int(wished), int(wished) + 1}


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 4), st.floats(0, 4))
def test_more_epochs_never_take_a_copy_away(a: float, b: float) -> None:
    hashes, strata, sizes = corpus(200, 1)
    low, high = (copies(hashes, strata, a_plan([epochs]), sizes) for epochs in sorted((a, b)))
    assert (low <= high).all()


def test_order_and_neighbours_change_nothing() -> None:
    hashes, strata, sizes = corpus(500, 3)
    plan = a_plan([0.3, 1.5, 2.0])
    drawn = copies(hashes, strata, plan, sizes)
    shuffled = stream(1, "order").permutation(500)
    assert (copies(hashes[shuffled], strata[shuffled], plan, sizes[shuffled]) == drawn[shuffled]).all()
    alone = strata == 1
    assert (copies(hashes[alone], strata[alone], plan, sizes[alone]) == drawn[alone]).all()


def test_more_data_moves_the_border_and_reshuffles_nothing() -> None:
    """Of the documents that were there before, those drawn are all that were, or those and some more."""
    hashes, strata, sizes = corpus(600, 1)
    for epochs in (0.2, 0.5, 0.9):
        before = copies(hashes[:400], strata[:400], a_plan([epochs]), sizes[:400]) > 0
        after = (copies(hashes, strata, a_plan([epochs]), sizes) > 0)[:400]
        assert (before <= after).all() or (after <= before).all()
        assert (before != after).sum() < 40


def test_documents_are_counted_where_they_are_the_unit() -> None:
    hashes, strata, _ = corpus(301, 1)
    assert copies(hashes, strata, a_plan([0.5], "documents")).sum() in (150, 151)
    assert (copies(hashes, strata, a_plan([3.0], "documents")) == 3).all()


def test_the_draw_does_not_follow_the_hold_out() -> None:
    """Both go by a hash of the id; were it the same, half of the corpus would be drawn from those that are never held out."""
    hashes, strata, _ = corpus(20_000, 1)
    held = hashes < np.uint64(2**63)
    drawn = copies(hashes, strata, a_plan([0.5], "documents")) > 0
    assert drawn[held].mean() == pytest.approx(0.5, abs=0.02)
    assert len(np.unique(scramble(hashes))) == len(hashes)


def test_the_page_beside_the_plan() -> None:
    there = (Count(2, 30), Count(1, 10))
    plan = Plan("bytes", 50.0, (Part("a", there[0], 0.6, 1.0, False), Part("b", there[1], 0.4, 2.0, True)))
    facts = realised(plan, np.array([0, 0, 1]), np.array([1, 1, 2], np.int16), np.array([10, 20, 10]))
    assert facts["size"] == {"wished": 50.0, "realised": 50.0}
    assert facts["strata"]["b"] == {
        "there": {"documents": 1, "bytes": 10}, "used": 1, "written": {"documents": 2, "bytes": 20}, "epochs": 2.0, "capped": True,
        "wished": 0.4, "realised": {"documents": 0.5, "bytes": 0.4},
    }  # fmt: skip
